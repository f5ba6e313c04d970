import { notTheirs, type Grant } from './auth.js'
import type { Client, Connection } from './connection.js'
import { SympleError } from './errors.js'
import type { Hub } from './hub.js'
import type { JsonObject } from './json.js'
import { after, type Later } from './later.js'
import { overridden, Peer, publicFields } from './peer.js'
import { parseAuth, PROTOCOL, tooManyRooms, type Auth } from './protocol.js'

/** What a grant comes to: what a client is beside its user, where it may be, and until when. */
export interface Terms {
  /** Fields of the peer object that the client can't override; the name too, if one was granted. */
  readonly fixed: JsonObject
  /** The ordinary rooms. */
  readonly rooms: ReadonlySet<string>
  /** What it rests on; null: nothing that others could end. */
  readonly token: string | null
  /** When it ends, in milliseconds since 1970; Infinity: not by itself. */
  readonly expires: number
}

/** Who may come in: what a client becomes if it is still there. */
export interface Candidate {
  readonly peer: Peer
  readonly terms: Terms
}

/**
 * Finds out who a client is, by its first message.
 *
 * @throws SympleError, at once or later: 401 for anything but `auth` and for who is refused, 400 for what is malformed
 */
export function identify (
  hub: Hub, message: JsonObject, client: Client, connection: Connection
): Later<Candidate> {
  if (message['type'] !== 'auth') throw new SympleError(401, 'Not authenticated')
  return ask(hub, message, client, (grant, auth) => {
    const peer = peerOf(hub, auth, grant, client, connection)
    return after(termsOf(hub, grant, peer), terms => {
      noteClaims(hub, auth, peer, terms)
      return { peer, terms }
    })
  })
}

/**
 * Finds out what a peer is from now on, by a further `auth`.
 *
 * @throws SympleError, at once or later, as `identify`; 401 for who would be another user
 */
export function reidentify (hub: Hub, message: JsonObject, client: Client, peer: Peer): Later<Terms> {
  return ask(hub, message, client, grant => {
    if (userOf(grant) !== peer.user) throw notTheirs()
    return termsOf(hub, grant, peer)
  })
}

function ask<T> (
  hub: Hub, message: JsonObject, client: Client, conclude: (grant: Grant, auth: Auth) => Later<T>
): Later<T> {
  hub.stats.receive('auth')
  const auth = parseAuth(message, hub.limits)
  const { permissions, tracer } = hub
  const decide = () => {
    const granted = after(hub.authenticate(auth, client), grant => permissions.authenticate(auth, grant, client))
    return after(granted, grant => conclude(grant, auth))
  }
  return tracer === undefined ? decide() : tracer.trace('authenticate', { host: client.host }, decide)
}

function userOf ({ user }: Grant): string {
  if (user === undefined) throw new SympleError(400, 'user is required')
  return user
}

/** What the grant says wins over what the client says of itself. */
function peerOf (hub: Hub, auth: Auth, grant: Grant, client: Client, connection: Connection): Peer {
  const user = userOf(grant)
  return new Peer({
    id: hub.newId(),
    user,
    name: auth.name ?? user,
    extras: publicFields(auth.data),
    fixed: fixedOf(grant),
    host: client.host
  }, connection)
}

function termsOf (hub: Hub, grant: Grant, peer: Peer): Later<Terms> {
  const { requested = [], token = null, expires = Infinity } = grant
  // The user's own name stands for the personal room, which is no gift.
  const given = new Set([...grant.rooms, ...requested])
  given.delete(peer.user)
  if (given.size > hub.limits.maxRoomsPerPeer) throw tooManyRooms(hub.limits.maxRoomsPerPeer)
  const asked = [...new Set(requested)].filter(room => room !== peer.user && !grant.rooms.includes(room))
  return after(hub.permissions.requested(peer, asked), allowed => {
    const rooms = new Set([...grant.rooms, ...allowed])
    rooms.delete(peer.user)
    return { fixed: fixedOf(grant), rooms, token, expires }
  })
}

/** Takes note of what a client says of itself and is not so: an operator looks for impostors. */
function noteClaims ({ log }: Hub, { data, rooms }: Auth, peer: Peer, terms: Terms): void {
  const fields = overridden(data, peer.describe(true))
  if (rooms.some(room => room !== peer.user && !terms.rooms.has(room))) fields.push('rooms')
  if (fields.length > 0) log.debug({ peer: peer.id, host: peer.host, fields }, 'overridden')
}

function fixedOf ({ name, fixed }: Grant): JsonObject {
  return name === undefined ? fixed : { ...fixed, name }
}

/** @param rooms the ordinary rooms that the peer is in from now on */
export function welcome (peer: Peer, rooms: Iterable<string>): object {
  return { type: 'welcome', protocol: PROTOCOL, status: 200, peer: peer.describe(true), rooms: [peer.user, ...rooms] }
}
