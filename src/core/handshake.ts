import type { Grant } from './auth.js'
import type { Client, Connection } from './connection.js'
import { SympleError } from './errors.js'
import type { Hub } from './hub.js'
import type { JsonObject } from './json.js'
import { Peer, publicFields } from './peer.js'
import { parseAuth, PROTOCOL, tooManyRooms, type Auth } from './protocol.js'

/** Who may come in: what a client becomes if it is still there. */
export interface Candidate {
  readonly peer: Peer
  /** The ordinary rooms that it enters. */
  readonly rooms: ReadonlySet<string>
  /** What it rests on; null: nothing that can end. */
  readonly token: string | null
}

/**
 * Finds out who a client is, by its first message.
 *
 * @throws SympleError, at once or later: 401 for anything but `auth` and for who is refused, 400 for what is malformed
 */
export function identify (
  hub: Hub, message: JsonObject, client: Client, connection: Connection
): Candidate | Promise<Candidate> {
  if (message['type'] !== 'auth') throw new SympleError(401, 'Not authenticated')
  hub.stats.receive('auth')
  const auth = parseAuth(message, hub.limits)
  const admit = (grant: Grant) => candidateOf(hub, auth, grant, client, connection)
  const grant = hub.authenticate(auth, client)
  return grant instanceof Promise ? grant.then(admit) : admit(grant)
}

/** What the grant says wins over what the client says of itself. */
function candidateOf (hub: Hub, auth: Auth, grant: Grant, client: Client, connection: Connection): Candidate {
  const { user, name, token = null } = grant
  if (user === undefined) throw new SympleError(400, 'user is required')
  const peer = new Peer({
    id: hub.newId(),
    user,
    name: name ?? auth.name ?? user,
    extras: publicFields(auth.data),
    fixed: name === undefined ? grant.fixed : { ...grant.fixed, name },
    host: client.host
  }, connection)
  // The user's own name stands for the personal room, which is no gift.
  const rooms = new Set(grant.rooms)
  rooms.delete(user)
  if (rooms.size > hub.limits.maxRoomsPerPeer) throw tooManyRooms(hub.limits.maxRoomsPerPeer)
  return { peer, rooms, token }
}

export function welcome ({ peer, rooms }: Candidate): object {
  return { type: 'welcome', protocol: PROTOCOL, status: 200, peer: peer.describe(true), rooms: [peer.user, ...rooms] }
}
