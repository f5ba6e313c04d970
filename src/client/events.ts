import type { Fault, Frame, Routed, Welcome } from './frames.js'
import type { ConnectionEnd, ConnectionState } from './options.js'
import type { RosterChange } from './roster.js'

/** What passed over the wire. */
export interface WireFrame {
  /** From the server, or to it. */
  readonly direction: 'in' | 'out'
  /** The payload, as it was. */
  readonly text: string
  /** Undefined where the text is no frame. */
  readonly frame: Frame | undefined
}

/** What a connection tells: for each event, what its listeners get. */
export interface ConnectionEvents {
  /** It is in another state. */
  state: ConnectionState
  /** Authenticated, for the first time or again. */
  welcome: Welcome
  /** Somebody has come or gone, or has published something new. */
  roster: RosterChange
  /** The rooms that we are in. */
  rooms: ReadonlySet<string>
  /** What peers and backends say: `from` is whom to answer, where there is one. */
  message: Routed
  /** What they ask to be done. */
  command: Routed
  /** What they say has happened. */
  event: Routed
  /** What they tell of themselves, as it came; what it has changed comes as `roster`, before. */
  presence: Routed
  /** The server has refused something. */
  error: Fault
  /** The server is about to close all connections; the frame says so in words. */
  shutdown: Frame
  /** The connection, or an attempt to make one, has ended. */
  end: ConnectionEnd
  /** Every frame in either direction, before anything comes of it. */
  frame: WireFrame
}
