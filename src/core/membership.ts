import type { Hub } from './hub.js'
import type { JsonObject } from './json.js'
import type { Later } from './later.js'
import type { Peer } from './peer.js'

/** What a peer's grant has become: the ordinary rooms that follow from it, and the fields that it sets. */
export interface Move {
  readonly joins: readonly string[]
  readonly leaves: readonly string[]
  readonly fixed: JsonObject
}

/** Changes who is where: on this node with the presence that follows, and in what other nodes know. */
export class Membership {
  readonly #hub: Hub
  /** Peers that are about to enter rooms. */
  readonly #entering = new Map<Peer, Promise<void>>()

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
    const { rooms, cluster, presence, permissions, events } = this.#hub
    return this.#enter(peer, () => {
      const own = rooms.obtain(true, peer.user)
      return cluster.announce(peer, [own, ...Array.from(names, name => rooms.obtain(false, name))])
    }, () => {
      if (!admitted()) return false
      presence.arrive(peer, names)
      return true
    }, () => {
      events.tell('online', peer)
      // A listener may have sent it away.
      if (this.has(peer)) permissions.authorized(peer)
    })
  }

  /**
   * Has a peer join a room, unless it has gone. Who asks for it while the peer is entering another waits for that.
   *
   * @param joined is called between the change and the presence that follows from it, or where there is no change
   * @returns as `arrive` does
   */
  join (peer: Peer, name: string, joined: () => void): Later<void> {
    return this.settled(peer, () => this.#join(peer, name, joined))
  }

  #join (peer: Peer, name: string, joined: () => void): Promise<void> | undefined {
    const { rooms, cluster, presence, events } = this.#hub
    if (!this.has(peer)) return undefined
    if (rooms.isMember(peer, name)) {
      joined()
      return undefined
    }
    return this.#enter(peer, () => cluster.announce(peer, [rooms.obtain(false, name)]), () => {
      if (!this.has(peer)) return false
      presence.join(peer, name, joined)
      return true
    }, () => { events.tell('join', peer, name) })
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
    this.#hub.events.tell('leave', peer, name)
  }

  /**
   * Has a peer that is entering no room go on with a new grant, all at once: in the rooms of neither is it seen as what
   * the other makes it. What others have it do meanwhile waits.
   *
   * @param moved is called between the change and the presence that follows from it
   * @returns as `arrive` does
   */
  move (peer: Peer, { joins, leaves, fixed }: Move, moved: () => void): Promise<void> | undefined {
    const { rooms, cluster, presence, events } = this.#hub
    if (!peer.promise(fixed, joins.length > 0 || leaves.length > 0)) {
      peer.regrant()
      moved()
      return undefined
    }
    let changed = false
    return this.#enter(peer, () => {
      const entering = joins.map(name => rooms.obtain(false, name))
      return cluster.move(peer, entering, leaves.map(name => rooms.ordinary(name)!))
    }, () => {
      if (!this.has(peer)) return false
      changed = presence.move(peer, joins, leaves, moved)
      return true
    }, () => {
      if (changed) events.tell('presence', peer)
      // A listener may have sent it away, or elsewhere.
      for (const name of joins) if (rooms.isMember(peer, name)) events.tell('join', peer, name)
      for (const name of leaves) if (this.has(peer) && !rooms.isMember(peer, name)) events.tell('leave', peer, name)
    })
  }

  /** Has a peer leave all its rooms. */
  depart (peer: Peer): void {
    this.#hub.cluster.departing(peer)
    this.#hub.presence.depart(peer)
    this.#hub.events.tell('offline', peer)
  }

  /** Whether a peer is there. */
  has (peer: Peer): boolean {
    return this.#hub.rooms.peers.get(peer.id) === peer
  }

  /**
   * Does something while a peer is entering no room: at once, or as soon as it is in those that it is about to enter.
   * Nobody else gets in between, as they would if this resolved and something were done then.
   */
  settled<T> (peer: Peer, act: () => Later<T>): Later<T> {
    const entering = this.#entering.get(peer)
    if (entering === undefined) return act()
    const next = () => this.settled(peer, act)
    // Why others could not enter is theirs to know.
    return entering.then(next, next)
  }

  /**
   * @param announce tells other nodes, and finds out who is there
   * @param enter is called when it is known who is there; false: the peer has gone meanwhile
   * @param entered is called when all is as it should be, whatever is done then
   */
  #enter (
    peer: Peer, announce: () => Promise<void> | undefined, enter: () => boolean, entered: () => void
  ): Promise<void> | undefined {
    const { cluster } = this.#hub
    if (cluster.alone) {
      if (enter()) entered()
      return undefined
    }
    const proceed = () => {
      this.#entering.delete(peer)
      let is = false
      try {
        is = enter()
      } finally {
        cluster.settle(peer)
      }
      if (is) entered()
    }
    const known = announce()
    if (known === undefined) {
      proceed()
      return undefined
    }
    const entering = known.finally(proceed)
    this.#entering.set(peer, entering)
    return entering
  }
}
