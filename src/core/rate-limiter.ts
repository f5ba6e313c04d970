import type { Limits } from './limits.js'

/** Frames, and the seconds in which so many may come. */
export type Rate = Pick<Limits, 'rateLimit' | 'rateSeconds'>

/** Milliseconds between two `error 429` to one peer. */
const COMPLAINT_INTERVAL = 1000

/** Dropped frames within one window, as a multiple of the limit, at which the peer is closed. */
const PATIENCE = 3

/** What to do with a frame: let it pass, drop it, drop it and say so, or close the connection. */
export type Verdict = 'pass' | 'drop' | 'complain' | 'close'

/** A token bucket of one peer that refills continuously. All times in milliseconds of one clock. */
export class RateLimiter {
  #tokens: number
  #refilled: number
  #windowStart = -Infinity
  #dropped = 0
  #complained = -Infinity

  constructor (rate: Rate, now: number) {
    this.#tokens = rate.rateLimit
    this.#refilled = now
  }

  take ({ rateLimit, rateSeconds }: Rate, now: number): Verdict {
    if (rateLimit === Infinity || rateSeconds === Infinity) return 'pass'
    const window = rateSeconds * 1000
    this.#tokens = Math.min(rateLimit, this.#tokens + (now - this.#refilled) * rateLimit / window)
    this.#refilled = now
    if (this.#tokens >= 1) {
      this.#tokens--
      return 'pass'
    }
    return this.#drop(rateLimit, window, now)
  }

  /** Seconds until a frame passes again, to the next tenth. */
  retryAfter ({ rateLimit, rateSeconds }: Rate): number {
    return Math.ceil((1 - this.#tokens) * rateSeconds / rateLimit * 10) / 10
  }

  /** The window is fixed: it begins with the first frame that is dropped. */
  #drop (rateLimit: number, window: number, now: number): Verdict {
    if (now - this.#windowStart >= window) {
      this.#windowStart = now
      this.#dropped = 0
    }
    this.#dropped++
    if (this.#dropped > PATIENCE * rateLimit) return 'close'
    if (now - this.#complained < COMPLAINT_INTERVAL) return 'drop'
    this.#complained = now
    return 'complain'
  }
}
