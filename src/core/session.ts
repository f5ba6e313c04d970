import type { Client, Connection } from './connection.js'
import { enter } from './entrance.js'
import { closeReason, CloseCode, SympleError } from './errors.js'
import { encode, type Frame } from './frame.js'
import { welcome, type Candidate } from './handshake.js'
import { Hold, type Held } from './hold.js'
import type { Hub } from './hub.js'
import type { Json } from './json.js'
import { Online } from './online.js'
import type { Peer, PeerOwner } from './peer.js'
import type { Timed } from './timer-wheel.js'

/** Milliseconds that a client has to answer a close; shorter than what a shutdown allows after its last close. */
const CLOSE_TIMEOUT = 3000

/** What stands for the code of a close where none came. */
const NO_CLOSE = 1006

/** Pings and pongs that nobody asked for, of a client that has not said who it is. */
const EARLY_CONTROLS = 100

type State = 'new' | 'authenticating' | 'online' | 'closing' | 'closed'

/**
 * A connection's life: new → authenticating → online → closing → closed. Its owner hands in what the connection
 * says (`receive`, `pong`, `drained`, `closed`); the answers go out through the connection.
 */
export class Session implements Held, PeerOwner {
  due = 0
  slot: Set<Timed> | null = null

  #state: State = 'new'
  /** Null before `welcome` and after the end. */
  #online: Online | null = null
  readonly #hold = new Hold(this)
  #peerId: string | null = null
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
    return this.#online?.peer ?? null
  }

  get virtual (): boolean {
    return false
  }

  /** Whether what the client sends, its pongs too, waits for work on what it has sent before. */
  get held (): boolean {
    return this.#hold.active
  }

  /** What is logged of this session, so that it is known whose it is. */
  get whose (): object {
    const { host } = this.client
    return this.#peerId === null ? { host } : { peer: this.#peerId, host }
  }

  /** Whether it has not begun to end. */
  get alive (): boolean {
    return this.#state !== 'closing' && this.#state !== 'closed'
  }

  /** One WebSocket message, lent for the call. Never throws: what is wrong with it, the client is told. */
  receive (data: Buffer, binary: boolean): void {
    this.hub.stats.bytesIn += data.length
    this.#bytes += data.length
    this.admit(data, binary)
  }

  admit (data: Buffer, binary: boolean): void {
    if (this.held) this.#hold.keep(data, binary)
    else if (this.#online !== null) this.#handle(this.#online, data, binary)
    else if (this.#state === 'new') this.#enter(data, binary)
  }

  #enter (data: Buffer, binary: boolean): void {
    this.hub.wheel.cancel(this)
    this.#state = 'authenticating'
    const work = enter(this, data, binary)
    if (work !== undefined) this.#hold.begin(work)
  }

  /** The client answered a ping. */
  pong (): void {
    if (this.#online?.pong() !== true) return this.control()
    this.wake()
  }

  /** A ping, which the library answers, or a pong that nobody asked for. It counts as a frame: it costs as much. */
  control (): void {
    if (!this.alive) return
    this.#received++
    if (this.#online !== null) {
      this.#online.control()
    } else if (this.#received > EARLY_CONTROLS) {
      this.hub.stats.exceed('control_frames')
      this.connection.terminate()
    }
  }

  /**
   * The client will say no more. What it has said is handled first. What is on its way to it may still arrive, but not
   * for long.
   */
  ended (): void {
    if (!this.alive || this.#putOff(() => { this.ended() })) return
    this.#abandon()
    this.#state = 'closing'
    this.hub.wheel.schedule(this, CLOSE_TIMEOUT)
  }

  /** The connection has room again for what waits. */
  drained (): void {
    if (this.peer !== null) this.hub.outbox.flushOne(this.peer)
  }

  /**
   * The connection broke; its end follows.
   *
   * @param code with which the WebSocket library closes it, since the client broke the rules; else undefined
   */
  failed (error: Error, code?: number): void {
    if (code === CloseCode.tooBig) this.hub.stats.exceed('message_size')
    if (code === CloseCode.policy) this.hub.stats.exceed('fragments')
    if (code !== undefined && this.#state !== 'closing') this.#closeCode = code
    this.hub.log.debug({ ...this.whose, err: error }, 'connection failed')
  }

  /**
   * The connection is gone. What a client has said that went in order is handled first.
   *
   * @param code of the close that came from the client; 1006 where none did
   */
  closed (code: number): void {
    if (this.#state === 'closed') return
    const inOrder = this.#hold.leaving || code !== NO_CLOSE
    if (inOrder && this.#putOff(() => { this.closed(code) })) return
    this.#abandon()
    this.#state = 'closed'
    this.hub.wheel.cancel(this)
    this.hub.forget(this)
    const closeCode = this.#closeCode ?? code
    this.hub.stats.close(closeCode)
    const duration = Math.round(this.hub.now() - this.#openedAt) / 1000
    this.hub.log.info({ ...this.whose, code: closeCode, duration, received: this.#received, bytes: this.#bytes }, 'closed')
  }

  /** Ends the session from this side: what is queued goes out, then the close. A client that ignores it is cut. */
  close (code: CloseCode, reason: string): void {
    if (!this.alive) return
    if (this.peer !== null) this.hub.outbox.finish(this.peer)
    this.#retire()
    this.#state = 'closing'
    this.#closeCode = code
    this.connection.resume()
    this.connection.close(code, closeReason(reason))
    this.hub.wheel.schedule(this, CLOSE_TIMEOUT)
    this.#hold.leave()
  }

  /**
   * Has the session end because the server does.
   *
   * @param notice what the peer gets at once
   * @param delay milliseconds until it is closed; a client that is no peer yet, or has gone, is closed at once
   */
  drain (notice: Frame, delay: number): void {
    if (this.#online === null || this.#hold.leaving) return this.shutDown()
    this.#online.drain(this.hub.now() + delay)
    this.hub.outbox.push(this.#online.peer, notice)
    this.wake()
  }

  /** Closes it because the server ends. */
  shutDown (): void {
    this.close(CloseCode.goingAway, 'Server shutting down')
  }

  /** The client has said who it is, and is in its rooms: from here on it is a peer. */
  welcome (candidate: Candidate): void {
    const { hub } = this
    const { peer, terms } = candidate
    peer.owner = this
    this.#peerId = peer.id
    this.#online = new Online(this, peer, terms)
    this.#state = 'online'
    hub.admission.welcome(this)
    hub.stats.auths.ok++
    hub.send(peer, welcome(peer, terms.rooms))
    this.wake()
    hub.log.info({ ...this.whose, user: peer.user, rooms: terms.rooms.size }, 'online')
  }

  /**
   * Refuses a connection that has not been welcomed.
   *
   * @param id of the frame that is the reason, where it has one
   */
  refuse (error: SympleError, id?: Json): void {
    this.hub.log.info({ ...this.whose, ...error.logged }, 'refused')
    const frame = encode(this.hub.admission.answer(error, id))
    this.hub.stats.bytesOut += frame.length
    if (this.connection.open) this.connection.write(frame)
    this.close(error.closeCode, error.message)
  }

  /** Ends at once what has not been welcomed, so that another has its place. */
  evict (error: SympleError): void {
    if (this.#state === 'new' || this.#state === 'authenticating') {
      this.hub.stats.auths[this.#state === 'new' ? 'evicted' : 'unavailable']++
      this.refuse(error)
    }
    this.connection.terminate()
  }

  /** The token on which it rests is no more. It goes, unless a fresh one is just being checked, and good. */
  lose (error: SympleError): void {
    this.#online?.lose(error)
  }

  /** Ends what rests on a grant that is no more. */
  revoke (error: SympleError): void {
    if (this.peer === null) return
    this.hub.log.info({ ...this.whose, ...error.logged }, 'revoked')
    this.hub.send(this.peer, error.toMessage())
    this.close(error.closeCode, error.message)
  }

  expire (): void {
    if (this.#hold.leaving) return this.#hold.leave()
    switch (this.#state) {
      case 'new':
        this.hub.stats.auths.timeout++
        return this.refuse(new SympleError(408, 'Authentication timeout'))
      case 'online':
        this.#online!.watch()
        return this.wake()
      case 'closing': return this.connection.terminate()
    }
  }

  wake (): void {
    const online = this.#online
    if (online !== null && !this.#hold.leaving) this.hub.wheel.schedule(this, online.next - this.hub.now())
  }

  #putOff (leave: () => void): boolean {
    return this.alive && this.#closeCode === null && this.#hold.putOff(leave)
  }

  #handle (online: Online, data: Buffer, binary: boolean): void {
    this.#received++
    const work = online.receive(data, binary)
    if (work !== undefined) this.#hold.begin(work)
  }

  /** The client goes of its own accord. */
  #abandon (): void {
    if (this.#state === 'authenticating' || this.#state === 'new') {
      this.hub.stats.auths[this.#closeCode === null ? 'abandoned' : 'malformed']++
    }
    this.#retire()
  }

  /** The client counts no more, and its peer goes, whatever its socket does from here on. */
  #retire (): void {
    if (this.#state !== 'closing') this.hub.active--
    const online = this.#online
    this.#online = null
    online?.end()
  }
}
