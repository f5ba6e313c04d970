import type { Grant } from './auth.js'
import type { SympleError } from './errors.js'
import { isObject, serialisedSize, type Json } from './json.js'
import type { Limits } from './limits.js'
import { publicFields } from './peer.js'
import { given, isAddressable, isName } from './protocol.js'

/** What a backend or an issuer of tokens says of a user, as it was read. */
export interface Claims {
  readonly user: Json | undefined
  readonly name: Json | undefined
  readonly rooms: Json | undefined
  readonly data: Json | undefined
}

/**
 * The grant that claims amount to.
 *
 * @param faulty makes the error for claims that nobody may have: the client is refused, whoever made them is to blame
 */
export function grantOf (claims: Claims, limits: Limits, faulty: (fault: string) => SympleError): Grant {
  const user = given(claims.user)
  const name = given(claims.name)
  const rooms = claims.rooms ?? []
  const data = claims.data ?? {}
  if (user === undefined) throw faulty('it has no user')
  if (!isAddressable(user, limits.maxNameLength)) throw faulty('its user can not be one')
  if (name !== undefined && !isName(name, limits.maxNameLength)) throw faulty('its name can not be one')
  if (!Array.isArray(rooms) || !rooms.every(room => isAddressable(room, limits.maxNameLength))) {
    throw faulty('its rooms are no array of room names')
  }
  if (new Set(rooms.filter(room => room !== user)).size > limits.maxRoomsPerPeer) throw faulty('it has too many rooms')
  if (!isObject(data)) throw faulty('its data are no object')
  if (serialisedSize(data) > limits.maxDataSize) throw faulty('its data are too large')
  return { user, name, rooms: rooms as string[], fixed: publicFields(data) }
}
