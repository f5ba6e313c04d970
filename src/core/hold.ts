import { Backlog } from './backlog.js'
import type { Connection } from './connection.js'
import type { Hub } from './hub.js'
import type { Peer } from './peer.js'
import type { Timed } from './timer-wheel.js'

/** Milliseconds in which all is handled that a client said before it went. Each piece of work has a shorter limit. */
const LAST_WORDS_TIMEOUT = 10_000

/** Whose client waits. */
export interface Held extends Timed {
  readonly hub: Hub
  readonly connection: Connection
  readonly peer: Peer | null
  readonly whose: object
  /** Handles what the client has sent; it may have the rest wait again. */
  admit (data: Buffer, binary: boolean): void
  /** Has `expire` called when there is something to be done next. */
  wake (): void
}

/** Has a client wait for work on what it has sent: what it sends meanwhile, and its leaving. */
export class Hold {
  readonly #session: Held
  #waiting: Backlog | null = null
  #leave: (() => void) | null = null

  constructor (session: Held) {
    this.#session = session
  }

  /** Whether what the client sends waits. */
  get active (): boolean {
    return this.#waiting !== null
  }

  /** Whether the client has said all, and that is still being handled. */
  get leaving (): boolean {
    return this.#leave !== null
  }

  /**
   * Has what the client sends wait, and its socket too, so that no more than one read has to.
   *
   * @param work never rejects
   */
  begin (work: Promise<void>): void {
    const { connection } = this.#session
    const waiting = new Backlog()
    this.#waiting = waiting
    connection.pause()
    work.then(() => {
      this.#waiting = null
      this.#session.wake()
      for (const [data, binary] of waiting.messages) this.#session.admit(data, binary)
      if (this.#waiting !== null) return
      if (this.#leave !== null) this.leave()
      else if (this.#session.peer !== null) connection.resume()
    })
  }

  /** What was read before the socket waits is little, unless it is compressed: then it can be a thousand times that. */
  keep (data: Buffer, binary: boolean): void {
    const { hub: { limits: { maxBuffered }, stats, log }, whose, connection } = this.#session
    const waiting = this.#waiting!
    if (waiting.add(data, binary, maxBuffered)) return
    stats.exceed('buffered')
    log.warn({ ...whose, limit: 'buffered', waiting: waiting.bytes }, 'too much at once')
    connection.terminate()
  }

  /** Has the client leave when all is handled that it has said. @returns false: nothing is to be waited for */
  putOff (leave: () => void): boolean {
    const { hub, peer } = this.#session
    if (this.#waiting === null) return false
    // Who has said no more than who it is need not come in.
    if (peer === null && this.#waiting.messages.length === 0) return false
    if (this.#leave === null) hub.wheel.schedule(this.#session, LAST_WORDS_TIMEOUT)
    this.#leave = leave
    return true
  }

  /** Has the client leave if that was put off: nothing is to be waited for any more. */
  leave (): void {
    const leave = this.#leave
    if (leave === null) return
    this.#leave = null
    this.#waiting = null
    leave()
  }
}
