import { anonymous, type Authenticator } from './auth.js'
import { peerId, type Backplane } from './backplane.js'
import type { Client, Connection } from './connection.js'
import { SympleError } from './errors.js'
import { Hub, TICK } from './hub.js'
import { createIdSource } from './id-source.js'
import { resolveLimits, type Limits } from './limits.js'
import { silent, type Logger } from './logger.js'
import { Session } from './session.js'
import type { Stats } from './stats.js'

const SHUTDOWN_EVENT = {
  type: 'event', name: 'shutdown', subtype: 'shutdown', message: 'Server shutting down'
} as const

export interface SympleOptions {
  /** Bounds that differ from the defaults; 0 turns one off. */
  limits?: Partial<Limits>
  /** Whether clients may join and leave rooms. Default: true. */
  dynamicRooms?: boolean
  /** Who decides what a client is. Default: nobody, each client is what it says. */
  authenticate?: Authenticator
  /** Default: silence. */
  log?: Logger
  /** A monotonic clock in milliseconds. Default: `performance.now`. */
  now?: () => number
  /** Numbers from 0 to 1 that spread a drain. Default: `Math.random`. */
  random?: () => number
  /** What makes several nodes one server. */
  backplane: Backplane
  /** Source of what tells peers of this node apart. Default: 128 random bits. */
  newId?: () => string
}

/** What there is at a moment. */
export interface Gauges {
  connections: number
  /** Those of the connections that are authenticated. */
  peers: number
  /** Peers of other nodes that share a room with peers of this one. */
  remotes: number
  users: number
  /** Ordinary rooms. */
  rooms: number
  /** Bytes that wait for peers. */
  unsent: number
}

/** The service: it knows the peers of this node, and carries their messages and presence. */
export class Symple {
  readonly #hub: Hub
  readonly #random: () => number
  readonly #ticker: NodeJS.Timeout
  #draining: Promise<void> | null = null

  constructor (options: SympleOptions) {
    const { backplane } = options
    const unique = options.newId ?? createIdSource()
    this.#hub = new Hub({
      limits: resolveLimits(options.limits),
      dynamicRooms: options.dynamicRooms ?? true,
      authenticate: options.authenticate ?? anonymous,
      log: options.log ?? silent,
      now: options.now ?? (() => performance.now()),
      backplane,
      newId: () => peerId(backplane.node, unique())
    })
    this.#random = options.random ?? Math.random
    this.#ticker = setInterval(() => { this.#hub.wheel.advance() }, TICK)
    this.#ticker.unref()
  }

  /**
   * Takes up a connection.
   *
   * @returns the session to which its owner hands what the client sends, and its end
   */
  open (connection: Connection, client: Client): Session {
    const hub = this.#hub
    const session = new Session(hub, connection, client)
    hub.sessions.add(session)
    hub.stats.connections++
    hub.log.info({ host: client.host }, 'accepted')
    if (this.#draining !== null) {
      session.refuse(new SympleError(503, 'Server shutting down'))
    } else if (hub.active > hub.limits.maxConnections) {
      hub.stats.exceed('connections')
      session.refuse(new SympleError(503, 'Too many connections'))
    }
    return session
  }

  /** False once it drains: new connections are refused. */
  get accepting (): boolean {
    return this.#draining === null
  }

  /** What has been counted so far. */
  get stats (): Stats {
    return this.#hub.stats
  }

  /** What there is now. */
  get gauges (): Gauges {
    const { sessions, rooms } = this.#hub
    let unsent = 0
    for (const peer of rooms.peers.values()) unsent += peer.connection.buffered + (peer.pending?.size ?? 0)
    return {
      connections: sessions.size,
      peers: rooms.peers.size,
      remotes: rooms.remotes.size,
      users: rooms.users,
      rooms: rooms.size,
      unsent
    }
  }

  /**
   * Ends all connections: each peer is told at once, and closed with 1001 at a time of its own, so that not all come
   * back together. A client that ignores the close is cut.
   *
   * @param seconds over which the closes are spread
   * @returns when the last connection is gone
   */
  drain (seconds: number): Promise<void> {
    this.#draining ??= this.#drain(seconds)
    return this.#draining
  }

  async #drain (seconds: number): Promise<void> {
    const hub = this.#hub
    const { sessions } = hub
    hub.log.info({ connections: sessions.size, seconds }, 'draining')
    if (sessions.size === 0) return
    const empty = new Promise<void>(resolve => { hub.onEmpty = resolve })
    for (const session of sessions) session.drain(SHUTDOWN_EVENT, this.#random() * seconds * 1000)
    await empty
  }

  /** Joins the other nodes. Resolves when it has, or has begun to try. */
  async start (): Promise<void> {
    await this.#hub.backplane.start(this.#hub.cluster)
  }

  /** The tokens on which live connections rest. */
  get tokens (): string[] {
    return this.#hub.tokens.all
  }

  /** Ends the connections that rest on a token: the client is told 401, and closed with 4401. */
  revoke (token: string): void {
    for (const session of this.#hub.tokens.sessionsOf(token)) session.revoke(new SympleError(401, 'Session ended'))
  }

  /** Ends what is left without ceremony, and leaves the other nodes. */
  async close (): Promise<void> {
    clearInterval(this.#ticker)
    for (const session of this.#hub.sessions) session.connection.terminate()
    this.#hub.cluster.flush()
    await this.#hub.backplane.stop()
  }
}
