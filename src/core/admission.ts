import { Attempts } from './attempts.js'
import { SympleError } from './errors.js'
import type { Hub } from './hub.js'
import type { Json } from './json.js'
import type { Later } from './later.js'
import { Networks } from './networks.js'
import { Pace } from './pace.js'
import type { Session } from './session.js'
import type { LimitName } from './stats.js'

/** Networks without connections that are remembered: some megabytes. */
const CAPACITY = 10_000

/** Seconds over which those come back who were all refused in one moment. */
const RETURN_SPREAD = 5

/** Milliseconds between two warnings of one limit: in a flood, each would say the same. */
const WARNING_INTERVAL = 10_000

/**
 * Decides who may open a connection, and who may stay that has not said who it is.
 *
 * A flood of clients that never authenticate must fill neither the memory nor the places of those who do. So there are
 * only so many of them, and one more takes the place of the one that has waited longest. Honest clients say who they
 * are at once: they are through before their turn comes, unless as many as the limit come within that moment. Were the
 * newcomer refused instead, a flood would hold all places until its time to authenticate is over, and nobody else
 * would get in.
 *
 * The limits for each network (an address, or an IPv6 /64) refuse the newcomer, if possible before the upgrade: that is
 * cheap, and whom it keeps out shares the address of the offender. They are off by default; then nothing is remembered.
 */
export class Admission {
  readonly #hub: Hub
  readonly #accepting: Pace
  readonly #opening: Pace
  readonly #failing: Pace
  /** Null: nothing is limited for each network. */
  readonly #networks: Networks | null
  /** Null: any number may fail. */
  readonly #attempts: Attempts | null
  /** Those who are no peers yet, and those who will not be any more; who came first is the first. */
  readonly #unauthenticated = new Set<Session>()
  readonly #warned = new Map<LimitName, number>()
  #accepted = -Infinity

  constructor (hub: Hub) {
    const { acceptRate, ipConnectionRate, ipAuthFailures, ipRateSeconds } = hub.limits
    const { ipMaxConnections, ipMaxUnauthenticated } = hub.limits
    this.#hub = hub
    this.#accepting = new Pace(acceptRate, 1)
    this.#opening = new Pace(ipConnectionRate, ipRateSeconds)
    this.#failing = new Pace(ipAuthFailures, ipRateSeconds)
    const limits = [ipConnectionRate, ipAuthFailures, ipMaxConnections, ipMaxUnauthenticated]
    this.#networks = limits.every(limit => limit === Infinity) ? null : new Networks(CAPACITY)
    this.#attempts = ipAuthFailures === Infinity
      ? null
      : new Attempts(this.#networks!, this.#failing, hub.now, (host, wait) => this.#tooManyFailures(host, wait))
  }

  /**
   * Asks for one more connection before it is there, and counts it.
   *
   * @returns why it can't be; null: it can
   */
  knock (host: string): SympleError | null {
    const now = this.#hub.now()
    // First, so that one network does not use up what is for all.
    const refusal = this.#tooManyFrom(host) ?? this.#tooFastFrom(host, now)
    if (refusal !== null) return refusal
    const wait = this.#accepting.wait(this.#accepted, now)
    if (wait > 0) return this.#exceeded('accept_rate', host, 503, 'Too many connections at once', this.retryAfter(wait))
    this.#accepted = this.#accepting.take(this.#accepted, now)
    this.#networks?.update(host, now, network => { network.opened = this.#opening.take(network.opened, now) })
    return null
  }

  /**
   * Takes up a connection that is there.
   *
   * @returns why it can't stay; null: it can
   */
  enter (session: Session): SympleError | null {
    const { limits, active } = this.#hub
    const { host } = session.client
    const refusal = this.#tooManyFrom(host)
    this.#unauthenticated.add(session)
    this.#networks?.update(host, this.#hub.now(), network => {
      network.connections++
      network.unauthenticated++
    })
    if (this.#unauthenticated.size > limits.maxUnauthenticated) this.#makeRoom()
    if (refusal !== null || active <= limits.maxConnections) return refusal
    return this.#exceeded('connections', host, 503, 'Too many connections', this.retryAfter())
  }

