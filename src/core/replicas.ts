import type { MemberRecord } from './backplane.js'
import { digestOf } from './digest.js'
import type { Presence } from './presence.js'
import { decodeRecord, RemoteNode, RemotePeer } from './remote.js'
import type { Room, Rooms } from './rooms.js'

/** What this node knows of the peers of others. All that it learns goes through `Presence`, so clients hear of it. */
export class Replicas {
  readonly #rooms: Rooms
  readonly #presence: Presence
  readonly #onMalformed: () => void
  readonly #nodes = new Map<string, RemoteNode>()

  /** @param onMalformed is called for a record that makes no sense */
  constructor (rooms: Rooms, presence: Presence, onMalformed: () => void) {
    this.#rooms = rooms
    this.#presence = presence
    this.#onMalformed = onMalformed
  }

  /** The nodes that this one has heard of. */
  get nodes (): Iterable<string> {
    return this.#nodes.keys()
  }

  find (id: string): RemoteNode | undefined {
    return this.#nodes.get(id)
  }

  node (id: string): RemoteNode {
    let node = this.#nodes.get(id)
    if (node === undefined) {
      node = new RemoteNode(id)
      this.#nodes.set(id, node)
    }
    return node
  }

  /** Digest of the members that a node has in a room, as far as is known. */
  digest (node: RemoteNode, room: Room): string {
    return digestOf(this.#membersOf(node, room))
  }

  /** Takes up what is said of a member of another node, in one room. */
  apply (node: RemoteNode, room: Room, member: MemberRecord): void {
    const remote = this.#update(node, member) ?? this.#meet(node, member)
    if (remote !== undefined && !remote.rooms.has(room)) this.#presence.remoteEnter(remote, room)
  }

  /**
   * Takes up who all the members of a node in a room are.
   *
   * @returns whether anything was not as the node says
   */
  replace (node: RemoteNode, room: Room, members: readonly MemberRecord[]): boolean {
    const before = this.digest(node, room)
    const ids = new Set(members.map(member => member.id))
    for (const member of members) this.apply(node, room, member)
    for (const remote of this.#membersOf(node, room)) {
      if (!ids.has(remote.id)) this.#presence.remoteLeave(remote, room)
    }
    return this.digest(node, room) !== before
  }

  /**
   * Takes up what a peer has published, of which its own message will tell.
   *
   * @returns undefined if it is unknown, or if more is known of it already
   */
  publish (node: RemoteNode, { id, record }: MemberRecord): RemotePeer | undefined {
    const remote = node.peers.get(id)
    const update = decodeRecord(id, record)
    if (update === undefined) this.#onMalformed()
    // The directory was faster, and told what the peer has published since: this would undo it.
    if (remote === undefined || update === undefined || update.version < remote.version) return undefined
    if (update.version > remote.version) remote.update(update)
    return remote
  }

  /** Forgets a node with all its peers. */
  delete (node: RemoteNode): void {
    this.#nodes.delete(node.id)
    for (const remote of [...node.peers.values()]) this.#presence.remoteDepart(remote)
  }

  #membersOf (node: RemoteNode, room: Room): RemotePeer[] {
    return room.remotes?.filter(remote => remote.node === node) ?? []
  }

  #meet (node: RemoteNode, { id, record }: MemberRecord): RemotePeer | undefined {
    const known = decodeRecord(id, record)
    if (known === undefined) {
      this.#onMalformed()
      return undefined
    }
    const remote = new RemotePeer(id, node, known)
    this.#rooms.meetRemote(remote)
    return remote
  }

  /** @returns the member, if it is known, with the newer of two records */
  #update (node: RemoteNode, { id, record }: MemberRecord): RemotePeer | undefined {
    const remote = node.peers.get(id)
    if (remote === undefined) return undefined
    const update = decodeRecord(id, record)
    if (update !== undefined && update.version > remote.version) {
      // What was changed and changed back in between, while it was out of sight, is no news.
      if (remote.update(update)) this.#presence.change(remote)
    }
    return remote
  }
}
