import type { Json } from './frames.js'
import type { ConnectionEnd, ConnectionState, LineOptions } from './options.js'
import { Backoff, mayReconnect, pauseAfter } from './reconnecting.js'
import { letGo, openSocket, platformSocket, type SocketLike } from './socket.js'

export interface LineListener {
  /** A socket has opened. @returns its first text */
  greeting (token: string | undefined): string
  received (text: string): void
  /** The state is another one. */
  entered (state: ConnectionState): void
  /** After the state that it led to. */
  ended (end: ConnectionEnd): void
}

/** Milliseconds online after which a connection counts as a good one, and waits begin anew. */
const STABLE = 10_000

/** One socket after another: it gets tokens, waits, and obeys close codes. What is said on it is others' business. */
export class Line {
  readonly #url: string
  readonly #options: LineOptions
  readonly #listener: LineListener
  readonly #backoff: Backoff
  #state: ConnectionState = 'idle'
  #socket: SocketLike | null = null
  /** Counts what was begun: what comes of anything but the last is too late. */
  #attempt = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #onlineSince = 0
  /** The token of this attempt, and the last that was refused. */
  #token: string | undefined
  #refused: string | undefined
  /** Seconds that the server wants us to stay away, as it came. */
  #retryAfter: Json | undefined

  constructor (url: string, options: LineOptions, listener: LineListener) {
    this.#url = url
    this.#options = options
    this.#listener = listener
    const { minDelay = 1000, maxDelay = 30_000, random = Math.random } = options
    this.#backoff = new Backoff({ minDelay, maxDelay, random })
  }

  get state (): ConnectionState {
    return this.#state
  }

  /** Makes an attempt, now: a wait for the next one is cut short. */
  open (): void {
    this.#letGo()
    const attempt = this.#attempt
    this.#retryAfter = undefined
    this.#timer = setTimeout(() => { this.#end(1006, 'No welcome in time') }, this.#options.timeout ?? 15_000)
    this.#enter('connecting')
    this.getToken().then(
      token => { if (attempt === this.#attempt) this.#dial(token) },
      (error: Error) => { if (attempt === this.#attempt) this.#end(1006, `No token: ${error.message}`) }
    )
  }

  close (): void {
    if (this.#state === 'idle' || this.#state === 'closed') return
    this.#finish(1000, 'Closed by this client')
  }

  send (text: string): void {
    this.#socket?.send(text)
  }

  async getToken (): Promise<string | undefined> {
    const { token } = this.#options
    return typeof token === 'function' ? await token() : token
  }

  /** The server has let us in. */
  welcomed (): void {
    clearTimeout(this.#timer)
    this.#refused = undefined
    if (this.#state === 'online') return
    this.#onlineSince = performance.now()
    this.#enter('online')
  }

  /** The server does not take our token, or no longer. */
  refused (): void {
    this.#refused = this.#token
  }

  /** The server has taken a fresh token. */
  took (token: string | undefined): void {
    this.#token = token
  }

  /** @param seconds that the server wants us to stay away, as it came */
  asked (seconds: Json | undefined): void {
    this.#retryAfter = seconds
  }

  #dial (token: string | undefined): void {
    this.#token = token
    if (token !== undefined && token === this.#refused) return this.#finish(4401, 'Token refused, and there is no other')
    try {
      this.#socket = openSocket(this.#options.WebSocket ?? platformSocket(), this.#url, {
        opened: () => { this.send(this.#listener.greeting(token)) },
        received: text => { this.#listener.received(text) },
        closed: (code, reason) => { this.#end(code, reason) }
      })
    } catch (error) {
      // A page that came over TLS may not open a `ws:`, for one.
      this.#finish(1006, (error as Error).message)
    }
  }

  /** A connection, or an attempt to make one, is over. */
  #end (code: number, reason: string): void {
    if (!this.#mayReturn(code)) return this.#finish(code, reason)
    if (this.#state === 'online' && performance.now() - this.#onlineSince >= STABLE) this.#backoff.reset()
    const retryIn = pauseAfter(code, this.#retryAfter) + this.#backoff.next()
    this.#letGo()
    this.#timer = setTimeout(() => { this.open() }, retryIn)
    this.#settle('waiting', { code, reason, retryIn })
  }

  /** Whether another attempt has a chance; after a refused token, if there may be another one. */
  #mayReturn (code: number): boolean {
    const { reconnect = true, token } = this.#options
    return reconnect && (mayReconnect(code) || (code === 4401 && typeof token === 'function'))
  }

  #finish (code: number, reason: string): void {
    this.#letGo()
    this.#refused = undefined
    this.#settle('closed', { code, reason, retryIn: undefined })
  }

  #settle (state: ConnectionState, end: ConnectionEnd): void {
    const attempt = this.#attempt
    this.#enter(state)
    // Whoever listens may have begun something else.
    if (attempt === this.#attempt) this.#listener.ended(end)
  }

  /** Ends whatever is under way. */
  #letGo (): void {
    this.#attempt++
    clearTimeout(this.#timer)
    if (this.#socket !== null) letGo(this.#socket)
    this.#socket = null
  }

  #enter (state: ConnectionState): void {
    if (state === this.#state) return
    this.#state = state
    this.#listener.entered(state)
  }
}
