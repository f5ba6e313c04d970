import type { SympleError } from './errors.js'
import { isUnavailable } from './faults.js'
import type { Later } from './later.js'
import type { Network, Networks } from './networks.js'
import type { Pace } from './pace.js'
import type { Session } from './session.js'

/**
 * Attempts to authenticate. Of one network only so many may fail in a time. All at once must be no way round that, and
 * nobody has failed before it is known: so as many are under way as may still fail, and others wait for their end.
 */
export class Attempts {
  readonly #networks: Networks
  readonly #failing: Pace
  readonly #now: () => number
  readonly #refusal: (host: string, wait: number) => SympleError

  /**
   * @param failing how many may fail
   * @param refusal what a client is told where too many have, and when it may try again, in milliseconds
   */
  constructor (
    networks: Networks, failing: Pace, now: () => number, refusal: (host: string, wait: number) => SympleError
  ) {
    this.#networks = networks
    this.#failing = failing
    this.#now = now
    this.#refusal = refusal
  }

  /**
   * Makes one, as soon as may be; never for a session that goes while it waits.
   *
   * @param act fails unless it is done, or can't be done by no fault of the client
   * @throws SympleError 429, at once or later, where too many have failed; else what `act` throws
   */
  make<T> (session: Session, act: () => Later<T>): Later<T> {
    const { host } = session.client
    const now = this.#now()
    const network = this.#networks.find(host)
    const wait = network === undefined ? 0 : this.#failing.wait(network.failed, now)
    if (wait > 0) throw this.#refusal(host, wait)
    if (network !== undefined && this.#isFull(network, now)) {
      const start = async () => await this.make(session, act)
      return new Promise<T>(resolve => {
        network.waiting ??= new Map()
        network.waiting.set(session, () => { resolve(start()) })
      })
    }
    this.#networks.update(host, now, network => { network.pending++ })
    return this.#run(host, act)
  }

  #run<T> (host: string, act: () => Later<T>): Later<T> {
    const failed = (error: unknown) => {
      this.#end(host, !isUnavailable(error))
      throw error
    }
    let result: Later<T>
    try {
      result = act()
    } catch (error) {
      return failed(error)
    }
    const done = (value: T) => {
      this.#end(host, false)
      return value
    }
    return result instanceof Promise ? result.then(done, failed) : done(result)
  }

  #end (host: string, failed: boolean): void {
    const now = this.#now()
    this.#networks.update(host, now, network => {
      // It may have been forgotten meanwhile.
      if (network.pending > 0) network.pending--
      if (failed) network.failed = this.#failing.take(network.failed, now)
    })
    const network = this.#networks.find(host)
    for (const [session, start] of network?.waiting ?? []) {
      if (this.#isFull(network!, now)) return
      network!.waiting!.delete(session)
      start()
    }
  }

  /** Whether one more could fail, unless all do that are under way. */
  #isFull ({ failed, pending }: Network, now: number): boolean {
    if (pending === 0 || this.#failing.wait(failed, now) > 0) return false
    return this.#failing.wait(this.#failing.take(failed, now, pending), now) > 0
  }
}
