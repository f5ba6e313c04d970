import { SympleError } from './errors.js'
import { encode, type Frame } from './frame.js'
import type { Hub } from './hub.js'

const SHUTDOWN_EVENT = {
  type: 'event', name: 'shutdown', subtype: 'shutdown', message: 'Server shutting down'
} as const

/** How many different times to come back peers are told: each is a frame of its own, shared by those who get it. */
const RETURN_TIMES = 32

/** Peers that the other nodes are thought to take back in a second, where no limit says so. */
const RETURN_RATE = 1000

/** Seconds over which peers come back, at least and at most. */
const MIN_RETURN = 5
const MAX_RETURN = 60

/** The end of all connections, spread over time; nobody comes in any more. */
export class Drain {
  readonly #hub: Hub
  #done: Promise<void> | null = null

  constructor (hub: Hub) {
    this.#hub = hub
  }

  /** Whether it has begun. */
  get begun (): boolean {
    return this.#done !== null
  }

  /** What is said to who comes after that. */
  get refusal (): SympleError {
    return new SympleError(503, 'Server shutting down', { retryAfter: this.#hub.admission.retryAfter() })
  }

  /**
   * Begins, unless it has.
   *
   * @param seconds over which the closes are spread
   * @returns when the last connection is gone
   */
  begin (seconds: number): Promise<void> {
    this.#done ??= this.#drain(seconds)
    return this.#done
  }

  async #drain (seconds: number): Promise<void> {
    const { sessions, virtuals, limits, log, random } = this.#hub
    log.info({ connections: sessions.size, seconds }, 'draining')
    for (const virtual of virtuals) virtual.dismiss(SHUTDOWN_EVENT)
    if (sessions.size === 0) return
    const empty = new Promise<void>(resolve => { this.#hub.onEmpty = resolve })
    const notices = noticesFor(sessions.size, limits.acceptRate)
    for (const session of sessions) {
      session.drain(notices[Math.floor(random() * notices.length)] ?? notices[0]!, random() * seconds * 1000)
    }
    await empty
  }
}

/** What peers are told at the end: so many seconds after their close they may come back, and not all together. */
function noticesFor (peers: number, acceptRate: number): Frame[] {
  const rate = acceptRate === Infinity ? RETURN_RATE : acceptRate
  const spread = Math.min(MAX_RETURN, Math.max(MIN_RETURN, peers / rate))
  return Array.from({ length: RETURN_TIMES }, (_, i) => {
    const retryAfter = Math.round((1 + spread * i / RETURN_TIMES) * 10) / 10
    return encode({ ...SHUTDOWN_EVENT, retryAfter })
  })
}
