import { Admission } from './admission.js'
import type { Authenticator } from './auth.js'
import type { Backplane } from './backplane.js'
import { Cluster } from './cluster.js'
import { Control } from './control.js'
import { Dispatcher } from './dispatcher.js'
import { Emission } from './emission.js'
import type { Events } from './events.js'
import { encode, type Frame } from './frame.js'
import type { Hooks } from './hooks.js'
import type { Limits } from './limits.js'
import type { Logger } from './logger.js'
import { Membership } from './membership.js'
import type { Gauges } from './options.js'
import { Outbox } from './outbox.js'
import type { Peer } from './peer.js'
import { Permissions } from './permissions.js'
import { Presence } from './presence.js'
import { Queries } from './queries.js'
import { CLIENT_TYPES } from './protocol.js'
import { Rooms } from './rooms.js'
import { Router } from './router.js'
import type { Session } from './session.js'
import { Stats } from './stats.js'
import { TimerWheel } from './timer-wheel.js'
import { Tokens } from './tokens.js'
import { tracedDispatcher, type Tracer } from './tracer.js'
import type { VirtualPeer } from './virtual-peer.js'

/** Milliseconds between two ticks of the wheel: how late a ping or a time-out may be. */
export const TICK = 100

/** What the world hands in. */
export interface Environment {
  readonly limits: Limits
  readonly dynamicRooms: boolean
  readonly authenticate: Authenticator
  readonly hooks: Readonly<Hooks>
  readonly events: Events
  /** Seconds that another node has to answer. */
  readonly replyTimeout: number
  readonly log: Logger
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
  /** Numbers from 0 to 1 that spread what must not come all at once. */
  readonly random: () => number
  readonly backplane: Backplane
  /** Makes ids that nobody can guess. */
  readonly newId: () => string
  /** Undefined: nothing is traced. */
  readonly tracer: Tracer | undefined
}

/** What the sessions of one node share. */
export class Hub implements Environment {
  readonly limits: Limits
  readonly dynamicRooms: boolean
  readonly authenticate: Authenticator
  readonly hooks: Readonly<Hooks>
  readonly events: Events
  readonly replyTimeout: number
  readonly log: Logger
  readonly now: () => number
  readonly wallNow: () => number
  readonly random: () => number
  readonly backplane: Backplane
  readonly newId: () => string
  readonly tracer: Tracer | undefined

  readonly stats = new Stats(CLIENT_TYPES)
  readonly sessions = new Set<Session>()
  /** How many of the sessions are not closing. */
  active = 0
  /** Online sessions by the token on which they rest. */
  readonly tokens = new Tokens()
  /** Called when the last session has ended. */
  onEmpty: (() => void) | null = null
  readonly admission: Admission
  readonly rooms = new Rooms()
  readonly router: Router
  readonly permissions = new Permissions(this)
  readonly dispatcher: Pick<Dispatcher, 'dispatch' | 'say'>
  readonly outbox: Outbox<Peer>
  readonly presence: Presence
  readonly cluster: Cluster
  readonly membership = new Membership(this)
  readonly emission = new Emission(this)
  readonly control = new Control(this)
  readonly queries = new Queries(this)
  /** Peers of the application's own. */
  readonly virtuals = new Set<VirtualPeer>()
  readonly wheel: TimerWheel

  constructor (environment: Environment) {
    this.limits = environment.limits
    this.dynamicRooms = environment.dynamicRooms
    this.authenticate = environment.authenticate
    this.hooks = environment.hooks
    this.events = environment.events
    this.replyTimeout = environment.replyTimeout
    this.log = environment.log
    this.now = environment.now
    this.wallNow = environment.wallNow
    this.random = environment.random
    this.backplane = environment.backplane
    this.newId = environment.newId
    this.tracer = environment.tracer
    this.admission = new Admission(this)
    const dispatcher = new Dispatcher(this)
    // Without a tracer there is nothing in between: not even a check for each message.
    this.dispatcher = this.tracer === undefined ? dispatcher : tracedDispatcher(dispatcher, this.tracer, this.stats)
    this.router = new Router(this.rooms)
    this.outbox = new Outbox(this.limits.maxBuffered, this.stats, peer => { this.#cut(peer) })
    this.presence = new Presence(this.rooms, this.outbox, (witness, member) => { this.cluster.seen(witness, member) })
    this.cluster = new Cluster(this, this.backplane)
    this.wheel = new TimerWheel(this.now, TICK)
  }

  /** What there is on this node now. */
  get gauges (): Gauges {
    const { sessions, rooms } = this
    const virtuals = [...this.virtuals].filter(({ id }) => rooms.peers.has(id)).length
    let unsent = 0
    for (const peer of rooms.peers.values()) unsent += peer.connection.buffered + (peer.pending?.size ?? 0)
    return {
      connections: sessions.size,
      peers: rooms.peers.size - virtuals,
      virtuals,
      remotes: rooms.remotes.size,
      users: rooms.users,
      rooms: rooms.size,
      unsent
    }
  }

  /** Takes out a session that has ended. */
  forget (session: Session): void {
    this.sessions.delete(session)
    this.admission.leave(session)
    if (this.sessions.size === 0) this.onEmpty?.()
  }

  /** Tells one peer something, in its place among what it is sent. */
  send (peer: Peer, message: object): void {
    this.outbox.push(peer, encode(message))
  }

  deliver (recipients: readonly Peer[], frame: Frame): void {
    this.stats.deliveries += recipients.length
    for (let i = 0; i < recipients.length; i++) this.outbox.push(recipients[i]!, frame)
  }

  #cut (peer: Peer): void {
    this.stats.exceed('buffered')
    this.log.warn({ peer: peer.id, limit: 'buffered', buffered: peer.connection.buffered }, 'slow consumer')
    peer.connection.terminate()
  }
}
