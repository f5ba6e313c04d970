import type { Peer } from './peer.js'

/** Peers that see each other: the members of an ordinary room, or all peers of one user. */
export class Room {
  /** Dense, so that a message to the room is a walk over an array. */
  readonly members: Peer[] = []

  constructor (readonly name: string) {}

  add (peer: Peer): void {
    peer.rooms.set(this, this.members.push(peer) - 1)
  }

  /** The last member takes the place of the one that goes. */
  delete (peer: Peer): void {
    const place = peer.rooms.get(this)
    if (place === undefined) return
    const last = this.members.pop()!
    if (last !== peer) {
      this.members[place] = last
      last.rooms.set(this, place)
    }
    peer.rooms.delete(this)
  }
}

/**
 * Who is where. Personal rooms (one for each user) and ordinary rooms are apart: a room that bears a user's name gives
 * nothing of that user.
 */
export class Rooms {
  readonly peers = new Map<string, Peer>()
  readonly #personal = new Map<string, Room>()
  readonly #ordinary = new Map<string, Room>()
  #walk = 0

  /** How many ordinary rooms have members. */
  get size (): number {
    return this.#ordinary.size
  }

  /** How many users have peers. */
  get users (): number {
    return this.#personal.size
  }

  /** The room of a user's own peers. */
  personal (user: string): Room | undefined {
    return this.#personal.get(user)
  }

  ordinary (name: string): Room | undefined {
    return this.#ordinary.get(name)
  }

  /** Takes up a new peer, in the room of its user. */
  add (peer: Peer): void {
    this.peers.set(peer.id, peer)
    obtain(this.#personal, peer.user).add(peer)
  }

  /** Takes a peer out of all rooms. */
  delete (peer: Peer): void {
    this.peers.delete(peer.id)
    for (const room of peer.rooms.keys()) {
      room.delete(peer)
      this.#dispose(room)
    }
  }

  join (peer: Peer, name: string): void {
    obtain(this.#ordinary, name).add(peer)
  }

  leave (peer: Peer, name: string): void {
    const room = this.#ordinary.get(name)
    if (room === undefined) return
    room.delete(peer)
    this.#dispose(room)
  }

  isMember (peer: Peer, name: string): boolean {
    const room = this.#ordinary.get(name)
    return room !== undefined && peer.rooms.has(room)
  }

  /** Of the same user, or in an ordinary room together. */
  visible (a: Peer, b: Peer): boolean {
    const [fewer, more] = a.rooms.size <= b.rooms.size ? [a, b] : [b, a]
    for (const room of fewer.rooms.keys()) {
      if (more.rooms.has(room)) return true
    }
    return false
  }

  /** All peers that are visible to one, each once. */
  visibleTo (peer: Peer): Peer[] {
    const peers: Peer[] = []
    this.startWalk(peer)
    for (const room of peer.rooms.keys()) this.walk(room, peers)
    return peers
  }

  /** Begins a walk over rooms in which each peer is met once, and this one not at all. */
  startWalk (except: Peer): void {
    except.mark = ++this.#walk
  }

  /** Goes on with the walk: adds to `met` the members of a room that have not been met. */
  walk (room: Room, met: Peer[]): void {
    const walk = this.#walk
    const { members } = room
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!
      if (member.mark !== walk) {
        member.mark = walk
        met.push(member)
      }
    }
  }

  /** Goes on with the walk at a single peer. */
  walkPeer (peer: Peer, met: Peer[]): void {
    if (peer.mark === this.#walk) return
    peer.mark = this.#walk
    met.push(peer)
  }

  #dispose (room: Room): void {
    if (room.members.length > 0) return
    const index = this.#ordinary.get(room.name) === room ? this.#ordinary : this.#personal
    index.delete(room.name)
  }
}

function obtain (index: Map<string, Room>, name: string): Room {
  let room = index.get(name)
  if (room === undefined) {
    room = new Room(name)
    index.set(name, room)
  }
  return room
}
