import { CloseCode, SympleError } from './errors.js'
import { messageFault } from './faults.js'
import type { Hub } from './hub.js'
import type { Json, JsonObject } from './json.js'
import type { Peer } from './peer.js'
import { decode, type Inbound } from './protocol.js'
import { RateLimiter } from './rate-limiter.js'
import type { Session } from './session.js'
import { Vigil } from './vigil.js'

/** A session while its client is a peer: what the peer says, how much of it, and whether it is still there. */
export class Online {
  readonly peer: Peer
  readonly #session: Session
  readonly #limiter: RateLimiter
  readonly #vigil: Vigil
  readonly #token: string | null

  /** @param token on which the session rests; null: it rests on nothing that can end */
  constructor (session: Session, peer: Peer, token: string | null) {
    const { hub } = session
    this.peer = peer
    this.#session = session
    this.#token = token
    this.#limiter = new RateLimiter(hub.limits, hub.now())
    this.#vigil = new Vigil(hub.limits, hub.now())
    if (token !== null) hub.tokens.add(token, session)
  }

  get #hub (): Hub {
    return this.#session.hub
  }

  /** When `watch` has something to do next, by the hub's clock. */
  get next (): number {
    return this.#vigil.next
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
    if (type !== 'close') return this.#hub.dispatcher.dispatch(this.peer, type, inbound) ?? undefined
    this.#hub.stats.receive(type)
    this.#session.close(CloseCode.normal, '')
    return undefined
  }

  #withinRate (now: number): boolean {
    const hub = this.#hub
    const verdict = this.#limiter.take(hub.limits, now)
    if (verdict === 'pass') return true
    hub.stats.drop('rate_limited')
    hub.stats.exceed('rate')
    if (verdict === 'complain') hub.send(this.peer, new SympleError(429, 'Rate limit exceeded').toMessage())
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
    if (this.#session.peer === this.peer) this.#hub.send(this.peer, known.toMessage(id))
    if (known.limit === 'message_size') this.#session.close(known.closeCode, known.message)
  }

  /** The client answered a ping. */
  pong (): void {
    this.#vigil.pong(this.#hub.limits, this.#hub.now())
  }

  /** Has it closed at a time by the hub's clock, since the server ends. */
  drain (at: number): void {
    this.#vigil.drain(at)
  }

  /** Does what is due by now. */
  watch (): void {
    const { connection, held, whose } = this.#session
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
    if (this.#token !== null) this.#hub.tokens.delete(this.#token, this.#session)
  }
}
