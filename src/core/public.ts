/** What applications get to see of the core. */

export { SympleError } from './errors.js'
export type { SympleEvents } from './events.js'
export type {
  Applicant, AuthenticateHook, AuthenticateResult, AuthorizedHook, AuthorizeJoinHook, AuthorizeMessageHook, Hooks,
  JoinResult, PeerSocket
} from './hooks.js'
export type { Json, JsonObject } from './json.js'
export type { Gauges } from './options.js'
export type { PageOptions } from './arguments.js'
export type { PeerDetails, PeerInfo } from './peer-info.js'
export type { Auth } from './protocol.js'
export type { NodeInfo, PeersOptions, PeersPage, RoomInfo, RoomsPage } from './queries.js'
export type { Symple } from './symple.js'
export type { VirtualMessage, VirtualPeer, VirtualPeerHandler, VirtualPeerOptions } from './virtual-peer.js'
