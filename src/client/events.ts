import type { Fault, Frame, Routed, Welcome } from './frames.js'
import type { ConnectionEnd, ConnectionState } from './options.js'
import type { RosterChange } from './roster.js'

/** What passed over the wire. */
export interface WireFrame {
  readonly direction: 'in' | 'out'
  readonly text: string
  /** Undefined where the text is no frame. */
  readonly frame: Frame | undefined
}

export interface ConnectionEvents {
  state: ConnectionState
  /** Authenticated, for the first time or again. */
  welcome: Welcome
  roster: RosterChange
  /** The rooms that we are in. */
  rooms: ReadonlySet<string>
  /** What peers and backends send: `from` is whom to answer. */
  message: Routed
  command: Routed
  event: Routed
  presence: Routed
  error: Fault
  /** The server is about to close all connections; the frame says so in words. */
  shutdown: Frame
  end: ConnectionEnd
  /** Every frame in either direction, before anything comes of it. */
  frame: WireFrame
}
