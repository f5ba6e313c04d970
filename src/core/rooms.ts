import type { Peer } from './peer.js'
import type { RemoteNode, RemotePeer } from './remote.js'

/** A peer of this node or of another. */
export type Member = Peer | RemotePeer

/** Peers that see each other: the members of an ordinary room, or all peers of one user. */
export class Room {
  /** Dense, so that a message to the room is a walk over an array. */
  readonly members: Peer[] = []
  /** The members on other nodes, as far as this node needs to know them; null: none. */
  remotes: RemotePeer[] | null = null
  /** Nodes with members here, and how many. */
  nodes: Map<RemoteNode, number> | null = null
  /** Peers of this node that other nodes have been told of, and that enter when all is known of their rooms. */
  pending: Set<Peer> | null = null
  /** Members that other nodes have been told the end of, and that leave when all is known of their new rooms. */
  leaving: Set<Peer> | null = null
  /** Whether `remotes` are all that there are. */
  loaded = false
  /** Resolves when that has been found out, while it is. */
  loading: Promise<void> | null = null

  constructor (readonly personal: boolean, readonly name: string) {}

  /** What it is called between nodes. */
  get place (): string {
    return placeOf(this.personal, this.name)
  }

  /** Whether other nodes have been told of members here: else they tell nothing of theirs. */
  get wanted (): boolean {
    return this.pending !== null || this.members.length > (this.leaving?.size ?? 0)
  }

  /** All peers of this node that other nodes have been told of. */
  * own (): Generator<Peer> {
    for (const peer of this.members) {
      if (this.leaving?.has(peer) !== true) yield peer
    }
    for (const peer of this.pending ?? []) {
      if (!peer.rooms.has(this)) yield peer
    }
  }

  add (peer: Peer): void {
    peer.rooms.set(this, this.members.push(peer) - 1)
  }

  delete (peer: Peer): void {
    take(this, this.members, peer)
  }

  addRemote (peer: RemotePeer): void {
    this.remotes ??= []
    peer.rooms.set(this, this.remotes.push(peer) - 1)
    this.nodes ??= new Map()
    this.nodes.set(peer.node, (this.nodes.get(peer.node) ?? 0) + 1)
  }

  deleteRemote (peer: RemotePeer): void {
    if (this.remotes === null || !take(this, this.remotes, peer)) return
    const left = this.nodes!.get(peer.node)! - 1
    if (left > 0) this.nodes!.set(peer.node, left)
    else this.nodes!.delete(peer.node)
    if (this.remotes.length === 0) {
      this.remotes = null
      this.nodes = null
    }
  }
}

export function placeOf (personal: boolean, name: string): string {
  return `${personal ? 'user' : 'room'}:${name}`
}

/** Takes a member out of a dense list: the last one gets its place. */
function take<T extends Member> (room: Room, list: T[], member: T): boolean {
  const place = member.rooms.get(room)
  if (place === undefined) return false
  const last = list.pop()!
  if (last !== member) {
    list[place] = last
    last.rooms.set(room, place)
  }
  member.rooms.delete(room)
  return true
}

/**
 * Who is where. Personal rooms (one for each user) and ordinary rooms are apart: a room that bears a user's name gives
 * nothing of that user.
 */
export class Rooms {
  readonly peers = new Map<string, Peer>()
  readonly remotes = new Map<string, RemotePeer>()
  readonly #remotesByUser = new Map<string, Set<RemotePeer>>()
  readonly #personal = new Map<string, Room>()
  readonly #ordinary = new Map<string, Room>()
  #walk = 0

  /** How many ordinary rooms have members on this node. */
  get size (): number {
    return this.#ordinary.size
  }

