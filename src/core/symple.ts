import { EventEmitter } from 'node:events'
import {
  messageArgument, reasonArgument, recipientsArgument, roomArgument, roomsArgument, stringArgument, userArgument,
  type PageOptions
} from './arguments.js'
import { anonymous } from './auth.js'
import { peerId } from './backplane.js'
import type { Client, Connection } from './connection.js'
import { Drain } from './drain.js'
import { EVERYBODY } from './emission.js'
import { SympleError } from './errors.js'
import { Events, type SympleEvents } from './events.js'
import type { AuthenticateHook, AuthorizedHook, AuthorizeJoinHook, AuthorizeMessageHook, Hooks } from './hooks.js'
import { Hub, TICK } from './hub.js'
import { createIdSource } from './id-source.js'
import { resolveLimits } from './limits.js'
import { silent } from './logger.js'
import type { Gauges, SympleOptions } from './options.js'
import type { PeerDetails } from './peer-info.js'
import type { NodeInfo, PeersOptions, PeersPage, RoomInfo, RoomsPage } from './queries.js'
import { Session } from './session.js'
import type { Stats } from './stats.js'
import { VirtualPeer, type VirtualPeerHandler, type VirtualPeerOptions } from './virtual-peer.js'

export type { Gauges, SympleOptions } from './options.js'

/** Seconds that another node has to answer. */
const REPLY_TIMEOUT = 3

/**
 * The service: it knows the peers of this node, and carries their messages and presence.
 *
 * For applications it has hooks (properties that can be set at any time), events (`on`, see {@link SympleEvents}), and
 * methods that act on the whole cluster, whichever node they are called on. Those reject with a `TypeError` that names
 * an argument which is wrong, and with a `SympleError` of status 503 where other nodes can't be reached, so that no
 * answer is half an answer.
 *
 * @typeParam R the request of a connection, as hooks get it
 */
export class Symple<R = unknown> extends EventEmitter<SympleEvents> implements Hooks<R> {
  authenticate: AuthenticateHook<R> | null
  authorizeJoin: AuthorizeJoinHook | null
  authorizeMessage: AuthorizeMessageHook | null
  onAuthorize: AuthorizedHook | null

  readonly #hub: Hub
  readonly #ticker: NodeJS.Timeout
  readonly #drain: Drain

