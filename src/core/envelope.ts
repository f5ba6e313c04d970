import { isObject, type Json, type JsonObject } from './json.js'
import type { MemberRecord } from './backplane.js'
import type { Recipients } from './protocol.js'

/**
 * What nodes say to each other. Entries of one node reach another in the order in which they were sent, so what they
 * say of members holds for the messages behind them.
 */
export type Entry =
  /** A peer enters places. */
  | { readonly kind: 'enter', readonly places: readonly string[], readonly member: MemberRecord }
  /** A peer is in places, and in no others any more, as what it has become. */
  | { readonly kind: 'move', readonly places: readonly string[], readonly member: MemberRecord }
  /** A peer leaves places; null: it is gone. */
  | { readonly kind: 'exit', readonly places: readonly string[] | null, readonly id: string }
  /** Some members of the sender in a place, where all are too many for one packet: their `list` follows. */
  | { readonly kind: 'some', readonly place: string, readonly members: readonly MemberRecord[] }
  /**
   * All members of the sender in a place. `others`: ids of those of which `some` have told. `yours`: digest of what it
   * holds of the receiver's, to be answered if wrong. `answer`: it is such an answer.
   */
  | {
    readonly kind: 'list'
    readonly place: string
    readonly members: readonly MemberRecord[]
    readonly others?: readonly string[]
    readonly yours?: string
    readonly answer?: boolean
  }
  /** Digests of the sender's members in a place, and of the receiver's as the sender knows them. */
  | { readonly kind: 'check', readonly place: string, readonly mine: string, readonly yours: string }
  /** Asks for the list of a place. */
  | { readonly kind: 'ask', readonly place: string }
  /** A message of a peer. The payload is the text of the frame that its recipients get. */
  | { readonly kind: 'route', readonly from: string, readonly to: Recipients, readonly payload: Buffer }
  /** The same for a presence that all may see: it changes what is known of its sender. */
  | { readonly kind: 'publish', readonly member: MemberRecord, readonly payload: Buffer }
  /** Has the receiver do something to its own peers, and say in a `reply` with the same id what came of it. */
  | { readonly kind: 'request', readonly id: number, readonly call: JsonObject }
  /** `failed`: it could not be done, and the result says why. */
  | { readonly kind: 'reply', readonly id: number, readonly result: Json, readonly failed?: boolean }

/** The version of this format. A node ignores packets of versions that it does not know. */
export const ENVELOPE_VERSION = 1

const NONE = Buffer.alloc(0)

/** An entry for any number of packets. */
export function encodeEntry (entry: Entry): Buffer {
  const { payload = NONE, ...rest } = entry as Entry & { payload?: Buffer }
  const head = JSON.stringify(rest)
  const headSize = Buffer.byteLength(head)
  const buffer = Buffer.allocUnsafe(8 + headSize + payload.length)
  buffer.writeUInt32BE(headSize, 0)
  buffer.writeUInt32BE(payload.length, 4)
  buffer.write(head, 8)
  payload.copy(buffer, 8 + headSize)
  return buffer
}

/** @param entries as `encodeEntry` makes them */
export function encodePacket (entries: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(ENVELOPE_VERSION), ...entries])
}

/** @returns undefined for a packet that is foreign, malformed or of another version; unknown entries are left out */
export function decodePacket (packet: Buffer): Entry[] | undefined {
  if (packet[0] !== ENVELOPE_VERSION) return undefined
  const entries: Entry[] = []
  let offset = 1
  while (offset < packet.length) {
    if (offset + 8 > packet.length) return undefined
    const head = offset + 8
    const payload = head + packet.readUInt32BE(offset)
    const end = payload + packet.readUInt32BE(offset + 4)
    if (end > packet.length) return undefined
    const entry = decodeEntry(packet.toString('utf8', head, payload), packet.subarray(payload, end))
    if (entry !== undefined) entries.push(entry)
    offset = end
  }
  return entries
}

function decodeEntry (head: string, payload: Buffer): Entry | undefined {
  let entry: Json
  try {
    entry = JSON.parse(head) as Json
  } catch {
    return undefined
  }
  if (!isObject(entry)) return undefined
  const { kind, places, place, member, members, others, id, from, to, mine, yours, answer } = entry
  switch (kind) {
    case 'request':
    case 'reply':
      return decodeDialogue(kind, entry)
    case 'enter':
    case 'move':
      return isStrings(places) && isMember(member) ? { kind, places, member } : undefined
    case 'exit':
      return (places === null || isStrings(places)) && typeof id === 'string' ? { kind, places, id } : undefined
    case 'some':
      return typeof place === 'string' && areMembers(members) ? { kind, place, members } : undefined
    case 'list':
      if (typeof place !== 'string' || !areMembers(members)) return undefined
      return {
        kind,
        place,
        members,
        ...(isStrings(others) && { others }),
        ...(typeof yours === 'string' && { yours }),
        ...(answer === true && { answer })
      }
    case 'check':
      return typeof place === 'string' && typeof mine === 'string' && typeof yours === 'string'
        ? { kind, place, mine, yours }
        : undefined
    case 'ask':
      return typeof place === 'string' ? { kind, place } : undefined
    case 'route':
      return typeof from === 'string' && (to === null || typeof to === 'string' || isStrings(to))
        ? { kind, from, to, payload }
        : undefined
    case 'publish':
      return isMember(member) ? { kind, member, payload } : undefined
    default:
      return undefined
  }
}

function decodeDialogue (kind: 'request' | 'reply', { id, call, result, failed }: JsonObject): Entry | undefined {
  if (typeof id !== 'number') return undefined
  if (kind === 'request') return isObject(call) ? { kind, id, call } : undefined
  return result === undefined ? undefined : { kind, id, result, ...(failed === true && { failed }) }
}

type Loose = Json | undefined

function isStrings (value: Loose): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

function areMembers (value: Loose): value is Array<Json & MemberRecord> {
  return Array.isArray(value) && value.every(isMember)
}

function isMember (value: Loose): value is Json & MemberRecord {
  return isObject(value) && typeof value['id'] === 'string' && typeof value['record'] === 'string'
}