  /** How many users have peers on this node. */
  get users (): number {
    return count(this.#personal.values(), room => room.members.length > 0)
  }

  * [Symbol.iterator] (): Generator<Room> {
    yield * this.#personal.values()
    yield * this.#ordinary.values()
  }

  /** The room of a user's own peers. */
  personal (user: string): Room | undefined {
    return this.#personal.get(user)
  }

  ordinary (name: string): Room | undefined {
    return this.#ordinary.get(name)
  }

  /** The room that is called so between nodes, if others have been told of members that this node has in it. */
  at (place: string): Room | undefined {
    const colon = place.indexOf(':') + 1
    const index = { 'user:': this.#personal, 'room:': this.#ordinary }[place.slice(0, colon)]
    const room = index?.get(place.slice(colon))
    return room?.wanted === true ? room : undefined
  }

  obtain (personal: boolean, name: string): Room {
    const index = personal ? this.#personal : this.#ordinary
    let room = index.get(name)
    if (room === undefined) {
      room = new Room(personal, name)
      index.set(name, room)
    }
    return room
  }

  /** Takes up a new peer, in the room of its user. */
  add (peer: Peer): void {
    this.peers.set(peer.id, peer)
    this.obtain(true, peer.user).add(peer)
  }

  /** Takes a peer out of all rooms. */
  delete (peer: Peer): void {
    this.peers.delete(peer.id)
    for (const room of peer.rooms.keys()) {
      room.delete(peer)
      this.release(room)
    }
  }

  join (peer: Peer, name: string): void {
    this.obtain(false, name).add(peer)
  }

  leave (peer: Peer, name: string): void {
    const room = this.#ordinary.get(name)
    if (room === undefined) return
    room.delete(peer)
    this.release(room)
  }

  isMember (peer: Peer, name: string): boolean {
    const room = this.#ordinary.get(name)
    return room !== undefined && peer.rooms.has(room)
  }

  /** Of the same user, or in an ordinary room together. */
  visible (a: Member, b: Member): boolean {
    const [fewer, more] = a.rooms.size <= b.rooms.size ? [a, b] : [b, a]
    for (const room of fewer.rooms.keys()) {
      if (more.rooms.has(room)) return true
    }
    return false
  }

  /** All peers of this node that are visible to a member, each once. */
  visibleTo (member: Member): Peer[] {
    const peers: Peer[] = []
    this.startWalk(member)
    for (const room of member.rooms.keys()) this.walk(room, peers)
    return peers
  }

  /** All peers of other nodes that are visible to a member, each once. */
  remotesVisibleTo (member: Member): RemotePeer[] {
    const peers: RemotePeer[] = []
    this.startWalk(member)
    for (const room of member.rooms.keys()) this.walkRemotes(room, peers)
    return peers
  }

  /** Begins a walk over rooms in which each peer and node is met once, and this one not at all. */
  startWalk (except: { mark: number }): void {
    except.mark = ++this.#walk
  }

  /** Goes on with the walk: adds to `met` the members of a room on this node that have not been met. */
  walk (room: Room, met: Peer[]): void {
    const { members } = room
    for (let i = 0; i < members.length; i++) this.meet(members[i]!, met)
  }

  /** The same for members on other nodes. */
  walkRemotes (room: Room, met: RemotePeer[]): void {
    for (const remote of room.remotes ?? []) this.meet(remote, met)
  }

  /** The same for the nodes on which a room has members. */
  walkNodes (room: Room, met: RemoteNode[]): void {
    if (room.nodes === null) return
    for (const node of room.nodes.keys()) this.meet(node, met)
  }

  /** Goes on with the walk at one peer or node. */
  meet<T extends { mark: number }> (one: T, met: T[]): void {
    if (one.mark === this.#walk) return
    one.mark = this.#walk
    met.push(one)
  }

  /** Forgets a room in which this node has and awaits no members, and those elsewhere who were known for it alone. */
  release (room: Room): void {
    if (room.members.length > 0 || room.pending !== null) return
    room.loaded = false
    for (const remote of [...room.remotes ?? []]) {
      room.deleteRemote(remote)
      this.forget(remote)
    }
    const index = room.personal ? this.#personal : this.#ordinary
    if (index.get(room.name) === room) index.delete(room.name)
  }

  /** Takes note of a peer of another node. */
  meetRemote (remote: RemotePeer): void {
    remote.node.peers.set(remote.id, remote)
    this.remotes.set(remote.id, remote)
    const namesakes = this.#remotesByUser.get(remote.user)
    if (namesakes === undefined) this.#remotesByUser.set(remote.user, new Set([remote]))
    else namesakes.add(remote)
  }

  /**
   * The peers of a user on other nodes that are known, by whatever room. Its personal room has them only where this
   * node has peers of that user too.
   */
  remotesOf (user: string): Iterable<RemotePeer> {
    return this.#remotesByUser.get(user) ?? []
  }

  /** Forgets a peer of another node if it shares no room with this one. */
  forget (remote: RemotePeer): void {
    if (remote.rooms.size > 0) return
    remote.node.peers.delete(remote.id)
    this.remotes.delete(remote.id)
    const namesakes = this.#remotesByUser.get(remote.user)
    if (namesakes?.delete(remote) === true && namesakes.size === 0) this.#remotesByUser.delete(remote.user)
  }
}

function count<T> (items: Iterable<T>, matches: (item: T) => boolean): number {
  let count = 0
  for (const item of items) {
    if (matches(item)) count++
  }
  return count
}
