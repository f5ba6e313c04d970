import { Emitter } from './emitter.js'
import type { ConnectionEvents } from './events.js'
import {
  addressOf, faultOf, parseFrame, welcomeOf, type Frame, type JsonObject, type Peer, type Routed, type To, type Welcome
} from './frames.js'
import { Line } from './line.js'
import { Membership } from './membership.js'
import type { ConnectionEnd, ConnectionOptions, ConnectionState } from './options.js'
import { Roster } from './roster.js'

/** Who waits for `welcome`. */
interface Waiter {
  resolve (welcome: Welcome): void
  reject (error: Error): void
}

/** A fresh token that the server has not taken yet. */
interface Refresh extends Waiter {
  readonly id: string
  readonly token: string | undefined
}

/**
 * A client of the Symple protocol, version 4: the connection, and all that has to be done to keep it.
 *
 * ```ts
 * const connection = new SympleConnection('wss://example.com/', { user: 'alice', rooms: ['lobby'] })
 * connection.on('message', ({ from, data }) => { … })
 * await connection.connect()
 * connection.send({ type: 'message', to: 'bob', data: 'Hello, Bob!' })
 * ```
 */
export class SympleConnection {
  /** Where the server is: `ws:` or `wss:`. */
  readonly url: string
  readonly #options: ConnectionOptions
  readonly #events = new Emitter<ConnectionEvents>()
  readonly #line: Line
  readonly #roster = new Roster()
  readonly #membership: Membership
  #peer: Peer | undefined
  #waiters: Waiter[] = []
  #refreshes: Refresh[] = []
  #ids = 0

  /**
   * @param url where the server is; `http:` and `https:` stand for `ws:` and `wss:`
   * @throws TypeError for another URL
   */
  constructor (url: string | URL, options: ConnectionOptions = {}) {
    this.url = webSocketUrl(url)
    this.#options = options
    this.#membership = new Membership(options.rooms ?? [])
    this.#line = new Line(this.url, options, {
      greeting: token => this.#sent(JSON.stringify(this.#auth(token))),
      received: text => { this.#receive(text) },
      entered: state => { this.#onState(state) },
      ended: end => { this.#onEnd(end) }
    })
  }

  /** What it is doing: see {@link ConnectionState}. */
  get state (): ConnectionState {
    return this.#line.state
  }

  /** Who we are, as the server says; undefined unless online. */
  get peer (): Peer | undefined {
    return this.#peer
  }

  /** `user|id`; undefined unless online. */
  get address (): string | undefined {
    return this.#peer && addressOf(this.#peer)
  }

  /** Who is there, by id: exactly the peers that are visible, each with what it published last. */
  get roster (): ReadonlyMap<string, Peer> {
    return this.#roster.peers
  }

  /** The rooms that we are in, as the server says. */
  get rooms (): ReadonlySet<string> {
    return this.#membership.current
  }

  /** Listens to an event. @returns a function that takes the listener away again */
  on<Name extends keyof ConnectionEvents> (name: Name, listener: (value: ConnectionEvents[Name]) => void): () => void {
    return this.#events.on(name, listener)
  }

  /**
   * Connects, now: a wait for the next attempt is cut short.
   *
   * @returns when it is online; rejects when it is closed for good
   */
  connect (): Promise<Welcome> {
    if (this.#peer !== undefined) return Promise.resolve({ peer: this.#peer, rooms: [...this.rooms] })
    const welcome = new Promise<Welcome>((resolve, reject) => { this.#waiters.push({ resolve, reject }) })
    // Who only listens to events need not catch it.
    welcome.catch(() => {})
    if (this.state !== 'connecting') this.#line.open()
    return welcome
  }

  /** Says goodbye and stays away, until `connect`. */
  close (): void {
    this.#line.close()
  }

  /**
   * Gives the server a fresh token on this connection, from the option `token`: before the old one ends.
   *
   * @returns when the server has taken it; rejects where it has not: then the old one counts until it ends
   */
  refresh (): Promise<Welcome> {
    const taken = this.#refresh()
    taken.catch(() => {})
    return taken
  }

  async #refresh (): Promise<Welcome> {
    const token = this.state === 'online' ? await this.#line.getToken() : undefined
    const id = `auth-${++this.#ids}`
    if (!this.send({ type: 'auth', id, ...(token !== undefined && { token }) })) throw new Error('Not online')
    return await new Promise((resolve, reject) => { this.#refreshes.push({ id, token, resolve, reject }) })
  }

  /**
   * Sends a frame. Delivery is at most once: what can't be sent now is not kept for later.
   *
   * @returns whether it was sent, which it is only while we are online
   */
  send (frame: Frame): boolean {
    return this.sendText(JSON.stringify(frame))
  }

  /** Sends a text as it is, be it a frame or not. @returns as `send` */
  sendText (text: string): boolean {
    if (this.state !== 'online') return false
    this.#line.send(this.#sent(text))
    return true
  }

  /** Publishes what others see of us; without data, what was published last. @returns as `send` */
  presence (data?: JsonObject, to?: To): boolean {
    return this.send({ type: 'presence', ...(to !== undefined && { to }), ...(data !== undefined && { data }) })
  }

  /**
   * Enters a room, now or when next online, and again after each reconnect.
   *
   * @returns when it is so; rejects where the server refuses, or the connection is closed for good
   */
  join (room: string): Promise<void> {
    return this.#ask('join', room)
  }

  /** Leaves a room, and does not come back into it. @returns as `join` */
  leave (room: string): Promise<void> {
    return this.#ask('leave', room)
  }

  #ask (type: 'join' | 'leave', room: string): Promise<void> {
    const { frame, answered } = this.#membership.ask(type, room)
    this.send(frame)
    return answered
  }

  #auth (token: string | undefined): Frame {
    const { user, name, data } = this.#options
    const rooms = this.#membership.wanted
    return {
      type: 'auth',
      ...(user !== undefined && { user }),
      ...(name !== undefined && { name }),
      ...(token !== undefined && { token }),
      ...(rooms.length > 0 && { rooms }),
      ...(data !== undefined && { data })
    }
  }

  /** Tells of what is about to be sent. Few listen: it is read for them alone. */
  #sent (text: string): string {
    if (this.#events.has('frame')) this.#events.emit('frame', { direction: 'out', text, frame: parseFrame(text) })
    return text
  }

  #receive (text: string): void {
    const frame = parseFrame(text)
    this.#events.emit('frame', { direction: 'in', text, frame })
    switch (frame?.type) {
      case 'welcome': return this.#onWelcome(frame)
      case 'error': return this.#onError(frame)
      case 'presence': return this.#onPresence(frame as Routed)
      case 'join:ok': return this.#onRoom('join', frame)
      case 'leave:ok': return this.#onRoom('leave', frame)
      case 'event': return this.#onEvent(frame as Routed)
      case 'message':
      case 'command': return this.#events.emit(frame.type, frame as Routed)
      // What later versions of the protocol add is none of our business.
    }
  }

  /** After a fresh token it comes again, with other rooms: the roster stays, and presence tells the difference. */
  #onWelcome (frame: Frame): void {
    const welcome = welcomeOf(frame)
    if (welcome === undefined) return
    const refresh = this.#peer && this.#refreshes.shift()
    if (refresh !== undefined) this.#line.took(refresh.token)
    this.#peer = welcome.peer
    const missing = this.#membership.welcomed(welcome.rooms)
    this.#line.welcomed()
    // Whoever listens may have closed it.
    if (this.state !== 'online') return
    this.#events.emit('welcome', welcome)
    this.#events.emit('rooms', this.rooms)
    for (const join of missing) this.send(join)
    for (const { resolve } of this.#waiters.splice(0)) resolve(welcome)
    refresh?.resolve(welcome)
  }

  #onError (frame: Frame): void {
    const fault = faultOf(frame)
    const refresh = this.#refreshes.find(({ id }) => id === fault.id)
    this.#refreshes = this.#refreshes.filter(other => other !== refresh)
    refresh?.reject(new Error(fault.message))
    if (fault.status === 401 && refresh === undefined) this.#line.refused()
    this.#line.asked(frame['retryAfter'])
    this.#events.emit('error', fault)
    this.#membership.refused(fault)
  }

  #onPresence (frame: Routed): void {
    const change = this.#roster.apply(frame)
    if (change !== undefined) this.#events.emit('roster', change)
    this.#events.emit('presence', frame)
    const { probe, from } = frame
    // The answer is no probe, or it would be answered in turn.
    if (probe === true && typeof from === 'string') this.presence(undefined, from)
  }

