import type { Authenticator } from './auth.js'
import type { Backplane } from './backplane.js'
import type { Hooks } from './hooks.js'
import type { Limits } from './limits.js'
import type { Logger } from './logger.js'
import type { Tracer } from './tracer.js'

/**
 * Hooks are optional, too: none is set by default.
 *
 * @typeParam R what the edge hands in as the request of a connection
 */
export interface SympleOptions<R = unknown> extends Partial<Hooks<R>> {
  /** Bounds that differ from the defaults; 0 turns one off. */
  limits?: Partial<Limits>
  /** Whether clients may join and leave rooms. Default: true. */
  dynamicRooms?: boolean
  /** What proves who a client is, before the hook `authenticate`. Default: nothing, each client is what it says. */
  authenticator?: Authenticator
  /** Seconds that another node has to answer. Default: 3. */
  replyTimeout?: number
  /** Default: silence. */
  log?: Logger
  /** A monotonic clock in milliseconds. Default: `performance.now`. */
  now?: () => number
  /** Milliseconds since 1970, by which grants end. Default: `Date.now`. */
  wallNow?: () => number
  /** Numbers from 0 to 1 that spread a drain, and who comes back. Default: `Math.random`. */
  random?: () => number
  /** What makes several nodes one server. */
  backplane: Backplane
  /** Source of what tells peers of this node apart. Default: 128 random bits. */
  newId?: () => string
  /** Follows authentications and messages. Default: nobody does. */
  tracer?: Tracer | undefined
}

/** What there is at a moment. */
export interface Gauges {
  /** Open ones, authenticated or not. */
  connections: number
  /** Those of the connections that are authenticated. */
  peers: number
  /** Peers of this node that are the application's own, and have no connection. */
  virtuals: number
  /** Peers of other nodes that share a room with peers of this one. */
  remotes: number
  /** Those who have peers here. */
  users: number
  /** Ordinary rooms. */
  rooms: number
  /** Bytes that wait for peers. */
  unsent: number
}
