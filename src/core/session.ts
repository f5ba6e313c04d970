import type { Client, Connection } from './connection.js'
import { clientFault, closeReason, CloseCode, SympleError } from './errors.js'
import { encode } from './frame.js'
import { identify, welcome, type Candidate } from './handshake.js'
import type { Hub } from './hub.js'
import type { Json, JsonObject } from './json.js'
import type { Peer, PeerOwner } from './peer.js'
import { decode, type Inbound } from './protocol.js'
import { RateLimiter } from './rate-limiter.js'
import { outcomeOf, type DropReason } from './stats.js'
import type { Timed } from './timer-wheel.js'

/** Milliseconds that a client has to answer a close; shorter than what a shutdown allows after its last close. */
const CLOSE_TIMEOUT = 3000

const SHUTDOWN = 'Server shutting down'

/** As what a message counts that was answered with an error of a status, where not as invalid. */
const droppedFor: Record<number, DropReason> = { 403: 'refused', 413: 'too_large' }

type State = 'new' | 'authenticating' | 'online' | 'closing' | 'closed'

/**
 * A connection's life: new → authenticating → online → closing → closed. Its owner hands in what the connection
 * says (`receive`, `pong`, `drained`, `closed`); the answers go out through the connection.
 */
export class Session implements Timed, PeerOwner {
  due = 0
  slot: Set<Timed> | null = null

  #state: State = 'new'
  #peer: Peer | null = null
  #limiter: RateLimiter | null = null
  #waiting: Array<[data: Buffer, binary: boolean]> | null = null
  #peerId: string | null = null
  #token: string | null = null
  #awaitsPong = false
  /** When it is closed because the server ends; null: it is not. */
  #drainAt: number | null = null
  #closeCode: number | null = null
  #received = 0
  #bytes = 0
  readonly #openedAt: number

  /** Opened by `Symple.open`. */
  constructor (readonly hub: Hub, readonly connection: Connection, readonly client: Client) {
    this.#openedAt = hub.now()
    hub.active++
    hub.wheel.schedule(this, hub.limits.authTimeout * 1000)
  }

  /** The peer that this connection became; null before `welcome` and after its end. */
  get peer (): Peer | null {
    return this.#peer
  }

  get virtual (): boolean {
    return false
  }

  /** One WebSocket message. Never throws: what is wrong with it, the client is told. */
  receive (data: Buffer, binary: boolean): void {
    this.hub.stats.bytesIn += data.length
    this.#bytes += data.length
    this.#admit(data, binary)
  }

