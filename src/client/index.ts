export { SympleConnection } from './connection.js'
export type { ConnectionEvents, WireFrame } from './events.js'
export {
  addressOf, isObject, isPeer, parseFrame, type Fault, type Frame, type Json, type JsonObject, type Peer, type Routed,
  type To, type Welcome
} from './frames.js'
export type { ConnectionEnd, ConnectionOptions, ConnectionState, TokenSource } from './options.js'
export { mayReconnect } from './reconnecting.js'
export type { RosterChange } from './roster.js'
export type { SocketClass, SocketLike } from './socket.js'
