import { isPeerId } from './backplane.js'
import type { Recipients } from './protocol.js'
import type { Peer } from './peer.js'
import type { RemoteNode, RemotePeer } from './remote.js'
import type { Member, Room, Rooms } from './rooms.js'

/** Where a message goes. */
export interface Route {
  /** Recipients on this node. */
  readonly peers: Peer[]
  /** Nodes that have others. */
  readonly nodes: RemoteNode[]
  /** Those others, where they were asked for. */
  readonly remotes: RemotePeer[] | null
  /** How many rooms were named that the sender is not in. */
  strange: number
}

/**
 * Finds the recipients of a message: the one place where it is decided who may reach whom. Each node decides for its
 * own peers; of others it finds the nodes that are to be asked.
 */
export class Router {
  readonly #rooms: Rooms

  constructor (rooms: Rooms) {
    this.#rooms = rooms
  }

  /**
   * The peers that a message is for: each once, never the sender, all of them visible to it.
   *
   * @param remotes gets the recipients on other nodes, as far as this one knows
   */
  route (sender: Member, to: Recipients, remotes: RemotePeer[] | null = null): Route {
    const route: Route = { peers: [], nodes: [], remotes, strange: 0 }
    this.#rooms.startWalk(sender)
    if (to === null) {
      for (const room of sender.rooms.keys()) this.#walk(room, route)
    } else if (typeof to === 'string') {
      this.#named(sender, to, route)
    } else {
      for (const name of to) this.#room(sender, name, route)
    }
    return route
  }

  /**
   * The peers of this node for which a message of another node's peer is by the rooms that they are about to enter, and
   * by no other. To be asked right after `route`, whose walk it goes on with.
   */
  awaited (sender: RemotePeer, to: Recipients): Peer[] {
    const peers: Peer[] = []
    for (const room of sender.rooms.keys()) {
      for (const peer of room.pending ?? []) {
        if (isFor(peer, room, to)) this.#rooms.meet(peer, peers)
      }
    }
    return peers
  }

  /** All peers of this node. */
  everybody (): Peer[] {
    return [...this.#rooms.peers.values()]
  }

  /** The peers of this node that a backend means, which may reach everybody: by address, id, user or room. */
  addressed (names: readonly string[]): Peer[] {
    const peers: Peer[] = []
    this.#rooms.startWalk(NOBODY)
    for (const name of names) {
      const peer = this.#rooms.peers.get(idIn(name))
      if (peer !== undefined && (peer.id === name || peer.address === name)) {
        this.#rooms.meet(peer, peers)
        continue
      }
      if (isPeerId(name)) continue
      for (const room of [this.#rooms.personal(name), this.#rooms.ordinary(name)]) {
        if (room !== undefined) this.#rooms.walk(room, peers)
      }
    }
    return peers
  }

  #walk (room: Room, { peers, nodes, remotes }: Route): void {
    this.#rooms.walk(room, peers)
    this.#rooms.walkNodes(room, nodes)
    if (remotes !== null) this.#rooms.walkRemotes(room, remotes)
  }

  #named (sender: Member, to: string, route: Route): void {
    const id = idIn(to)
    const member = this.#rooms.peers.get(id) ?? this.#rooms.remotes.get(id)
    if (member !== undefined && (to === id || to === member.address) && this.#rooms.visible(sender, member)) {
      return this.#meet(member, route)
    }
    // Whoever takes a peer's id for a name must not get its messages, not even when it has gone.
    if (to !== id || isPeerId(to)) return
    this.#user(sender, to, route)
    const room = this.#rooms.ordinary(to)
    if (room !== undefined && sender.rooms.has(room)) this.#walk(room, route)
  }

  #user (sender: Member, user: string, route: Route): void {
    for (const peer of this.#rooms.personal(user)?.members ?? []) {
      if (this.#rooms.visible(sender, peer)) this.#meet(peer, route)
    }
    for (const peer of this.#rooms.remotesOf(user)) {
      if (this.#rooms.visible(sender, peer)) this.#meet(peer, route)
    }
  }

  #meet (member: Member, { peers, nodes, remotes }: Route): void {
    if (!('node' in member)) return this.#rooms.meet(member, peers)
    this.#rooms.meet(member.node, nodes)
    if (remotes !== null) this.#rooms.meet(member, remotes)
  }

  #room (sender: Member, name: string, route: Route): void {
    const room = this.#rooms.ordinary(name)
    const member = room !== undefined && sender.rooms.has(room)
    if (member) this.#walk(room, route)
    if (name === sender.user) {
      // Without one, this node has no peers of a sender that is on another.
      const user = this.#rooms.personal(name)
      if (user !== undefined) this.#walk(user, route)
    } else if (!member) {
      route.strange++
    }
  }
}

/** Whether a message to a room, or in it to one of its members, is for one of them: as `route` has it. */
function isFor ({ id, address, user }: Peer, { name }: Room, to: Recipients): boolean {
  if (to === null) return true
  if (typeof to !== 'string') return to.includes(name)
  if (to === id || to === address) return true
  return !isPeerId(to) && (to === user || to === name)
}

/** Who sends without being a peer. */
const NOBODY = { mark: 0 }

/** The id in `user|id`, or the whole. */
export function idIn (to: string): string {
  const bar = to.indexOf('|')
  return bar < 0 ? to : to.slice(bar + 1)
}
