import fc from 'fast-check'
import t from 'tap'
import { TimerWheel, type Timed } from '../../src/core/timer-wheel.js'
import { seed } from '../seed.js'

const TICK = 100

/** A wheel with a clock that stands still until it is told to go. */
function setUp (start = 0) {
  let now = start
  const wheel = new TimerWheel(() => now, TICK)
  return {
    wheel,
    /** Moves the clock, and lets the wheel see it. */
    at (time: number): void {
      now = time
      wheel.advance()
    },
    /** Moves the clock while the wheel looks away. */
    skip (time: number): void {
      now = time
    }
  }
}

function item (expire: () => void = () => {}): Timed & { expired: number } {
  return {
    due: 0,
    slot: null,
    expired: 0,
    expire () {
      this.expired++
      expire()
    }
  }
}

t.test('expires an item once, never early and at most two ticks late', t => {
  const { wheel, at } = setUp()
  const one = item()
  wheel.schedule(one, 250)
  at(249)
  t.equal(one.expired, 0)
  at(450)
  t.equal(one.expired, 1)
  at(100_000)
  t.equal(one.expired, 1)
  t.equal(wheel.size, 0)
  t.end()
})

t.test('expires what is overdue in the next tick, though it comes again and again', t => {
  const { wheel, at } = setUp()
  const one = item(() => { wheel.schedule(one, -1000) })
  wheel.schedule(one, -1000)
  for (const expired of [1, 2, 3]) {
    at(expired * TICK)
    t.equal(one.expired, expired)
  }
  t.end()
})

t.test('forgets an item that is cancelled', t => {
  const { wheel, at } = setUp()
  const [one, other] = [item(), item()]
  wheel.schedule(one, 100)
  wheel.schedule(other, 100)
  wheel.cancel(one)
  t.equal(wheel.size, 1)
  at(1000)
  t.strictSame([one.expired, other.expired], [0, 1])
  wheel.cancel(one)
  t.end()
})

t.test('keeps only the last time of an item', t => {
  const { wheel, at } = setUp()
  const one = item()
  wheel.schedule(one, 100)
  wheel.schedule(one, 5000)
  t.equal(wheel.size, 1)
  at(1000)
  t.equal(one.expired, 0)
  at(5200)
  t.equal(one.expired, 1)
  t.end()
})

t.test('never expires what is due in infinity, and drops the time that it had', t => {
  const { wheel, at } = setUp()
  const one = item()
  wheel.schedule(one, 100)
  wheel.schedule(one, Infinity)
  t.equal(wheel.size, 0)
  at(1e9)
  t.equal(one.expired, 0)
  t.end()
})

t.test('waits several rounds for what is due far away', t => {
  const { wheel, at } = setUp()
  const one = item()
  wheel.schedule(one, 300_000)
  for (let now = 0; now < 300_000; now += TICK) at(now)
  t.equal(one.expired, 0)
  at(300_200)
  t.equal(one.expired, 1)
  t.end()
})

t.test('catches up after the process stood still for longer than a round', t => {
  const { wheel, at } = setUp(12_345)
  const items = Array.from({ length: 600 }, () => item())
  items.forEach((one, i) => { wheel.schedule(one, i * TICK) })
  at(10_000_000)
  t.ok(items.every(one => one.expired === 1))
  t.end()
})

t.test('lets an item schedule itself again when it expires', t => {
  const { wheel, at } = setUp()
  const one = item(() => { wheel.schedule(one, 1000) })
  wheel.schedule(one, 1000)
  for (let now = 0; now <= 10_000; now += TICK) at(now)
  t.ok(one.expired >= 8 && one.expired <= 10, `${one.expired} times`)
  t.equal(wheel.size, 1)
  t.end()
})

t.test('lets an item cancel another one that is due in the same tick', t => {
  const { wheel, at } = setUp()
  const other = item()
  const one = item(() => { wheel.cancel(other) })
  wheel.schedule(one, 50)
  wheel.schedule(other, 60)
  at(1000)
  t.strictSame([one.expired, other.expired], [1, 0])
  t.end()
})

t.test('is never early and never more than two ticks late, whatever is scheduled when', t => {
  const event = fc.record({
    step: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 200_000 })),
    delay: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 120_000 })),
    advance: fc.boolean()
  })
  fc.assert(fc.property(fc.nat(100_000), fc.array(event, { maxLength: 60 }), (start, events) => {
    const { wheel, at, skip } = setUp(start)
    const items: Array<{ item: ReturnType<typeof item>, due: number }> = []
    let now = start
    for (const { step, delay, advance } of events) {
      now += step
      if (advance) {
        at(now)
        for (const { item, due } of items) {
          if (due > now && item.expired > 0) throw new Error('early')
          if (due + 2 * TICK <= now && item.expired === 0) throw new Error('late')
          if (item.expired > 1) throw new Error('twice')
        }
      } else {
        skip(now)
      }
      const one = item()
      items.push({ item: one, due: now + delay })
      wheel.schedule(one, delay)
    }
    at(now + 1_000_000)
    if (items.some(({ item }) => item.expired !== 1) || wheel.size !== 0) throw new Error('left over')
  }), { seed })
  t.end()
})