  /** @internal */
  constructor (options: SympleOptions<R>) {
    super()
    const { backplane, log = silent } = options
    this.authenticate = options.authenticate ?? null
    this.authorizeJoin = options.authorizeJoin ?? null
    this.authorizeMessage = options.authorizeMessage ?? null
    this.onAuthorize = options.onAuthorize ?? null
    const unique = options.newId ?? createIdSource()
    this.#hub = new Hub({
      limits: resolveLimits(options.limits),
      dynamicRooms: options.dynamicRooms ?? true,
      authenticate: options.authenticator ?? anonymous,
      // The core hands on what the edge has handed in: only these two know what it is.
      hooks: this as unknown as Hooks,
      events: new Events(this, log),
      replyTimeout: options.replyTimeout ?? REPLY_TIMEOUT,
      log,
      now: options.now ?? (() => performance.now()),
      wallNow: options.wallNow ?? Date.now,
      random: options.random ?? Math.random,
      backplane,
      newId: () => peerId(backplane.node, unique()),
      tracer: options.tracer
    })
    this.#drain = new Drain(this.#hub)
    this.#ticker = setInterval(() => { this.#hub.wheel.advance() }, TICK)
    this.#ticker.unref()
  }

  // For applications ----------------------------------------------------------------------------------------------

  /**
   * Sends a message as a trusted backend: no membership is asked for, and `from` is passed through.
   *
   * @param to an address (`user|id`), the id of a peer, a user or an ordinary room, or an array of such. Who is meant
   *   more than once gets it once; a name stands for the peers of that user and the members of that room
   * @param message an object with a string `type`; its `to` is set
   * @returns resolves when all nodes are being told; who gets it is not known. Messages arrive in the order of the
   *   calls
   */
  async send (to: string | readonly string[], message: object): Promise<void> {
    await this.#hub.emission.emit(messageArgument(message), recipientsArgument(to))
  }

  /** Sends a message to every peer of all nodes, as `send` does. It arrives without `to`. */
  async broadcast (message: object): Promise<void> {
    await this.#hub.emission.emit(messageArgument(message), EVERYBODY)
  }

  /**
   * Lists peers, page by page, in an order of no meaning that stays the same. Who comes or goes between two pages may
   * be missed; nobody is listed twice. A page is at most `limit` long, and may be shorter before the last.
   */
  async peers (options?: PeersOptions): Promise<PeersPage> {
    return await this.#hub.queries.peers(options)
  }

  /**
   * Looks up one peer.
   *
   * @param peer its id or its address
   * @returns undefined: there is no such peer
   */
  async peer (peer: string): Promise<PeerDetails | undefined> {
    const found = await this.#hub.control.at(stringArgument('peer', peer), { op: 'describe', peer })
    return found as PeerDetails | null | undefined ?? undefined
  }

  /**
   * Lists ordinary rooms by name, page by page, as `peers` does. What each page costs grows with the number of rooms of
   * all nodes.
   */
  async rooms (options?: PageOptions): Promise<RoomsPage> {
    return await this.#hub.queries.rooms(options)
  }

  /**
   * Finds the ordinary rooms with most members, the largest first, among those that peers of this node are in; members
   * on other nodes count.
   *
   * @param limit how many, at most 1000. Default: 100
   */
  largestRooms (limit?: number): RoomInfo[] {
    return this.#hub.queries.largestRooms(limit)
  }

  /** Lists the nodes of the cluster, those that died and were not cleared up after yet included. */
  async nodes (): Promise<NodeInfo[]> {
    return await this.#hub.queries.nodes()
  }

  /**
   * Has a peer join an ordinary room. Neither hooks nor limits stand against it; the client is told as if it had asked,
   * with `join:ok` and the presence that follows.
   *
   * @param peer its id or its address
   * @returns whether it is in the room now; false: there is no such peer
   */
  async join (peer: string, room: string): Promise<boolean> {
    const call = { op: 'join', peer: stringArgument('peer', peer), room: roomArgument(room, this.#hub.limits) } as const
    return await this.#hub.control.at(peer, call) === true
  }

  /**
   * Has a peer leave an ordinary room; the client is told with `leave:ok`.
   *
   * @param peer its id or its address
   * @returns whether it is out of the room now; false: there is no such peer
   */
  async leave (peer: string, room: string): Promise<boolean> {
    const call = { op: 'leave', peer: stringArgument('peer', peer), room: roomArgument(room, this.#hub.limits) } as const
    return await this.#hub.control.at(peer, call) === true
  }

  /**
   * Sends peers away, with `error 403` and close 4403. They may come back unless a hook or their token forbids it.
   *
   * @param target the id or the address of a peer, or a user, all of whose peers are meant. Where not all nodes can be
   *   asked for these, those on the others are sent away all the same
   * @param reason what they are told, at most 123 bytes. Default: `Disconnected by the server`
   * @returns how many were sent away
   */
  async disconnect (target: string | { readonly user: string }, reason?: string): Promise<number> {
    const call = { op: 'disconnect', reason: reasonArgument(reason).message } as const
    if (typeof target === 'object' && target !== null) {
      const counts = await this.#hub.control.everywhere({ ...call, user: userArgument(target.user, this.#hub.limits) })
      return counts.reduce<number>((sum, count) => sum + Number(count ?? 0), 0)
    }
    const peer = stringArgument('target', target)
    return Number(await this.#hub.control.at(peer, { ...call, peer }) ?? 0)
  }

  /**
   * Adds a peer of the application's own to this node: a bot, or an agent. It is removed when the server drains.
   *
   * @param handler gets what a client would get
   * @returns resolves when it is in its rooms
   */
  async addVirtualPeer (options: VirtualPeerOptions, handler: VirtualPeerHandler): Promise<VirtualPeer> {
    if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object')
    if (typeof handler !== 'function') throw new TypeError('handler must be a function')
    const rooms = roomsArgument(options.rooms ?? [], this.#hub.limits)
    if (!this.accepting) throw new SympleError(503, 'Server shutting down')
    const virtual = new VirtualPeer(this.#hub, options, handler)
    await virtual.enter(rooms)
    return virtual
  }

  /** What there is on this node now. */
  get gauges (): Gauges {
    return this.#hub.gauges
  }

  // For the edge ----------------------------------------------------------------------------------------------------

  /**
   * Takes up a connection.
   *
   * @returns the session to which its owner hands what the client sends, and its end
   * @internal
   */
  open (connection: Connection, client: Client): Session {
    const hub = this.#hub
    const session = new Session(hub, connection, client)
    hub.sessions.add(session)
    hub.stats.connections++
    hub.log.info({ host: client.host }, 'accepted')
    const refusal = hub.admission.enter(session)
    if (this.#drain.begun) session.refuse(this.#drain.refusal)
    else if (refusal !== null) session.refuse(refusal)
    return session
  }

  /**
   * Asks for one more connection, before it is upgraded.
   *
   * @param host the client's address
   * @returns why it can't be, and after how many seconds it may be asked again; null: it can
   * @internal
   */
  knock (host: string): SympleError | null {
    return this.#drain.begun ? this.#drain.refusal : this.#hub.admission.knock(host)
  }

  /** False once it drains: new connections are refused. @internal */
  get accepting (): boolean {
    return !this.#drain.begun
  }

  /** What has been counted so far. @internal */
  get stats (): Stats {
    return this.#hub.stats
  }

  /**
   * Ends all connections: each peer is told at once, and closed with 1001 at a time of its own, so that not all come
   * back together. A client that ignores the close is cut.
   *
   * @param seconds over which the closes are spread
   * @returns when the last connection is gone
   * @internal
   */
  drain (seconds: number): Promise<void> {
    return this.#drain.begin(seconds)
  }

  /** Joins the other nodes. Resolves when it has, or has begun to try. @internal */
  async start (): Promise<void> {
    await this.#hub.backplane.start(this.#hub.cluster.listener)
  }

  /** The tokens on which live connections rest. @internal */
  get tokens (): string[] {
    return this.#hub.tokens.all
  }

  /** Ends the connections that rest on a token: the client is told 401, and closed with 4401. @internal */
  revoke (token: string): void {
    for (const session of this.#hub.tokens.sessionsOf(token)) session.lose(new SympleError(401, 'Session ended'))
  }

  /** Ends what is left without ceremony, and leaves the other nodes. @internal */
  async close (): Promise<void> {
    clearInterval(this.#ticker)
    for (const virtual of this.#hub.virtuals) virtual.remove()
    for (const session of this.#hub.sessions) session.connection.terminate()
    this.#hub.cluster.flush()
    await this.#hub.backplane.stop()
  }
}