  #admit (data: Buffer, binary: boolean): void {
    if (this.#waiting !== null) this.#waiting.push([data, binary])
    else if (this.#state === 'online') this.#online(data, binary)
    else if (this.#state === 'new') this.#handshake(data, binary)
  }

  /** The client answered a ping. */
  pong (): void {
    if (this.#state !== 'online' || !this.#awaitsPong) return
    this.#awaitsPong = false
    this.#wakeIn(this.hub.limits.pingInterval * 1000)
  }

  /** The connection has room again for what waits. */
  drained (): void {
    if (this.#peer !== null) this.hub.outbox.flushOne(this.#peer)
  }

  /**
   * The connection broke; its end follows.
   *
   * @param code with which the WebSocket library closes it, since the client broke the rules; else undefined
   */
  failed (error: Error, code?: number): void {
    if (code === CloseCode.tooBig) this.hub.stats.exceed('message_size')
    if (code !== undefined && this.#state !== 'closing') this.#closeCode = code
    this.hub.log.debug(this.#told({ err: error }), 'connection failed')
  }

  /**
   * The connection is gone.
   *
   * @param code of the close that came from the client; 1006 where none did
   */
  closed (code: number): void {
    if (this.#state === 'closed') return
    if (this.#state === 'authenticating' || this.#state === 'new') {
      this.hub.stats.auths[this.#closeCode === null ? 'abandoned' : 'malformed']++
    }
    this.#retire()
    this.#state = 'closed'
    this.hub.wheel.cancel(this)
    this.hub.forget(this)
    const closeCode = this.#closeCode ?? code
    this.hub.stats.close(closeCode)
    const duration = Math.round(this.hub.now() - this.#openedAt) / 1000
    this.hub.log.info(this.#told({ code: closeCode, duration, received: this.#received, bytes: this.#bytes }), 'closed')
  }

  /** Ends the session from this side: what is queued goes out, then the close. A client that ignores it is cut. */
  close (code: CloseCode, reason: string): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    if (this.#peer !== null) this.hub.outbox.finish(this.#peer)
    this.#retire()
    this.#state = 'closing'
    this.#closeCode = code
    this.connection.resume()
    this.connection.close(code, closeReason(reason))
    this.hub.wheel.schedule(this, CLOSE_TIMEOUT)
  }

  /**
   * Has the session end because the server does.
   *
   * @param notice a message that the peer gets at once
   * @param delay milliseconds until it is closed; a client that is no peer yet is closed at once
   */
  drain (notice: object, delay: number): void {
    if (this.#state !== 'online') return this.close(CloseCode.goingAway, SHUTDOWN)
    this.#drainAt = this.hub.now() + delay
    this.hub.send(this.#peer!, notice)
    this.#wakeIn(this.hub.limits.pingInterval * 1000)
  }

  /**
   * Refuses a connection that has not been welcomed.
   *
   * @param id of the frame that is the reason, where it has one
   */
  refuse (error: SympleError, id?: Json): void {
    this.hub.log.info(this.#told({ status: error.status, reason: error.message }), 'refused')
    this.#write(error.toMessage(id))
    this.close(error.closeCode, error.message)
  }

  /** Ends what rests on a grant that is no more. */
  revoke (error: SympleError): void {
    if (this.#peer === null) return
    this.hub.log.info(this.#told({ status: error.status, reason: error.message }), 'revoked')
    this.hub.send(this.#peer, error.toMessage())
    this.close(error.closeCode, error.message)
  }

  expire (): void {
    switch (this.#state) {
      case 'new':
        this.hub.stats.auths.timeout++
        return this.refuse(new SympleError(408, 'Authentication timeout'))
      case 'online':
        if (this.#drainAt !== null && this.hub.now() >= this.#drainAt) return this.close(CloseCode.goingAway, SHUTDOWN)
        if (!this.#awaitsPong) return this.#ping()
        // Nobody reads its pong while its messages wait for us.
        return this.#waiting === null ? this.#unresponsive() : this.#wakeIn(this.hub.limits.pingTimeout * 1000)
      case 'closing': return this.connection.terminate()
    }
  }

  #ping (): void {
    const { pingInterval, pingTimeout } = this.hub.limits
    this.#awaitsPong = pingTimeout !== Infinity
    this.connection.ping()
    this.#wakeIn((this.#awaitsPong ? pingTimeout : pingInterval) * 1000)
  }

  /** Has `expire` called after some milliseconds, or when it is to be closed if that is earlier. */
  #wakeIn (delay: number): void {
    this.hub.wheel.schedule(this, Math.min(delay, (this.#drainAt ?? Infinity) - this.hub.now()))
  }

  #unresponsive (): void {
    this.hub.stats.exceed('ping')
    this.hub.log.info(this.#told({ limit: 'ping' }), 'no pong')
    this.connection.terminate()
  }

  #handshake (data: Buffer, binary: boolean): void {
    this.hub.wheel.cancel(this)
    let id: Json | undefined
    try {
      const { message } = decode(data, binary, this.hub.limits.maxMessageSize)
      id = message['id']
      const candidate = identify(this.hub, message, this.client, this.connection)
      this.#state = 'authenticating'
      const work = candidate instanceof Promise
        ? candidate.then(async identified => await this.#enter(identified))
        : this.#enter(candidate)
      if (work !== undefined) this.#hold(work.catch((error: unknown) => { this.#reject(error, id) }), id)
    } catch (error) {
      this.#reject(error, id)
    }
  }

  /** @returns resolves when the client is a peer; undefined: it is one already */
  #enter (candidate: Candidate): Promise<void> | undefined {
    this.client.request = undefined
    // It may go while others are asked for what they know.
    const isHere = () => this.#state === 'authenticating'
    if (!isHere()) return undefined
    return this.hub.membership.arrive(candidate.peer, candidate.rooms, () => {
      if (!isHere()) return false
      this.#welcome(candidate)
      return true
    })
  }

  #welcome (candidate: Candidate): void {
    const { hub } = this
    const { peer, rooms, token } = candidate
    peer.owner = this
    this.#peer = peer
    this.#peerId = peer.id
    this.#token = token
    if (token !== null) hub.tokens.add(token, this)
    this.#state = 'online'
    this.#limiter = new RateLimiter(hub.limits, hub.now())
    hub.stats.auths.ok++
    hub.send(peer, welcome(candidate))
    this.#wakeIn(hub.limits.pingInterval * 1000)
    hub.log.info(this.#told({ user: peer.user, rooms: rooms.size }), 'online')
  }

  #reject (error: unknown, id: Json | undefined): void {
    this.client.request = undefined
    if (this.#state === 'closing' || this.#state === 'closed') return
    const known = clientFault(error) ?? new SympleError(503, 'Authentication unavailable')
    if (known.limit !== undefined) this.hub.stats.exceed(known.limit)
    if (known !== error) this.hub.log.error(this.#told({ err: error }), 'authentication failed')
    // Said for each client it would say nothing new: the backplane says once that Redis is away.
    else if (known.status === 503) this.hub.log.debug(this.#told({ err: known.cause }), 'authentication failed')
    else if (known.cause !== undefined) this.hub.log.warn(this.#told({ err: known.cause }), 'authentication failed')
    this.hub.stats.auths[outcomeOf(known.status)]++
    this.refuse(known, id)
  }

  /**
   * Has what the client sends wait for `work`, and its socket too, so that no more than one read has to wait.
   *
   * @param work what is wrong in the end, the client is told
   * @param id of the frame that is worked on, where it has one
   */
  #hold (work: Promise<void>, id: Json | undefined): void {
    const waiting: Array<[Buffer, boolean]> = []
    this.#waiting = waiting
    this.connection.pause()
    work.catch((error: unknown) => { this.#complain(error, id) }).then(() => {
      this.#waiting = null
      // One of them may have the rest wait again.
      for (const [data, binary] of waiting) this.#admit(data, binary)
      if (this.#waiting === null && this.#state === 'online') this.connection.resume()
    })
  }

  #online (data: Buffer, binary: boolean): void {
    const { hub } = this
    const began = hub.now()
    this.#received++
    if (!this.#withinRate(began)) return
    let message: JsonObject | undefined
    try {
      const inbound = decode(data, binary, hub.limits.maxMessageSize)
      message = inbound.message
      const work = this.#dispatch(this.#peer!, inbound)
      if (work !== undefined) this.#hold(work, message['id'])
    } catch (error) {
      if (typeof message?.['type'] !== 'string') hub.stats.receive('invalid')
      this.#complain(error, message?.['id'])
    }
    hub.stats.routing.observe((hub.now() - began) / 1000)
  }

  #dispatch (peer: Peer, inbound: Inbound): Promise<void> | void {
    const type = inbound.message['type']
    if (typeof type !== 'string') throw new SympleError(400, 'type must be a string')
    if (type !== 'close') return this.hub.dispatcher.dispatch(peer, type, inbound)
    this.hub.stats.receive(type)
    this.close(CloseCode.normal, '')
  }

  #withinRate (now: number): boolean {
    const { hub } = this
    const verdict = this.#limiter!.take(hub.limits, now)
    if (verdict === 'pass') return true
    hub.stats.drop('rate_limited')
    hub.stats.exceed('rate')
    if (verdict === 'complain') hub.send(this.#peer!, new SympleError(429, 'Rate limit exceeded').toMessage())
    if (verdict === 'close') {
      this.hub.log.warn(this.#told({ limit: 'rate' }), 'rate limit exceeded')
      this.close(CloseCode.rateLimited, 'Rate limit exceeded')
    }
    return false
  }

  /** Answers a message that can't be handled. */
  #complain (error: unknown, id: Json | undefined): void {
    const known = clientFault(error)
    if (known === undefined) {
      this.hub.log.error(this.#told({ err: error }), 'message failed')
      return
    }
    if (known.limit !== undefined) this.hub.stats.exceed(known.limit)
    this.hub.stats.drop(droppedFor[known.status] ?? 'invalid')
    this.hub.log.debug(this.#told({ status: known.status, reason: known.message }), 'refused message')
    if (this.#peer !== null) this.hub.send(this.#peer, known.toMessage(id))
    if (known.limit === 'message_size') this.close(known.closeCode, known.message)
  }

  /** The client counts no more, and its peer goes, whatever its socket does from here on. */
  #retire (): void {
    if (this.#state !== 'closing') this.hub.active--
    const peer = this.#peer
    if (peer === null) return
    this.hub.membership.depart(peer)
    this.#peer = null
    if (this.#token !== null) this.hub.tokens.delete(this.#token, this)
  }

  #write (message: object): void {
    const frame = encode(message)
    this.hub.stats.bytesOut += frame.length
    if (this.connection.open) this.connection.write(frame)
  }

  /** What is logged of this session, with whose it is. */
  #told (details: object): object {
    const { host } = this.client
    return this.#peerId === null ? { host, ...details } : { peer: this.#peerId, host, ...details }
  }
}
