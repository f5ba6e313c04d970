import type { SessionStore } from './auth.js'
import type { Logger } from './logger.js'

/** How often a session is renewed before it runs out. */
const RENEWALS = 3

/** Milliseconds past which Node's timers don't wait at all. */
const MAX_TIMEOUT = 2 ** 31 - 1

export interface SessionKeeperOptions {
  readonly store: SessionStore
  /** The tokens on which live connections rest. */
  readonly tokens: () => string[]
  /** Ends the connections that rest on a token. */
  readonly revoke: (token: string) => void
  /** Seconds between two looks at whether the sessions are still there; `Infinity`: connections outlast them. */
  readonly interval: number
  /** Seconds that a session lives on; 0 or less leaves its expiry alone. */
  readonly ttl: number
  readonly log: Logger
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** Ends connections whose session has gone, so that a logout is one; renews those that are in use. */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions
  #renewed: number
  #timer: NodeJS.Timeout | null = null
  #running = false

  constructor (options: SessionKeeperOptions) {
    this.#options = options
    this.#renewed = options.now()
  }

  start (): void {
    const { interval, ttl } = this.#options
    const seconds = ttl > 0 ? Math.min(interval, ttl / RENEWALS) : interval
    if (!Number.isFinite(seconds)) return
    this.#timer = setInterval(() => { this.check() }, Math.min(seconds * 1000, MAX_TIMEOUT))
    this.#timer.unref()
  }

  stop (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  /** Looks once. While the store can't be reached, nobody is sent away. */
  async check (): Promise<void> {
    if (this.#running) return
    this.#running = true
    const { interval, revoke, log } = this.#options
    try {
      const gone = await this.#gone()
      if (interval === Infinity) return
      for (const token of gone) revoke(token)
    } catch (error) {
      log.debug({ err: error }, 'sessions not checked')
    } finally {
      this.#running = false
    }
  }

  async #gone (): Promise<string[]> {
    const { store, tokens, ttl, interval, now } = this.#options
    const live = tokens()
    if (live.length === 0) return []
    const began = now()
    // Due where it would be by the next look: an answer takes its time.
    const slack = Math.min(interval, ttl / RENEWALS) / 2
    if (ttl <= 0 || began - this.#renewed < (ttl / RENEWALS - slack) * 1000) return await store.missing(live)
    const gone = await store.renew(live, ttl)
    this.#renewed = began
    return gone
  }
}
