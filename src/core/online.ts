import { anonymous } from './auth.js'
import { CloseCode, SympleError } from './errors.js'
import { authenticationFault, messageFault } from './faults.js'
import { reidentify, welcome, type Terms } from './handshake.js'
import type { Hub } from './hub.js'
import type { Json, JsonObject } from './json.js'
import type { Peer } from './peer.js'
import { decode, tooManyRooms, type Inbound } from './protocol.js'
import { RateLimiter } from './rate-limiter.js'
import type { Session } from './session.js'
import { Vigil } from './vigil.js'

/** A session while its client is a peer: what the peer says, how much of it, whether it is still there, and may be. */
export class Online {
  readonly peer: Peer
  readonly #session: Session
  readonly #limiter: RateLimiter
  readonly #vigil: Vigil
  /** What it may be, and until when; null where clients are taken at their word. */
  #terms: Terms | null = null
  /** Whether a fresh token is checked: the old one ends nothing until it is known what comes of that. */
  #refreshing = false
  /** Why the old token is no more, where that turned out meanwhile. */
  #lost: SympleError | null = null
  /** When it may have a fresh token checked. */
  #refreshAt = -Infinity

  constructor (session: Session, peer: Peer, terms: Terms) {
    const { hub } = session
    this.peer = peer
    this.#session = session
    this.#limiter = new RateLimiter(hub.limits, hub.now())
    this.#vigil = new Vigil(hub.limits, hub.now())
    if (hub.authenticate !== anonymous) this.#restOn(terms)
  }