  #onRoom (type: 'join' | 'leave', { room }: Frame): void {
    if (typeof room !== 'string' || this.#peer === undefined) return
    this.#membership.answered(type, room, this.#peer.user)
    this.#events.emit('rooms', this.rooms)
  }

  #onEvent (frame: Routed): void {
    // A peer may call its own event so, but can't send one without `from`.
    if (frame['name'] !== 'shutdown' || frame['from'] !== undefined) return this.#events.emit('event', frame)
    this.#line.asked(frame['retryAfter'])
    this.#events.emit('shutdown', frame)
  }

  /** What is known of others came over the connection, and is gone with it. */
  #onState (state: ConnectionState): void {
    const wasOnline = this.#peer !== undefined && state !== 'online'
    if (wasOnline) {
      this.#peer = undefined
      this.#membership.lost()
      for (const { reject } of this.#refreshes.splice(0)) reject(new Error('The connection has ended'))
    }
    const change = wasOnline ? this.#roster.clear() : undefined
    this.#events.emit('state', state)
    if (change !== undefined) this.#events.emit('roster', change)
    if (wasOnline) this.#events.emit('rooms', this.rooms)
  }

  #onEnd (end: ConnectionEnd): void {
    this.#events.emit('end', end)
    if (end.retryIn !== undefined) return
    const error = new Error(`Closed with ${end.code}${end.reason && `: ${end.reason}`}`)
    this.#membership.abandon(error)
    for (const { reject } of this.#waiters.splice(0)) reject(error)
  }
}

function webSocketUrl (url: string | URL): string {
  const { href, protocol } = new URL(url)
  if (!/^(ws|http)s?:$/.test(protocol)) throw new TypeError(`Not the URL of a WebSocket: ${href}`)
  return href.replace(/^http/, 'ws')
}
