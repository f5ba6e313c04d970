import type { Window } from './history.js'

/** What happened in a stretch of time, one count for each kind. */
export interface Bar {
  readonly from: number
  readonly to: number
  readonly counts: readonly number[]
}

/** Seconds that one bar stands for, no less than a sample: a chart of so many seconds has room for some sixty. */
export function barSeconds (seconds: number): number {
  return [3, 6, 15, 30].find(step => seconds / step <= 60) ?? 60
}

/** Sums what happened, by kind, in stretches of equal length. */
export function barsOf (window: Window, names: readonly string[], seconds: number): Bar[] {
  const length = seconds * 1000
  const figures = names.map(name => window.figure(name))
  const bars = new Map<number, number[]>()
  window.times.forEach((time, i) => {
    // A sample tells of what was before it.
    const from = Math.floor((time - 1) / length) * length
    const counts = bars.get(from) ?? names.map(() => 0)
    figures.forEach((values, n) => { counts[n]! += values[i] ?? 0 })
    bars.set(from, counts)
  })
  return Array.from(bars, ([from, counts]) => ({ from, to: from + length, counts }))
}