  get #hub (): Hub {
    return this.#session.hub
  }

  /** When `watch` has something to do next, by the hub's clock. */
  get next (): number {
    const { now, wallNow } = this.#hub
    return Math.min(this.#vigil.next, now() + this.#expires - wallNow())
  }

  get #expires (): number {
    return this.#refreshing ? Infinity : this.#terms?.expires ?? Infinity
  }

  /**
   * One WebSocket message.
   *
   * @returns resolves when it has been handled, where that takes time; never rejects
   */
  receive (data: Buffer, binary: boolean): Promise<void> | undefined {
    const hub = this.#hub
    const began = hub.now()
    if (!this.#withinRate(began)) return undefined
    const work = this.#handle(data, binary)
    hub.stats.routing.observe((hub.now() - began) / 1000)
    return work
  }

  #handle (data: Buffer, binary: boolean): Promise<void> | undefined {
    let message: JsonObject | undefined
    try {
      const inbound = decode(data, binary, this.#hub.limits.maxMessageSize)
      message = inbound.message
      const id = message['id']
      return this.#dispatch(inbound)?.catch((error: unknown) => { this.#complain(error, id) })
    } catch (error) {
      if (typeof message?.['type'] !== 'string') this.#hub.stats.receive('invalid')
      this.#complain(error, message?.['id'])
      return undefined
    }
  }

  #dispatch (inbound: Inbound): Promise<void> | undefined {
    const type = inbound.message['type']
    if (typeof type !== 'string') throw new SympleError(400, 'type must be a string')
    if (type === 'auth' && this.#terms !== null) return this.#refresh(this.#terms, inbound.message)
    if (type !== 'close') return this.#hub.dispatcher.dispatch(this.peer, type, inbound) ?? undefined
    this.#hub.stats.receive(type)
    this.#session.close(CloseCode.normal, '')
    return undefined
  }

  /** A further `auth`: the peer goes on with what a fresh token gives it or, if that is refused, with what it has. */
  async #refresh (old: Terms, message: JsonObject): Promise<void> {
    const { hub, client, whose } = this.#session
    const early = this.#refreshAt - hub.now()
    if (early > 0) {
      const retryAfter = Math.ceil(early / 100) / 10
      throw new SympleError(429, 'Token refreshed too often', { limit: 'refresh', retryAfter })
    }
    const { refreshInterval } = hub.limits
    this.#refreshAt = refreshInterval === Infinity ? -Infinity : hub.now() + refreshInterval * 1000
    this.#refreshing = true
    try {
      const checked = () => reidentify(hub, message, client, this.peer)
      const terms = await hub.admission.attempt(this.#session, checked)
      // The application may have it enter rooms meanwhile.
      await hub.membership.settled(this.peer, () => this.#isHere ? this.#adopt(terms, old) : undefined)
    } catch (error) {
      if (!this.#isHere) return
      const known = authenticationFault(hub, error, whose)
      hub.log.info({ ...whose, ...known.logged }, 'refresh refused')
      hub.send(this.peer, hub.admission.answer(known, message['id']))
      this.#restOn(old, this.#lost)
    }
    if (this.#isHere) this.watch()
  }

  /**
   * The ordinary rooms that a fresh token leaves a peer: those that it grants, and those that the peer has joined. They
   * may be too many, where the application has put it there.
   *
   * @throws SympleError 400 where they are too many, and more than before
   */
  #roomsAfter (old: Terms, terms: Terms): ReadonlySet<string> {
    const { maxRoomsPerPeer } = this.#hub.limits
    const before = [...this.peer.rooms.keys()].filter(({ personal }) => !personal).map(({ name }) => name)
    const rooms = new Set([...terms.rooms, ...before.filter(name => !old.rooms.has(name))])
    if (rooms.size > Math.max(maxRoomsPerPeer, before.length)) throw tooManyRooms(maxRoomsPerPeer)
    return rooms
  }

  async #adopt (terms: Terms, old: Terms): Promise<void> {
    const { hub, whose } = this.#session
    const { peer } = this
    const rooms = this.#roomsAfter(old, terms)
    this.#restOn(terms)
    hub.stats.auths.ok++
    const joins = [...terms.rooms].filter(name => !hub.rooms.isMember(peer, name))
    const leaves = [...old.rooms].filter(name => !rooms.has(name) && hub.rooms.isMember(peer, name))
    const move = { joins, leaves, fixed: terms.fixed }
    await hub.membership.move(peer, move, () => { hub.send(peer, welcome(peer, rooms)) })
    if (this.#isHere) hub.log.info({ ...whose, user: peer.user, rooms: rooms.size }, 'refreshed')
  }

  /** @param lost why they are no more already */
  #restOn (terms: Terms, lost: SympleError | null = null): void {
    this.#restOnNothing()
    this.#terms = terms
    this.#refreshing = false
    this.#lost = null
    if (terms.token !== null) this.#hub.tokens.add(terms.token, this.#session)
    if (lost !== null) this.lose(lost)
  }

  #restOnNothing (): void {
    const token = this.#terms?.token ?? null
    if (token !== null) this.#hub.tokens.delete(token, this.#session)
    this.#terms = null
  }

  get #isHere (): boolean {
    return this.#session.peer === this.peer
  }

  #withinRate (now: number): boolean {
    const hub = this.#hub
    const verdict = this.#limiter.take(hub.limits, now)
    if (verdict === 'pass') return true
    hub.stats.drop('rate_limited')
    hub.stats.exceed('rate')
    if (verdict === 'complain') {
      const retryAfter = this.#limiter.retryAfter(hub.limits)
      hub.send(this.peer, new SympleError(429, 'Rate limit exceeded', { retryAfter }).toMessage())
    }
    if (verdict === 'close') {
      hub.log.warn({ ...this.#session.whose, limit: 'rate' }, 'rate limit exceeded')
      this.#session.close(CloseCode.rateLimited, 'Rate limit exceeded')
    }
    return false
  }

  /** Answers a message that can't be handled. */
  #complain (error: unknown, id: Json | undefined): void {
    const known = messageFault(this.#hub, error, this.#session.whose)
    if (known === undefined) return
    if (this.#isHere) this.#hub.send(this.peer, known.toMessage(id))
    if (known.fatal) this.#session.close(known.closeCode, known.message)
  }

  /** The token on which it rests is no more. */
  lose (error: SympleError): void {
    if (this.#refreshing) this.#lost = error
    else this.#session.revoke(error)
  }

  /** A frame that is no message. */
  control (): void {
    this.#withinRate(this.#hub.now())
  }

  /** A pong came. @returns whether it answers a ping */
  pong (): boolean {
    return this.#vigil.pong(this.#hub.limits, this.#hub.now())
  }

  /** Has it closed at a time by the hub's clock, since the server ends. */
  drain (at: number): void {
    this.#vigil.drain(at)
  }

  /** Does what is due by now. */
  watch (): void {
    const { connection, held, whose } = this.#session
    if (this.#hub.wallNow() >= this.#expires) return this.#session.revoke(new SympleError(401, 'Token expired'))
    switch (this.#vigil.look(this.#hub.limits, this.#hub.now(), held)) {
      case 'ping': return connection.ping()
      case 'drain': return this.#session.shutDown()
      case 'silence':
        this.#hub.stats.exceed('ping')
        this.#hub.log.info({ ...whose, limit: 'ping' }, 'no pong')
        return connection.terminate()
    }
  }

  /** The peer goes, whatever its socket does from here on. */
  end (): void {
    this.#hub.membership.depart(this.peer)
    this.#restOnNothing()
  }
}
