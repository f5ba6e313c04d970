import type { Limits } from './limits.js'

/** What is due: a ping, the end of a peer that did not answer one, the close of a drain, or nothing yet. */
export type Due = 'ping' | 'silence' | 'drain' | 'nothing'

/** The times of a peer that is online. All in milliseconds of one clock. */
export class Vigil {
  #awaitsPong = false
  /** When it is pinged, or has been silent for too long. */
  #beatAt: number
  #drainAt = Infinity

  constructor (limits: Limits, now: number) {
    this.#beatAt = now + limits.pingInterval * 1000
  }

  /** When to look next. */
  get next (): number {
    return Math.min(this.#beatAt, this.#drainAt)
  }

  /** A pong came. @returns whether it answers a ping */
  pong (limits: Limits, now: number): boolean {
    if (!this.#awaitsPong) return false
    this.#awaitsPong = false
    this.#beatAt = now + limits.pingInterval * 1000
    return true
  }

  /** Has it closed at a time, since the server ends. */
  drain (at: number): void {
    this.#drainAt = at
  }

  /**
   * What is due now. It is taken for done.
   *
   * @param deaf whether a pong would not be read now
   */
  look ({ pingInterval, pingTimeout }: Limits, now: number, deaf: boolean): Due {
    if (now >= this.#drainAt) return 'drain'
    if (now < this.#beatAt) return 'nothing'
    if (this.#awaitsPong) {
      this.#beatAt = deaf ? now + pingTimeout * 1000 : Infinity
      return deaf ? 'nothing' : 'silence'
    }
    this.#awaitsPong = pingTimeout !== Infinity
    this.#beatAt = now + (this.#awaitsPong ? pingTimeout : pingInterval) * 1000
    return 'ping'
  }
}
