import { nodeOf, type MemberRecord } from './backplane.js'
import {
  cursorArgument, encodeCursor, limitArgument, roomArgument, userArgument, type PageOptions, type Position
} from './arguments.js'
import type { Census, NodeRecord } from './census.js'
import { SympleError } from './errors.js'
import type { Hub } from './hub.js'
import { infoOf, type PeerInfo } from './peer-info.js'
import { decodeRecord } from './remote.js'
import { placeOf } from './rooms.js'

/** A node of the cluster. */
export interface NodeInfo extends NodeRecord {
  /** Whether it is the one that was asked. */
  readonly self: boolean
}

/** Which peers are asked for; with both, those for whom both hold. */
export interface PeersOptions extends PageOptions {
  /** Members of this ordinary room. */
  room?: string | undefined
  /** Peers of this user. */
  user?: string | undefined
}

/** Some peers of all nodes. */
export interface PeersPage {
  /** At most as many as the `limit` that was asked for. */
  readonly peers: PeerInfo[]
  /** Where the next page begins; null: this is the last. */
  readonly cursor: string | null
}

/** An ordinary room. */
export interface RoomInfo {
  /** What stands in `to`. */
  readonly name: string
  /** How many peers are in it, on all nodes. */
  readonly members: number
}

/** Some ordinary rooms of all nodes. */
export interface RoomsPage {
  /** At most as many as the `limit` that was asked for. */
  readonly rooms: RoomInfo[]
  /** Where the next page begins; null: this is the last. */
  readonly cursor: string | null
}

/** Some peers in their order, and whether there are more behind them. */
interface Found { readonly members: MemberRecord[], readonly next: Position | null }

/** Answers, for all nodes, what there is: by the directory, so no node has to be up to answer. */
export class Queries {
  readonly #hub: Hub

  constructor (hub: Hub) {
    this.#hub = hub
  }

  async nodes (): Promise<NodeInfo[]> {
    const nodes = await this.#consult(async census => await census.nodes())
    const own = this.#hub.backplane.node
    return nodes.map(node => ({ ...node, self: node.id === own })).sort((a, b) => order(a.id, b.id))
  }

  /** The ids of the nodes that live, in order. */
  async alive (): Promise<string[]> {
    return (await this.nodes()).filter(({ alive }) => alive).map(({ id }) => id)
  }

  async peers ({ room, user, cursor, limit }: PeersOptions = {}): Promise<PeersPage> {
    const { limits } = this.#hub
    const size = limitArgument(limit)
    const places = [
      ...user === undefined ? [] : [placeOf(true, userArgument(user, limits))],
      ...room === undefined ? [] : [placeOf(false, roomArgument(room, limits))]
    ]
    const position = cursorArgument(cursor, places.length > 0 ? 1 : 3)
    const alive = await this.alive()
    const { members, next } = await this.#consult(async census => places.length > 0
      ? await membersOf(census, places, new Set(alive), position, size)
      : await everybody(census, alive, position, size))
    return { peers: members.flatMap(toInfo), cursor: next === null ? null : encodeCursor(next) }
  }

  async rooms ({ cursor, limit }: PageOptions = {}): Promise<RoomsPage> {
    const size = limitArgument(limit)
    const [behind] = cursorArgument(cursor, 1) ?? []
    const nodes = await this.nodes()
    const alive = new Set(nodes.filter(({ alive }) => alive).map(({ id }) => id))
    return await this.#consult(async census => {
      const places = await Promise.all(Array.from(alive, async node => await census.places(node)))
      const names = new Set(namesIn(places.flat(), ROOM))
      const sorted = [...names].filter(name => behind === undefined || name > behind).sort(order)
      const page = sorted.slice(0, size)
      const counts = await countsOf(census, page, alive.size === nodes.length ? null : alive)
      return {
        // Who has left since the names were read leaves none behind.
        rooms: page.map((name, i) => ({ name, members: counts[i]! })).filter(({ members }) => members > 0),
        cursor: sorted.length > size ? encodeCursor([page.at(-1)!]) : null
      }
    })
  }

  /**
   * The ordinary rooms with most members, of those that this node has members in: of these it knows all members, on
   * whichever node, so nothing else is asked.
   */
  largestRooms (limit?: number): RoomInfo[] {
    const size = limitArgument(limit)
    const largest: RoomInfo[] = []
    for (const { personal, name, members, remotes } of this.#hub.rooms) {
      const count = members.length + (remotes?.length ?? 0)
      if (personal || members.length === 0 || (largest.length === size && count <= largest.at(-1)!.members)) continue
      const place = largest.findLastIndex(other => other.members >= count) + 1
      largest.splice(place, 0, { name, members: count })
      if (largest.length > size) largest.pop()
    }
    return largest
  }

  async #consult<T> (ask: (census: Census) => Promise<T>): Promise<T> {
    const { backplane } = this.#hub
    if (!backplane.connected) throw unreachable()
    try {
      return await ask(backplane.census)
    } catch (cause) {
      throw unreachable(cause)
    }
  }
}

