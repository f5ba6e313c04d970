import type { Grant } from './auth.js'
import type { Client, Connection } from './connection.js'
import { SympleError } from './errors.js'
import type { Hub } from './hub.js'
import type { JsonObject } from './json.js'
import { after, type Later } from './later.js'
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
  const { permissions, tracer } = hub
  const decide = () => {
    const granted = after(hub.authenticate(auth, client), grant => permissions.authenticate(auth, grant, client))
    return after(granted, grant => candidateOf(hub, auth, grant, client, connection))
  }
  return tracer === undefined ? decide() : tracer.trace('authenticate', { host: client.host }, decide)
}

/** What the grant says wins over what the client says of itself. */
function candidateOf (
  hub: Hub, auth: Auth, grant: Grant, client: Client, connection: Connection
): Later<Candidate> {
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
  const { requested = [] } = grant
  const given = new Set([...grant.rooms, ...requested])
  // The user's own name stands for the personal room, which is no gift.
  given.delete(user)
  if (given.size > hub.limits.maxRoomsPerPeer) throw tooManyRooms(hub.limits.maxRoomsPerPeer)
  const asked = requested.filter(room => room !== user && !grant.rooms.includes(room))
  return after(hub.permissions.requested(peer, asked), allowed => {
    const rooms = new Set([...grant.rooms, ...allowed])
    rooms.delete(user)
    return { peer, rooms, token }
  })
}

export function welcome ({ peer, rooms }: Candidate): object {
  return { type: 'welcome', protocol: PROTOCOL, status: 200, peer: peer.describe(true), rooms: [peer.user, ...rooms] }
}
