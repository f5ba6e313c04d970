import fc from 'fast-check'
import t from 'tap'
import { FIGURES, FIGURE_NAMES } from '../../src/core/figures.js'
import { History } from '../../src/core/history.js'
import { AUTH_OUTCOMES, DROP_REASONS, Histogram, LIMIT_NAMES, quantileOf } from '../../src/core/stats.js'
import { seed } from '../seed.js'

t.test('keeps the last samples, from the oldest on', async t => {
  const history = new History(['a', 'b'], 3)
  t.strictSame(history.after(0), { times: [], series: { a: [], b: [] } })
  history.add(10, { a: 1, b: null })
  t.strictSame(history.after(0), { times: [10], series: { a: [1], b: [null] } })
  for (const time of [20, 30, 40]) history.add(time, { a: time, b: 0 })
  t.strictSame(history.after(0), { times: [20, 30, 40], series: { a: [20, 30, 40], b: [0, 0, 0] } })
  t.strictSame(history.after(30), { times: [40], series: { a: [40], b: [0] } })
  t.strictSame(history.after(40), { times: [], series: { a: [], b: [] } })
})

t.test('what is asked for in parts is what is asked for at once', async t => {
  const asked = fc.array(fc.nat(5), { maxLength: 40 })
  const property = fc.property(fc.integer({ min: 1, max: 9 }), asked, (capacity, asks) => {
    const history = new History(['n'], capacity)
    const seen: number[] = []
    let time = 0
    for (const fresh of asks) {
      // No more than are kept, or some are missed.
      const last = time
      for (let i = 0; i < Math.min(fresh, capacity); i++) history.add(++time, { n: time })
      seen.push(...history.after(last).times)
    }
    const { times, series } = history.after(0)
    return seen.length === time && String(times) === String(seen.slice(-capacity)) && String(series.n) === String(times)
  })
  t.doesNotThrow(() => { fc.assert(property, { seed }) })
})

t.test('a quantile lies in the bucket that holds it', async t => {
  const bounds = [1, 2, 4]
  t.equal(quantileOf(bounds, [0, 0, 0, 0], 0.5), null)
  t.equal(quantileOf(bounds, [10, 0, 0, 0], 0.5), 0.5)
  t.equal(quantileOf(bounds, [0, 0, 10, 0], 0.5), 3)
  t.equal(quantileOf(bounds, [5, 5, 0, 0], 0.5), 1)
  t.equal(quantileOf(bounds, [98, 0, 0, 2], 0.99), 4, 'beyond the last bound')
  const histogram = new Histogram(bounds)
  for (const value of [0.5, 1.5, 1.5, 3]) histogram.observe(value)
  const [low, high] = [quantileOf(bounds, histogram.counts, 0.1)!, quantileOf(bounds, histogram.counts, 0.9)!]
  t.ok(low > 0 && low <= 1 && high > 2 && high <= 4, `${low} ${high}`)
})

t.test('every reason, outcome and limit is among the figures, and all are explained', async t => {
  for (const [kind, keys] of [['dropped', DROP_REASONS], ['auth', AUTH_OUTCOMES], ['exceeded', LIMIT_NAMES]] as const) {
    for (const key of keys) t.ok((FIGURE_NAMES as string[]).includes(`${kind}.${key}`))
  }
  for (const words of Object.values(FIGURES)) t.match(words, /^[A-Z].*\.$/)
})
