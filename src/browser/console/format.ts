/** How a figure is written; null: there is none. */
export type Format = (value: number | null) => string

const NOTHING = '–'
const COUNT = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** A whole number; in full up to 99,999. */
export const count: Format = value => value === null ? NOTHING : (Math.abs(value) < 1e5 ? COUNT : SHORT).format(value)

/** So many a second; small ones with what is behind the point. */
export const rate: Format = value => {
  if (value === null) return NOTHING
  return `${value === 0 || value >= 10 ? count(value) : digits(value, 2)}/s`
}

export const percent: Format = value => value === null ? NOTHING : `${COUNT.format(value * 100)} %`

/** A time in seconds, in the unit in which it is read best. */
export const time: Format = value => {
  if (value === null) return NOTHING
  if (value === 0) return '0 ms'
  if (value < 1e-3) return `${digits(value * 1e6, 2)} µs`
  return value < 1 ? `${digits(value * 1e3, 2)} ms` : `${digits(value, 2)} s`
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export const bytes: Format = value => {
  if (value === null) return NOTHING
  const power = value < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10))
  return `${digits(value / 1024 ** power, power === 0 ? 0 : 3)} ${UNITS[power]}`
}

export const byteRate: Format = value => value === null ? NOTHING : `${bytes(value)}/s`

/** How long something has been so, in seconds, in its two greatest units. */
export function duration (seconds: number): string {
  const parts: Array<[number, string]> = [
    [Math.floor(seconds / 86400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's']
  ]
  const first = parts.findIndex(([value]) => value > 0)
  if (first === -1) return '0 s'
  const greatest = parts.slice(first, first + 2).filter(([value]) => value > 0)
  return greatest.map(([value, unit]) => `${value} ${unit}`).join(' ')
}

/** @param significant how many digits count; whole numbers keep all they have */
function digits (value: number, significant: number): string {
  const whole = significant === 0 || value >= 10 ** significant
  return whole ? COUNT.format(value) : String(Number(value.toPrecision(significant)))
}
