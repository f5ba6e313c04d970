import type { Logger } from '../../core/logger.js'
import { isVague, reasonOf } from './trouble.js'

/** In how many lives of a lease others have not been judged when that is said: a start or a break takes hardly two. */
const OVERDUE = 3

/**
 * Whether other nodes may be judged by their leases: only when there has been no sign, for as long as a lease lives,
 * that nodes which live could not renew theirs. Where such signs go on and on, the peers of nodes that are gone stay
 * online; so that is said aloud, once, and when it is over.
 */
export class Judgement {
  /** Milliseconds. */
  readonly #ttl: number
  readonly #log: Logger
  /** Since when there has been no such sign; null: leases can't be renewed now. */
  #since: number | null = null
  #judgedAt = performance.now()
  #said = false

  constructor (ttl: number, log: Logger) {
    this.#ttl = ttl
    this.#log = log
  }

  /** Seconds since others were judged, or since the start; 0 while that is no longer than usual. */
  get overdueSeconds (): number {
    const seconds = this.#seconds
    return seconds * 1000 > OVERDUE * this.#ttl ? seconds : 0
  }

  get #seconds (): number {
    return (performance.now() - this.#judgedAt) / 1000
  }

  /** There is a sign that leases can't be renewed in time, or could not. */
  suspend (reason: string): void {
    this.#since = null
    const seconds = this.overdueSeconds
    if (this.#said || seconds === 0) return
    this.#said = true
    const since = new Date(Date.now() - seconds * 1000).toISOString()
    this.#log.warn({ reason, since }, 'nodes that are gone are not noticed')
  }

  /** The same, by an error. */
  fail (what: string, error: unknown): void {
    const reason = error instanceof Error ? reasonOf(error) : ''
    this.suspend(reason === '' || isVague(reason) ? what : `${what}: ${reason}`)
  }

  /** A lease was renewed in time. */
  prepare (now: number): void {
    this.#since ??= now
  }

  /** Whether others may be judged by what was asked at a time. */
  allows (asked: number): boolean {
    return this.#since !== null && asked - this.#since >= this.#ttl
  }

  /** Others have been judged. */
  done (): void {
    if (this.#said) this.#log.info({ seconds: Math.round(this.#seconds) }, 'nodes that are gone are noticed again')
    this.#said = false
    this.#judgedAt = performance.now()
  }
}
