import type { Peer } from './peer.js'
import type { Recipients } from './protocol.js'
import type { Room, Rooms } from './rooms.js'
import type { Stats } from './stats.js'

/** Finds the recipients of a message: the one place where it is decided who may reach whom. */
export class Router {
  readonly #rooms: Rooms
  readonly #stats: Stats

  constructor (rooms: Rooms, stats: Stats) {
    this.#rooms = rooms
    this.#stats = stats
  }

  /**
   * The peers that a message of `sender` is for: each once, never the sender, all of them visible to it.
   */
  recipients (sender: Peer, to: Recipients): Peer[] {
    const met: Peer[] = []
    this.#rooms.startWalk(sender)
    if (to === null) {
      for (const room of sender.rooms.keys()) this.#rooms.walk(room, met)
    } else if (typeof to === 'string') {
      this.#named(sender, to, met)
    } else {
      for (const name of to) this.#room(sender, name, met)
    }
    if (met.length === 0) this.#stats.drop('no_recipient')
    return met
  }

  #named (sender: Peer, to: string, met: Peer[]): void {
    const bar = to.indexOf('|')
    if (bar >= 0) {
      const peer = this.#rooms.peers.get(to.slice(bar + 1))
      if (peer?.address === to && this.#rooms.visible(sender, peer)) this.#rooms.walkPeer(peer, met)
      return
    }
    // An id can't be guessed, a name can be chosen: whoever takes a peer's id for a name must not get its messages.
    const peer = this.#rooms.peers.get(to)
    if (peer !== undefined && this.#rooms.visible(sender, peer)) {
      this.#rooms.walkPeer(peer, met)
      return
    }
    const user = this.#rooms.personal(to)
    if (user !== undefined) this.#user(sender, user, met)
    const room = this.#rooms.ordinary(to)
    if (room !== undefined && sender.rooms.has(room)) this.#rooms.walk(room, met)
  }

  #user (sender: Peer, user: Room, met: Peer[]): void {
    for (const peer of user.members) {
      if (this.#rooms.visible(sender, peer)) this.#rooms.walkPeer(peer, met)
    }
  }

  #room (sender: Peer, name: string, met: Peer[]): void {
    const room = this.#rooms.ordinary(name)
    const member = room !== undefined && sender.rooms.has(room)
    if (member) this.#rooms.walk(room, met)
    if (name === sender.user) {
      this.#rooms.walk(this.#rooms.personal(name)!, met)
    } else if (!member) {
      this.#stats.drop('not_member')
    }
  }
}
