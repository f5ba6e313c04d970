import t from 'tap'
import { resolveLimits } from '../../src/core/limits.js'
import { RateLimiter, type Verdict } from '../../src/core/rate-limiter.js'

/** A limiter with a clock in the test's hand. */
function setUp (rateLimit: number, rateSeconds: number) {
  const limits = resolveLimits({ rateLimit, rateSeconds })
  const limiter = new RateLimiter(limits, 0)
  let now = 0
  return {
    wait (milliseconds: number): void {
      now += milliseconds
    },
    take (): Verdict {
      return limiter.take(limits, now)
    },
    /** How many of `frames` frames met each verdict. */
    burst (frames: number): Partial<Record<Verdict, number>> {
      const counts: Partial<Record<Verdict, number>> = {}
      for (let i = 0; i < frames; i++) {
        const verdict = limiter.take(limits, now)
        counts[verdict] = (counts[verdict] ?? 0) + 1
      }
      return counts
    }
  }
}

t.test('lets as many frames pass at once as the bucket holds', t => {
  const { burst } = setUp(10, 60)
  t.strictSame(burst(10), { pass: 10 })
  t.strictSame(burst(1), { complain: 1 })
  t.end()
})

t.test('refills continuously, and to no more than it holds', t => {
  const { take, wait, burst } = setUp(10, 60)
  burst(10)
  wait(5999)
  t.equal(take(), 'complain')
  wait(1)
  t.equal(take(), 'pass')
  t.not(take(), 'pass')
  wait(3000)
  t.not(take(), 'pass', 'half a token is none')
  wait(3000)
  t.equal(take(), 'pass', 'but the halves add up')
  wait(1e9)
  t.match(burst(11), { pass: 10, complain: 1 })
  t.end()
})

t.test('complains at most once a second', t => {
  const { take, wait, burst } = setUp(10, 600)
  t.strictSame(burst(13), { pass: 10, complain: 1, drop: 2 })
  wait(999)
  t.equal(take(), 'drop')
  wait(1)
  t.equal(take(), 'complain')
  t.equal(take(), 'drop')
  wait(2500)
  t.strictSame(burst(5), { complain: 1, drop: 4 })
  t.end()
})

t.test('closes when more than three times the limit is dropped in one window', t => {
  const { take, burst } = setUp(10, 60)
  t.strictSame(burst(40), { pass: 10, complain: 1, drop: 29 })
  t.equal(take(), 'close')
  t.end()
})

t.test('counts the window from the first frame that is dropped', t => {
  const { take, wait, burst } = setUp(10, 60)
  wait(59_000)
  t.strictSame(burst(11), { pass: 10, complain: 1 })
  // The frames of a window that began with the connection would be forgotten by now.
  wait(2000)
  t.strictSame(burst(29), { complain: 1, drop: 28 })
  t.equal(take(), 'close')
  t.end()
})

t.test('starts anew with a new window', t => {
  const { wait, burst } = setUp(10, 60)
  burst(10)
  t.strictSame(burst(30), { complain: 1, drop: 29 })
  wait(60_000)
  t.strictSame(burst(40), { pass: 10, complain: 1, drop: 29 })
  t.strictSame(burst(1), { close: 1 })
  t.end()
})

t.test('does not slide the window along with the frames that are dropped', t => {
  const { wait, burst } = setUp(10, 60)
  burst(10)
  burst(15)
  wait(42_000)
  t.strictSame(burst(22), { pass: 7, complain: 1, drop: 14 })
  wait(18_000)
  t.strictSame(burst(23), { pass: 3, complain: 1, drop: 19 }, 'the thirty of the last window are forgotten')
  t.end()
})

t.test('lets everything pass where the limit is 0', t => {
  t.strictSame(setUp(0, 10).burst(100_000), { pass: 100_000 })
  t.strictSame(setUp(10, 0).burst(100_000), { pass: 100_000 })
  t.end()
})