  /**
   * Has a client try to authenticate: at once, or when it is known of others of its network whether they fail.
   *
   * @throws SympleError 429, at once or later, where too many have failed; else what `act` throws
   */
  attempt<T> (session: Session, act: () => Later<T>): Later<T> {
    return this.#attempts === null ? act() : this.#attempts.make(session, act)
  }

  /** A connection is a peer. */
  welcome (session: Session): void {
    this.#settle(session)
  }

  /** A connection is gone. */
  leave (session: Session): void {
    this.#settle(session)
    this.#networks?.update(session.client.host, this.#hub.now(), network => {
      network.connections--
      network.waiting?.delete(session)
    })
  }

  /**
   * Seconds until a client that is refused now should come back, spread so that not all do so in one moment.
   *
   * @param wait milliseconds that it has to wait in any case
   */
  retryAfter (wait = 0): number {
    return tenths(1 + wait / 1000 + this.#hub.random() * RETURN_SPREAD)
  }

  /**
   * What a client is told of an error that keeps it out. Who is refused for no fault of its own is not the only one.
   *
   * @param id of the frame that this answers, where it has one
   */
  answer (error: SympleError, id?: Json): object {
    const isUnlucky = error.status === 503 && error.retryAfter === undefined
    return { ...error.toMessage(id), ...(isUnlucky && { retryAfter: this.retryAfter() }) }
  }

  #settle (session: Session): void {
    if (!this.#unauthenticated.delete(session)) return
    const network = this.#networks?.find(session.client.host)
    if (network !== undefined) network.unauthenticated--
  }

  #makeRoom (): void {
    const oldest = this.#unauthenticated.values().next().value!
    this.#settle(oldest)
    oldest.evict(this.#exceeded(
      'unauthenticated', oldest.client.host, 503, 'Too many connections that do not authenticate', this.retryAfter()
    ))
  }

  #tooManyFrom (host: string): SympleError | null {
    const network = this.#networks?.find(host)
    if (network === undefined) return null
    const { ipMaxConnections, ipMaxUnauthenticated } = this.#hub.limits
    if (network.connections >= ipMaxConnections) {
      return this.#exceeded('ip_connections', host, 429, 'Too many connections from this address', this.retryAfter())
    }
    if (network.unauthenticated < ipMaxUnauthenticated) return null
    return this.#exceeded(
      'ip_unauthenticated', host, 429, 'Too many connections from this address that do not authenticate', this.retryAfter()
    )
  }

  #tooFastFrom (host: string, now: number): SympleError | null {
    const network = this.#networks?.find(host)
    if (network === undefined) return null
    const penalty = this.#failing.wait(network.failed, now)
    if (penalty > 0) return this.#tooManyFailures(host, penalty)
    const wait = this.#opening.wait(network.opened, now)
    if (wait === 0) return null
    return this.#exceeded('ip_connection_rate', host, 429, 'Too many new connections from this address', tenths(wait / 1000))
  }

  #tooManyFailures (host: string, wait: number): SympleError {
    return this.#exceeded('ip_auth_failures', host, 429, 'Too many failed authentications from this address', tenths(wait / 1000))
  }

  #exceeded (limit: LimitName, host: string, status: number, message: string, retryAfter: number): SympleError {
    const { stats, log } = this.#hub
    const now = this.#hub.now()
    stats.exceed(limit)
    if (now - (this.#warned.get(limit) ?? -Infinity) >= WARNING_INTERVAL) {
      this.#warned.set(limit, now)
      log.warn({ limit, host, exceeded: stats.limits[limit] }, 'connections refused')
    }
    return new SympleError(status, message, { retryAfter })
  }
}

function tenths (seconds: number): number {
  return Math.ceil(seconds * 10) / 10
}
