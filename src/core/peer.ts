import { isDeepStrictEqual } from 'node:util'
import type { MemberRecord } from './backplane.js'
import type { Connection } from './connection.js'
import type { SympleError } from './errors.js'
import { encode, type Frame } from './frame.js'
import type { JsonObject } from './json.js'
import { isName } from './protocol.js'
import type { RateLimiter } from './rate-limiter.js'
import type { Receiver, Batch } from './outbox.js'
import { encodeRecord, presenceOf } from './remote.js'
import type { Room } from './rooms.js'

/** Who a peer is, decided when it authenticated. */
export interface Identity {
  readonly id: string
  readonly user: string
  /** What it is called at first. */
  readonly name: string
  /** What it publishes about itself at first. */
  readonly extras: JsonObject
  /** What a session or a hook set: the client can't override it. */
  readonly fixed: JsonObject
  /** The client's address. */
  readonly host: string
}

/** Who speaks for a peer: the session of its client, or the application. */
export interface PeerOwner {
  readonly virtual: boolean
  /** Ends it, and tells it why. */
  revoke (error: SympleError): void
}

/** Keys of presence data that the server alone sets, or that go nowhere. */
const RESERVED = new Set(['id', 'user', 'name', 'online', 'host', 'token', '__proto__'])

/** The fields of a client's or session's data that other peers may see. */
export function publicFields (data: JsonObject): JsonObject {
  const fields: JsonObject = {}
  for (const key of Object.keys(data)) {
    if (!RESERVED.has(key)) fields[key] = data[key]!
  }
  return fields
}

/** Keys of what a client says of itself that the server has set otherwise. */
export function overridden (data: JsonObject, described: JsonObject): string[] {
  return Object.keys(data).filter(key => Object.hasOwn(described, key) && described[key] !== data[key])
}

/** An authenticated connection, with the rooms it is in and the frames that wait for it. */
export class Peer implements Receiver, MemberRecord {
  readonly id: string
  readonly user: string
  /** `user|id`: what stands in `from`. */
  readonly address: string
  /** The address as a JSON string, for frames that are put together from parts. */
  readonly addressJson: string
  readonly host: string
  /** The rooms it is in, the personal one first, with its place in each one's members. */
  readonly rooms = new Map<Room, number>()
  /** The last walk over rooms that met this peer: see `Rooms`. */
  mark = 0

  /** Null until it has come in. */
  owner: PeerOwner | null = null

  dirty = false
  pending: Batch | null = null
  allowance = 0

  /** How often it changes what others see of it; null: it has not yet. */
  changes: RateLimiter | null = null

  #fixed: JsonObject
  /** What other nodes have been told instead of it, while its move is under way. */
  #promised: JsonObject
  #name: string
  #extras: JsonObject
  #online: Frame | null = null
  #version = 0
  #moves = 0

  constructor (identity: Identity, readonly connection: Connection) {
    this.id = identity.id
    this.user = identity.user
    this.address = `${identity.user}|${identity.id}`
    this.addressJson = JSON.stringify(this.address)
    this.host = identity.host
    this.#name = identity.name
    this.#extras = identity.extras
    this.#fixed = identity.fixed
    this.#promised = identity.fixed
  }

  /** The peer object of `welcome` and presence. */
  describe (online: boolean): JsonObject {
    return this.#described(this.#name, this.#extras, online)
  }

  get #promise (): JsonObject {
    return this.#described(this.#name, this.#extras, true, this.#promised)
  }

  /**
   * What a presence of this peer with `data` says, after what the server forces.
   *
   * @param data as the client sent it; undefined: what it published last
   * @param maxNameLength bytes, past which a name is not taken
   */
  presenceData (data: JsonObject | undefined, maxNameLength: number): JsonObject {
    if (data === undefined) return this.describe(true)
    return this.#described(this.#nameIn(data, maxNameLength), publicFields(data), true)
  }

  /** Keeps what the client published, for those who see it later. */
  publish (data: JsonObject, maxNameLength: number): void {
    this.#name = this.#nameIn(data, maxNameLength)
    this.#extras = publicFields(data)
    this.#online = null
    this.#version++
  }

  /**
   * Has other nodes be told what a new grant sets. Here it takes the place of what the old one did by `regrant`.
   *
   * @param moves whether the peer enters or leaves rooms by it
   * @returns whether there is anything to tell
   */
  promise (fixed: JsonObject, moves: boolean): boolean {
    this.#promised = fixed
    if (!moves && isDeepStrictEqual(this.#promise, this.describe(true))) return false
    this.#version++
    this.#moves++
    return true
  }

  /** Keeps what was promised. @returns whether others see anything of that */
  regrant (): boolean {
    const before = this.describe(true)
    this.#fixed = this.#promised
    this.#online = null
    return !isDeepStrictEqual(this.describe(true), before)
  }

  /** The presence frame that tells of this peer; encoded once between two publications. */
  get onlineFrame (): Frame {
    this.#online ??= encode(presenceOf(this.address, this.describe(true)), true)
    return this.#online
  }

  offlineFrame (): Frame {
    return encode(presenceOf(this.address, this.describe(false)))
  }

  /** How often what others see of it has changed. */
  get version (): number {
    return this.#version
  }

  /** What other nodes are told of it. */
  get record (): string {
    return encodeRecord({ version: this.#version, moves: this.#moves, data: this.#promise })
  }

  #nameIn (data: JsonObject, maxNameLength: number): string {
    return isName(data['name'], maxNameLength) ? data['name'] : this.#name
  }

  #described (name: string, extras: JsonObject, online: boolean, fixed = this.#fixed): JsonObject {
    return {
      id: this.id,
      user: this.user,
      name,
      online,
      host: this.host,
      ...extras,
      ...fixed
    }
  }
}
