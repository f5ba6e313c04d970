import { nodeOf, type Backplane, type MemberRecord } from './backplane.js'
import { digestOf } from './digest.js'
import type { Entry } from './envelope.js'
import type { Hub } from './hub.js'
import { MAX_PACKET, type Mail } from './mail.js'
import type { RemoteNode } from './remote.js'
import type { Replicas } from './replicas.js'
import type { Room } from './rooms.js'

/** Rooms that are compared at once with what other nodes hold. */
const BATCH = 200

/** Finds, after a break, what this node and the others have missed of each other. */
export class Resync {
  readonly #hub: Hub
  readonly #backplane: Backplane
  readonly #mail: Mail
  readonly #replicas: Replicas
  #running: Promise<void> | null = null
  #again = false

  constructor (hub: Hub, backplane: Backplane, mail: Mail, replicas: Replicas) {
    this.#hub = hub
    this.#backplane = backplane
    this.#mail = mail
    this.#replicas = replicas
  }

  /** Compares all that this node knows and has told; once more, where that is under way. */
  begin (): void {
    if (this.#running !== null) {
      this.#again = true
      return
    }
    this.#running = this.#run().catch((error: unknown) => {
      this.#hub.log.error({ err: error }, 'resynchronisation failed')
    }).finally(() => {
      this.#running = null
      if (!this.#again) return
      this.#again = false
      this.begin()
    })
  }

  /** Compares with a node what is known of it. */
  checkAll (node: RemoteNode): void {
    const rooms = new Set<Room>()
    for (const peer of node.peers.values()) for (const room of peer.rooms.keys()) rooms.add(room)
    for (const room of rooms) {
      if (room.wanted) this.check(node, room)
    }
  }

  /** Compares with a node who of both is in a room. */
  check (node: RemoteNode, room: Room): void {
    const mine = digestOf(room.own())
    this.#mail.send([node], { kind: 'check', place: room.place, mine, yours: this.#replicas.digest(node, room) })
  }

  /** Tells a node who of this one is in a room, and what this one believes of it. */
  greet (node: RemoteNode, room: Room): void {
    const yours = this.#replicas.digest(node, room)
    for (const entry of listing(room.place, recordsOf(room), { yours })) this.#mail.send([node], entry)
  }

  /** Writes all members of this node into the directory anew, and compares all its rooms with other nodes. */
  async #run (): Promise<void> {
    const rooms = [...this.#hub.rooms].filter(room => room.wanted)
    this.#hub.stats.cluster.resyncs++
    this.#hub.log.info({ rooms: rooms.length }, 'resynchronising')
    for (let i = 0; i < rooms.length; i += BATCH) {
      await Promise.all(rooms.slice(i, i + BATCH).map(async room => await this.#compare(room)))
    }
  }

  async #compare (room: Room): Promise<void> {
    this.#backplane.enter(room.place, [...room.own()])
    const found = await this.#backplane.read(room.place)
    if (found === undefined || !room.wanted) return
    room.loaded = true
    // What was found says only whom to ask: who has left while the directory was away may still stand there.
    const nodes = new Set(room.nodes?.keys())
    for (const { id } of found) nodes.add(this.#replicas.node(nodeOf(id)))
    for (const node of nodes) this.check(node, room)
  }
}

/** What other nodes are told of the members that a room has here. */
export function recordsOf (room: Room): MemberRecord[] {
  return Array.from(room.own(), ({ id, record }) => ({ id, record }))
}

/** All members that a place has here, as another node is told of them: in pieces, where they are too many for one. */
export function listing (
  place: string, all: readonly MemberRecord[], more: { readonly yours?: string, readonly answer?: boolean }
): Entry[] {
  const pieces: Entry[] = []
  const others: string[] = []
  let members: MemberRecord[] = []
  let size = 0
  for (const member of all) {
    size += member.record.length
    if (size > MAX_PACKET && members.length > 0) {
      pieces.push({ kind: 'some', place, members })
      others.push(...members.map(({ id }) => id))
      members = []
      size = member.record.length
    }
    members.push(member)
  }
  return [...pieces, { kind: 'list', place, members, ...(others.length > 0 && { others }), ...more }]
}
