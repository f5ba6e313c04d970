/** Codes after which the same attempt would fail again: the table in PROTOCOL.md §9. */
const FINAL = new Set([1000, 1002, 1007, 1008])

/** Milliseconds to wait after a code, at least: who ignored the rate limit comes back slower. */
const PAUSES = new Map([[4429, 10_000]])

/** The longest wait that a server can ask for, in milliseconds. */
const MAX_PAUSE = 3_600_000

/** Whether a client should come back after a connection that ended with this code. */
export function mayReconnect (code: number): boolean {
  if (code === 4408 || code === 4429) return true
  // Those that we do not know say that something is wrong with us.
  return !FINAL.has(code) && (code < 4000 || code > 4999)
}

/**
 * Milliseconds to wait before coming back, at least.
 *
 * @param hint seconds that the server asked for, as it came
 */
export function pauseAfter (code: number, hint: unknown): number {
  const asked = typeof hint === 'number' && hint > 0 ? Math.min(hint * 1000, MAX_PAUSE) : 0
  return Math.max(asked, PAUSES.get(code) ?? 0)
}

export interface BackoffOptions {
  /** Milliseconds that the first wait can take. */
  readonly minDelay: number
  /** Milliseconds past which waits do not grow. */
  readonly maxDelay: number
  /** Gives numbers in [0, 1). */
  readonly random: () => number
}

/**
 * Waits that double, each a random part of its whole ("full jitter"): a thousand clients that lost one server do not
 * come back in one moment.
 */
export class Backoff {
  readonly #options: BackoffOptions
  #failures = 0

  constructor (options: BackoffOptions) {
    this.#options = options
  }

  /** How many waits there were since the last reset. */
  get failures (): number {
    return this.#failures
  }

  /** Milliseconds to wait this time. */
  next (): number {
    const { minDelay, maxDelay, random } = this.#options
    const ceiling = Math.min(maxDelay, minDelay * 2 ** Math.min(this.#failures++, 30))
    return random() * ceiling
  }

  reset (): void {
    this.#failures = 0
  }
}
