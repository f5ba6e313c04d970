// What the figures of each kind of scenario are called, and which of them is compared.

const rate = unit => ({ key: 'perCpuSecond', unit, better: 'more', format: count })

/** The figure that is compared, by kind of scenario. */
export const mainFigures = {
  traffic: rate('deliveries per CPU-second'),
  storm: rate('presence frames per CPU-second'),
  connect: rate('connections per CPU-second'),
  churn: rate('steps per CPU-second'),
  idle: { key: 'bytesPerPeer', unit: 'memory per peer', better: 'less', format: bytes },
  slow: { key: 'rssGrowth', unit: 'growth of memory', better: 'less', format: bytes }
}

/** What else there is to say about a scenario, from the medians of its figures. */
export function remarks (kind, { late, serverShare, redisShare, settled, gone, cutOff, p99Ratio }) {
  switch (kind) {
    case 'traffic': return [
      late > 0 ? `overloaded: ${count(late)} deliveries behind at the end` : '',
      redisShare == null ? '' : `Redis used ${percent(redisShare / serverShare)} as much processor time`
    ].filter(Boolean).join('; ')
    case 'storm': return `all heard of all after ${settled?.toFixed(2)} s, of the end after ${gone?.toFixed(2)} s`
    case 'slow': return [
      cutOff ? 'the slow one was cut off' : 'the slow one was kept, and all that it has not read',
      `the others' p99 was ${ratio(p99Ratio)} that of before`
    ].join('; ')
    default: return ''
  }
}

export function count (value) {
  if (value == null) return 'n/a'
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)} k`
  return value.toFixed(0)
}

export function bytes (value) {
  if (value == null) return 'n/a'
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e3).toFixed(1)} kB`
}

export function milliseconds (value) {
  if (value == null) return ''
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2)
}

export function percent (value) {
  const share = value * 100
  return `${share > 0 && share < 10 ? share.toPrecision(2) : share.toFixed(0)} %`
}

export function ratio (value) {
  if (value == null) return 'n/a'
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(2)}×`
}
