import { isUtf8 } from 'node:buffer'
import { SympleError } from './errors.js'
import { isNestedWithin, isObject, MAX_DEPTH, serialisedSize, type Json, type JsonObject } from './json.js'
import type { Limits } from './limits.js'

/** The protocol that `welcome` announces. */
export const PROTOCOL = 'symple/4'

/** Types that are handed on to other peers as they are. */
export const ROUTED_TYPES = ['message', 'command', 'event'] as const

/** Types that clients send; what else comes is ignored. */
export const CLIENT_TYPES = ['auth', ...ROUTED_TYPES, 'presence', 'join', 'leave', 'close'] as const

/** To whom: everybody near (null), one name or address, or the rooms that are named. */
export type Recipients = null | string | readonly string[]

/** A message as it came, its bytes lent while it is handled: the text for handing on, and what it says. */
export interface Inbound {
  readonly data: Buffer
  readonly text: string
  readonly message: JsonObject
}

/** The first frame of a client, checked. What was not given is undefined. */
export interface Auth {
  /** Who it says it is. */
  readonly user: string | undefined
  /** How it wants to be called. */
  readonly name: string | undefined
  /** What proves it; it belongs into no log. */
  readonly token: string | undefined
  /** The ordinary rooms that it wants to enter. */
  readonly rooms: readonly string[]
  /** The fields that it wants others to see. */
  readonly data: JsonObject
}

export interface Presence {
  readonly to: Recipients
  readonly data: JsonObject | undefined
}

// Unicode's category Cc; a lone surrogate has no UTF-8 of its own, so two names could look like one on the wire.
const CONTROL = /\p{Cc}/u

/** A string that can name a person or thing: not empty, not too long, without control characters. */
export function isName (value: Json | undefined, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= maxLength &&
    value.isWellFormed() && !CONTROL.test(value)
}

/** A name that can stand in an address: a user or a room. */
export function isAddressable (value: Json | undefined, maxLength: number): value is string {
  return isName(value, maxLength) && !value.includes('|')
}

/**
 * Reads one WebSocket message.
 *
 * @param maxSize in bytes
 * @throws SympleError 400 where it is no JSON object in UTF-8, 413 where it is too large
 */
export function decode (data: Buffer, binary: boolean, maxSize = Infinity): Inbound {
  if (data.length > maxSize) throw new SympleError(413, `Message exceeds ${maxSize} bytes`, { limit: 'message_size', fatal: true })
  // Whoever took a text frame apart has checked it.
  if (binary && !isUtf8(data)) throw new SympleError(400, 'Binary frame is not UTF-8')
  const text = data.toString()
  let message: Json
  try {
    message = JSON.parse(text) as Json
  } catch {
    throw new SympleError(400, 'Frame is not valid JSON')
  }
  if (!isObject(message)) throw new SympleError(400, 'Frame is not a JSON object')
  // Each level takes two characters: few messages are long enough to need a look.
  if (text.length > 2 * MAX_DEPTH && !isNestedWithin(message, MAX_DEPTH)) throw new SympleError(400, 'Nested too deeply')
  return { data, text, message }
}

/** A message that was serialised here, as if a client had sent it. */
export function inboundOf (text: string): Inbound {
  return decode(Buffer.from(text), false)
}

/** @throws SympleError 400 that names the field that is wrong */
export function parseAuth (message: JsonObject, limits: Limits): Auth {
  const { maxNameLength } = limits
  const user = given(message['user'])
  const name = given(message['name'])
  const token = given(message['token'])
  const rooms = message['rooms'] ?? []
  const data = message['data'] ?? {}

  if (user !== undefined && !isAddressable(user, maxNameLength)) throw invalid('user', maxNameLength, true)
  if (name !== undefined && !isName(name, maxNameLength)) throw invalid('name', maxNameLength, false)
  if (token !== undefined && typeof token !== 'string') throw new SympleError(400, 'token must be a string')
  if (!Array.isArray(rooms)) throw new SympleError(400, 'rooms must be an array of strings')
  if (!rooms.every(room => isAddressable(room, maxNameLength))) throw invalid('each of rooms', maxNameLength, true)
  if (!isObject(data)) throw new SympleError(400, 'data must be an object')
  if (serialisedSize(data) > limits.maxDataSize) {
    throw new SympleError(400, `data must not exceed ${limits.maxDataSize} bytes`, { limit: 'data_size' })
  }
  return { user, name, token, rooms: rooms as string[], data }
}

/** @throws SympleError 400 where `to` is neither absent, null, a non-empty string nor an array of such, or too long */
export function parseRecipients (to: Json | undefined, maxRecipients: number): Recipients {
  if (to === undefined || to === null) return null
  if (typeof to === 'string' && to !== '') return to
  if (Array.isArray(to) && to.length > maxRecipients) {
    throw new SympleError(400, `to must not name more than ${maxRecipients}`, { limit: 'recipients' })
  }
  if (Array.isArray(to) && to.every(isNonEmptyString)) return to
  throw new SympleError(400, 'to must be a non-empty string or an array of such')
}

/** @throws SympleError 400 or, for data that are too large, 413 */
export function parsePresence (message: JsonObject, limits: Limits): Presence {
  const to = parseRecipients(message['to'], limits.maxRecipients)
  const data = message['data'] ?? undefined
  if (data !== undefined && !isObject(data)) throw new SympleError(400, 'data must be an object')
  if (data !== undefined && serialisedSize(data) > limits.maxDataSize) {
    throw new SympleError(413, `data must not exceed ${limits.maxDataSize} bytes`, { limit: 'data_size' })
  }
  return { to, data }
}

/** @throws SympleError 400 where `room` can't be the name of a room */
export function parseRoom (message: JsonObject, limits: Limits): string {
  const room = message['room']
  if (!isAddressable(room, limits.maxNameLength)) throw invalid('room', limits.maxNameLength, true)
  return room
}

export function tooManyRooms (limit: number): SympleError {
  return new SympleError(400, `Too many rooms: at most ${limit}`, { limit: 'rooms_per_peer' })
}

/** Fields that are null or empty count as not given: the JavaScript client sends `name: ""`. */
export function given (value: Json | undefined): Json | undefined {
  return value === null || value === '' ? undefined : value
}

function isNonEmptyString (value: Json): value is string {
  return typeof value === 'string' && value !== ''
}

function invalid (field: string, maxLength: number, addressable: boolean): SympleError {
  return new SympleError(400, `${field} must be a non-empty string of at most ${maxLength} bytes without control ` +
    `characters${addressable ? ' and without "|"' : ''}`)
}
