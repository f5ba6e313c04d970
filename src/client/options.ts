import type { JsonObject } from './frames.js'
import type { SocketClass } from './socket.js'

/** What proves who we are: a token, or a function that gets one for each attempt to connect. */
export type TokenSource = string | (() => string | Promise<string>)

/** How a line is kept. Times are in milliseconds. */
export interface LineOptions {
  /** Needed where the server checks tokens. */
  readonly token?: TokenSource
  /** Whether to come back after a connection was lost; true unless given. */
  readonly reconnect?: boolean
  /** The least wait between two attempts to connect; 1 000 unless given. */
  readonly minDelay?: number
  /** The longest such wait; 30 000 unless given. */
  readonly maxDelay?: number
  /** The time that an attempt has until `welcome`; 15 000 unless given. */
  readonly timeout?: number
  /** Gives numbers in [0, 1), for the waits. */
  readonly random?: () => number
  /** The WebSocket class where the platform has none, such as that of the package ws on Node 20. */
  readonly WebSocket?: SocketClass
}

/** Who connects, and how. */
export interface ConnectionOptions extends LineOptions {
  /** Who we are. Needed, unless the server takes that from the token. */
  readonly user?: string
  /** What people see; the user, where it is not given. */
  readonly name?: string
  /** Rooms to be in. Those that the server does not give at once are joined; all come back after a reconnect. */
  readonly rooms?: readonly string[]
  /** Public fields of our peer. */
  readonly data?: JsonObject
}

/**
 * idle: not connected yet. connecting: until `welcome`. online: between `welcome` and the end. waiting: until the next
 * attempt. closed: for good, by us or by the server.
 */
export type ConnectionState = 'idle' | 'connecting' | 'online' | 'waiting' | 'closed'

/** How a connection, or an attempt to make one, has ended. */
export interface ConnectionEnd {
  /** A close code: PROTOCOL.md §9. */
  readonly code: number
  /** For people; it may be empty. */
  readonly reason: string
  /** Milliseconds until the next attempt; undefined: there is none. */
  readonly retryIn: number | undefined
}
