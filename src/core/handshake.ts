import type { Grant } from './auth.js'
import type { Client, Connection } from './connection.js'
import { SympleError } from './errors.js'
import type { Hub } from './hub.js'
import type { JsonObject } from './json.js'
import { Peer, publicFields } from './peer.js'
import { parseAuth, PROTOCOL, tooManyRooms, type Auth } from './protocol.js'

/** @throws SympleError 401 for anything but `auth`, 400 for one that is malformed */
export function readAuth (hub: Hub, message: JsonObject): Auth {
  if (message['type'] !== 'auth') throw new SympleError(401, 'Not authenticated')
  hub.stats.receive('auth')
  return parseAuth(message, hub.limits)
}

/** The rooms that a grant gives, each once. The user's own name stands for the personal room, which is no gift. */
export function roomsOf (grant: Grant, maxRooms: number): Set<string> {
  const rooms = new Set(grant.rooms)
  if (grant.user !== undefined) rooms.delete(grant.user)
  if (rooms.size > maxRooms) throw tooManyRooms(maxRooms)
  return rooms
}

/** Makes the peer that a client becomes: what the grant says wins over what the client says of itself. */
export function createPeer (hub: Hub, auth: Auth, grant: Grant, client: Client, connection: Connection): Peer {
  const { user, name } = grant
  if (user === undefined) throw new SympleError(400, 'user is required')
  return new Peer({
    id: hub.newId(),
    user,
    name: name ?? auth.name ?? user,
    extras: publicFields(auth.data),
    fixed: name === undefined ? grant.fixed : { ...grant.fixed, name },
    host: client.host
  }, connection)
}

export function welcome (peer: Peer, rooms: Iterable<string>): object {
  return { type: 'welcome', protocol: PROTOCOL, status: 200, peer: peer.describe(true), rooms: [peer.user, ...rooms] }
}
