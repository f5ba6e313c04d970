import type { MemberRecord } from './backplane.js'
import { digestOf } from './digest.js'
import type { Presence } from './presence.js'
import { decodeRecord, RemoteNode, RemotePeer, type PublicRecord } from './remote.js'
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

  /**
   * Takes up what a node says of its member, and that it is in some rooms; after a move that is unknown, in no others.
   *
   * @param read whether the directory says so: it does not say where else the member is
   */
  apply (node: RemoteNode, rooms: readonly Room[], { id, record }: MemberRecord, read = false): void {
    const said = this.#decode(id, record)
    if (said === undefined) return
    const remote = node.peers.get(id) ?? this.#meet(id, node, said)
    if (said.moves > remote.moves && !read) return this.#presence.remoteMove(remote, rooms, said)
    // Either the directory or the node was faster. Where the member is, the node will say, or has said.
    if (said.moves !== remote.moves) return
    // What was changed and changed back in between, while it was out of sight, is no news.
    if (said.version > remote.version && remote.update(said)) this.#presence.change(remote)
    for (const room of rooms) if (!remote.rooms.has(room)) this.#presence.remoteEnter(remote, room)
  }

  /**
   * Takes up who all the members of a node in a room are.
   *
   * @param others ids of members of which all is known
   * @returns whether anything was not as the node says
   */
  replace (node: RemoteNode, room: Room, members: readonly MemberRecord[], others: readonly string[]): boolean {
    const before = this.digest(node, room)
    const ids = new Set([...members.map(member => member.id), ...others])
    for (const member of members) this.apply(node, [room], member)
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
    const update = this.#decode(id, record)
    if (remote === undefined || update?.moves !== remote.moves) return undefined
    // The directory was faster, and told what the peer has published since: this would undo it.
    if (update.version < remote.version) return undefined
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

  #meet (id: string, node: RemoteNode, record: PublicRecord): RemotePeer {
    const remote = new RemotePeer(id, node, record)
    this.#rooms.meetRemote(remote)
    return remote
  }

  #decode (id: string, text: string): PublicRecord | undefined {
    const record = decodeRecord(id, text)
    if (record === undefined) this.#onMalformed()
    return record
  }
}
