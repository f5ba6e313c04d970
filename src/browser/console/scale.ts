/** Where the lines across a chart are, from 0 up; the last is its top. */
export function ticksFor (max: number, base: 10 | 1024 = 10): number[] {
  if (!(max > 0)) return [0, 1]
  const step = stepFor(max / 3, base)
  const count = Math.max(1, Math.ceil(max / step - 1e-9))
  return Array.from({ length: count + 1 }, (_, i) => i * step)
}

/** The least step, of those that people like, that is not smaller. */
function stepFor (least: number, base: 10 | 1024): number {
  // Bytes are counted in powers of two: 512 KiB, 1 MiB and 1.5 MiB are rounder than 500 KiB and so on.
  if (base === 1024) return 2 ** Math.ceil(Math.log2(least) - 1e-9)
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= least * (1 - 1e-9))!
}

/** Seconds between two marks below a chart, which are whole minutes or parts of one. */
export function timeStep (seconds: number, marks: number): number {
  return [10, 15, 30, 60, 120, 300, 600].find(step => seconds / step <= marks) ?? 900
}
