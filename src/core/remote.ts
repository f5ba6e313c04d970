import { isDeepStrictEqual } from 'node:util'
import { encode, type Frame } from './frame.js'
import { isNestedWithin, isObject, MAX_DEPTH, type Json, type JsonObject } from './json.js'
import type { Room } from './rooms.js'

/** Another node of the cluster, as far as it concerns this one. */
export class RemoteNode {
  /** Its peers that share a room with peers of this node, by id. */
  readonly peers = new Map<string, RemotePeer>()
  /** The last walk over rooms that met this node: see `Rooms`. */
  mark = 0

  constructor (readonly id: string) {}
}

/** What a node tells others of one of its peers. */
export interface PublicRecord {
  /** Counts the peer's changes: of two records the one with the higher version is newer. */
  readonly version: number
  /** Counts those of them that a fresh token made: who knows the peer by a room that it left must not learn of them. */
  readonly moves: number
  /** The peer object of presence. */
  readonly data: JsonObject
}

export function encodeRecord ({ version, moves, data }: PublicRecord): string {
  return JSON.stringify({ version, moves, data })
}

/** @returns undefined for what is no record of this peer */
export function decodeRecord (id: string, text: string): PublicRecord | undefined {
  let record: Json
  try {
    record = JSON.parse(text) as Json
  } catch {
    return undefined
  }
  // Its node has checked this of its own clients; whoever else can write to Redis has not.
  if (!isObject(record) || !isNestedWithin(record, MAX_DEPTH)) return undefined
  const { version, moves, data } = record
  if (typeof version !== 'number' || typeof moves !== 'number' || !isObject(data)) return undefined
  if (data['id'] !== id || typeof data['user'] !== 'string') return undefined
  return { version, moves, data }
}

/** A peer of another node. It is in those of its rooms in which this node has or awaits peers, the personal one too. */
export class RemotePeer {
  readonly user: string
  /** `user|id` */
  readonly address: string
  /** Its rooms, each with its place among the room's remote members. */
  readonly rooms = new Map<Room, number>()
  /** The last walk over rooms that met this peer: see `Rooms`. */
  mark = 0
  #record: PublicRecord
  #online: Frame | null = null

  constructor (readonly id: string, readonly node: RemoteNode, record: PublicRecord) {
    this.user = record.data['user'] as string
    this.address = `${this.user}|${id}`
    this.#record = record
  }

  get version (): number {
    return this.#record.version
  }

  get moves (): number {
    return this.#record.moves
  }

  /** @returns whether others see anything of what is new */
  update (record: PublicRecord): boolean {
    const { data } = this.#record
    this.#record = record
    if (isDeepStrictEqual(record.data, data)) return false
    this.#online = null
    return true
  }

  /** The presence frame that tells of this peer; encoded once between two publications. */
  get onlineFrame (): Frame {
    this.#online ??= encode(presenceOf(this.address, this.#record.data), true)
    return this.#online
  }

  offlineFrame (): Frame {
    return encode(presenceOf(this.address, { ...this.#record.data, online: false }))
  }
}

export function presenceOf (address: string, data: JsonObject): object {
  return { type: 'presence', from: address, data }
}
