import type { Hub } from './hub.js'
import type { Peer } from './peer.js'
import type { Room } from './rooms.js'

/** Changes who is where: on this node with the presence that follows, and in what other nodes know. */
export class Membership {
  readonly #hub: Hub

  constructor (hub: Hub) {
    this.#hub = hub
  }

  /**
   * Has a new peer enter its rooms, when it is known who is there.
   *
   * @param admitted is called before it gets any presence; false: the peer has gone meanwhile
   * @returns resolves when it has entered; undefined: it has already
   */
  arrive (peer: Peer, names: ReadonlySet<string>, admitted: () => boolean): Promise<void> | undefined {
    const { rooms, presence } = this.#hub
    const places = () => [rooms.obtain(true, peer.user), ...Array.from(names, name => rooms.obtain(false, name))]
    return this.#enter(peer, places, () => {
      if (admitted()) presence.arrive(peer, names)
    })
  }

  /**
   * Has a peer join a room.
   *
   * @param joined is called between the change and the presence that follows from it
   * @returns as `arrive` does
   */
  join (peer: Peer, name: string, joined: () => void): Promise<void> | undefined {
    const { rooms, presence } = this.#hub
    return this.#enter(peer, () => [rooms.obtain(false, name)], () => {
      if (rooms.peers.get(peer.id) === peer) presence.join(peer, name, joined)
    })
  }

  /**
   * Has a peer leave a room that it is in.
   *
   * @param left is called between the change and the presence that follows from it
   */
  leave (peer: Peer, name: string, left: () => void): void {
    const room = this.#hub.rooms.ordinary(name)!
    // Other nodes are told first: with its last member here the room forgets them.
    this.#hub.cluster.leaving(peer, room)
    this.#hub.presence.leave(peer, room, left)
  }

  /** Has a peer leave all its rooms. */
  depart (peer: Peer): void {
    this.#hub.cluster.departing(peer)
    this.#hub.presence.depart(peer)
  }

  #enter (peer: Peer, places: () => readonly Room[], enter: () => void): Promise<void> | undefined {
    const { cluster } = this.#hub
    if (cluster.alone) {
      enter()
      return undefined
    }
    const rooms = places()
    const proceed = () => {
      try {
        enter()
      } finally {
        cluster.settle(peer, rooms)
      }
    }
    const known = cluster.announce(peer, rooms)
    if (known !== undefined) return known.finally(proceed)
    proceed()
    return undefined
  }
}