const ROOM = placeOf(false, '')
const USER = placeOf(true, '')

/** What is said where it can't be found out what other nodes have, or they can't be told something. */
export function unreachable (cause?: unknown): SympleError {
  return new SympleError(503, 'Other nodes can not be reached', { cause })
}

/** Members of all of one or two places, by id. */
async function membersOf (
  census: Census, places: readonly string[], alive: ReadonlySet<string>, position: Position | null, size: number
): Promise<Found> {
  const [ids = [], others] = await Promise.all(places.map(async place => await census.ids(place)))
  const wanted = others === undefined ? null : new Set(others)
  const [behind = ''] = position ?? []
  const sorted = ids.filter(id => id > behind && alive.has(nodeOf(id)) && (wanted?.has(id) ?? true)).sort(order)
  const page = sorted.slice(0, size)
  return { members: await census.records(places[0]!, page), next: sorted.length > size ? [page.at(-1)!] : null }
}

interface Place { readonly position: Position, readonly member: MemberRecord }

/** All peers, each found in the place of its user: by node, user and id. */
async function everybody (
  census: Census, nodes: readonly string[], position: Position | null, size: number
): Promise<Found> {
  const [fromNode = '', fromUser = '', behind = ''] = position ?? []
  const found: Place[] = []
  for (const node of nodes.filter(node => node >= fromNode)) {
    const first = node === fromNode ? fromUser : ''
    const users = namesIn(await census.places(node), USER).filter(user => user >= first).sort(order)
    for (let i = 0; i < users.length; i += size) {
      const some = users.slice(i, i + size)
      const peers = await Promise.all(some.map(async user =>
        await peersOf(census, node, user, node === fromNode && user === fromUser ? behind : '', size + 1)))
      found.push(...peers.flat())
      if (found.length > size) {
        const page = found.slice(0, size)
        return { members: page.map(({ member }) => member), next: page.at(-1)!.position }
      }
    }
  }
  return { members: found.map(({ member }) => member), next: null }
}

/** Some peers of a user on a node. @param behind the id behind which they begin */
async function peersOf (census: Census, node: string, user: string, behind: string, count: number): Promise<Place[]> {
  const place = USER + user
  const ids = (await census.ids(place)).filter(id => nodeOf(id) === node && id > behind).sort(order).slice(0, count)
  const members = ids.length === 0 ? [] : await census.records(place, ids)
  return members.map(member => ({ position: [node, user, member.id], member }))
}

/** How many members some rooms have. @param alive the nodes that count, where some don't */
async function countsOf (
  census: Census, names: readonly string[], alive: ReadonlySet<string> | null
): Promise<number[]> {
  const places = names.map(name => placeOf(false, name))
  if (alive === null) return await census.counts(places)
  const ids = await Promise.all(places.map(async place => await census.ids(place)))
  return ids.map(ids => ids.filter(id => alive.has(nodeOf(id))).length)
}

/** The names of the places of one kind. */
function namesIn (places: readonly string[], kind: string): string[] {
  return places.filter(place => place.startsWith(kind)).map(place => place.slice(kind.length))
}

function toInfo ({ id, record }: MemberRecord): PeerInfo[] {
  const known = decodeRecord(id, record)
  return known === undefined ? [] : [infoOf(known.data)]
}

function order (a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
