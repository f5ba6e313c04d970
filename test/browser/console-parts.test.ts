import fc from 'fast-check'
import t from 'tap'
import type { Stats } from '../../src/browser/console/answers.js'
import { barSeconds, barsOf } from '../../src/browser/console/bars.js'
import { byteRate, bytes, count, duration, percent, rate, time } from '../../src/browser/console/format.js'
import { NodeHistory, total } from '../../src/browser/console/history.js'
import { AUTHS, DROPS, kindsOf, LIMITS } from '../../src/browser/console/reasons.js'
import { ticksFor, timeStep } from '../../src/browser/console/scale.js'
import { AUTH_OUTCOMES, DROP_REASONS, LIMIT_NAMES } from '../../src/core/stats.js'
import { seed } from '../seed.js'

t.test('figures are written so that they can be read', async t => {
  t.strictSame([null, 0, 7, 99_999, 1_250_000].map(count), ['–', '0', '7', '99,999', '1.3M'])
  t.strictSame([null, 0, 0.333, 9.96, 10.4, 12_345].map(rate), ['–', '0/s', '0.33/s', '10/s', '10/s', '12,345/s'])
  t.strictSame([null, 0, 3.14e-6, 4.2e-4, 0.0123, 1.5, 12].map(time), ['–', '0 ms', '3.1 µs', '420 µs', '12 ms', '1.5 s', '12 s'])
  t.strictSame([null, 0, 1023, 1024, 1536, 5 * 2 ** 30].map(bytes), ['–', '0 B', '1,023 B', '1 KiB', '1.5 KiB', '5 GiB'])
  t.equal(byteRate(2048), '2 KiB/s')
  t.equal(percent(0.126), '13 %')
  t.strictSame([0, 59, 60, 3700, 90_000].map(duration), ['0 s', '59 s', '1 min', '1 h 1 min', '1 d 1 h'])
})

t.test('the lines across a chart are few, round, and reach its top', async t => {
  t.strictSame(ticksFor(0), [0, 1])
  t.strictSame(ticksFor(7), [0, 5, 10])
  t.strictSame(ticksFor(300), [0, 100, 200, 300])
  t.strictSame(ticksFor(3 * 2 ** 20, 1024), [0, 2 ** 20, 2 * 2 ** 20, 3 * 2 ** 20])
  t.strictSame(ticksFor(1200 * 1024, 1024), [0, 512 * 1024, 1024 * 1024, 1536 * 1024])
  const positive = fc.double({ min: 1e-7, max: 1e12, noNaN: true })
  const property = fc.property(positive, fc.constantFrom(10 as const, 1024 as const), (max, base) => {
    const ticks = ticksFor(max, base)
    return ticks.length >= 2 && ticks.length <= 4 && ticks.at(-1)! >= max * (1 - 1e-9) && ticks.at(-1)! <= max * 3
  })
  t.doesNotThrow(() => { fc.assert(property, { seed }) })
  t.strictSame([60, 300, 900].map(seconds => timeStep(seconds, 4)), [15, 120, 300])
})

const statsOf = (times: number[], figure: (time: number) => number | null): Stats => ({
  node: { id: 'n', host: 'h', pid: 1, started: '' },
  impediments: [],
  interval: 1,
  span: 10,
  times,
  series: { seconds: times.map(() => 2), 'dropped.a': times.map(figure), 'dropped.b': times.map(() => 1) }
})

t.test('what a node tells in parts adds up, within bounds', async t => {
  const history = new NodeHistory(statsOf([], () => 1))
  t.strictSame([history.last, history.window(5).times], [0, []])
  history.add(statsOf([1000, 2000], time => time))
  history.add(statsOf([], () => 1))
  history.add(statsOf([3000], time => time))
  t.strictSame([history.stats.times, history.stats.series['dropped.a']], [[1000, 2000, 3000], [1000, 2000, 3000]])
  t.comment('a whole answer where a part was expected')
  history.add(statsOf([1000, 2000, 3000, 4000], time => time))
  t.strictSame(history.stats.times, [1000, 2000, 3000, 4000])
  for (let time = 5000; time <= 30_000; time += 1000) history.add(statsOf([time], () => time === 30_000 ? null : time))
  t.equal(history.stats.times.length, 10)
  const window = history.window(2)
  t.strictSame([window.from, window.to, window.times], [28_000, 30_000, [28_000, 29_000, 30_000]])
  t.strictSame(window.rate('dropped.a'), [14_000, 14_500, null])
  t.strictSame(window.figure('unknown'), [])
  t.equal(total(window, 'dropped.b'), 3)
})

t.test('bars hold what was before the time of a sample, and no less than one sample', async t => {
  const history = new NodeHistory(statsOf([3000, 6000, 9000], time => time / 1000))
  t.strictSame(barsOf(history.window(10), ['dropped.a', 'dropped.b'], 6), [
    { from: 0, to: 6000, counts: [9, 2] }, { from: 6000, to: 12_000, counts: [9, 1] }
  ])
  t.strictSame([60, 300, 900].map(barSeconds), [3, 6, 15])
})

t.test('all that the server counts has words, and what it will count one day is shown too', async t => {
  for (const [words, keys] of [[DROPS, DROP_REASONS], [AUTHS, AUTH_OUTCOMES], [LIMITS, LIMIT_NAMES]] as const) {
    t.strictSame(Object.keys(words).sort(), [...keys].sort())
  }
  t.strictSame(kindsOf({ 'dropped.new_one': [], 'auth.ok': [] }, 'dropped', DROPS), [['dropped.new_one', 'new one']])
})
