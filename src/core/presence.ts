import type { Outbox } from './outbox.js'
import type { Peer } from './peer.js'
import type { Rooms } from './rooms.js'

/**
 * Keeps the invariant of presence: at rest, what a client has been told is exactly the peers that are visible to it.
 * Each change of membership goes through here; it tells both sides of each pair whose visibility changes, once.
 */
export class Presence {
  readonly #rooms: Rooms
  readonly #outbox: Outbox<Peer>

  constructor (rooms: Rooms, outbox: Outbox<Peer>) {
    this.#rooms = rooms
    this.#outbox = outbox
  }

  /** A new peer enters with its rooms: it gets the snapshot, those whom it sees learn of it. */
  arrive (peer: Peer, rooms: Iterable<string>): void {
    this.#rooms.add(peer)
    for (const room of rooms) this.#rooms.join(peer, room)
    for (const other of this.#rooms.visibleTo(peer)) this.#introduce(peer, other)
  }

  /** A peer goes: those who saw it learn of that. */
  depart (peer: Peer): void {
    const witnesses = this.#rooms.visibleTo(peer)
    this.#rooms.delete(peer)
    if (witnesses.length === 0) return
    const frame = peer.offlineFrame()
    for (const witness of witnesses) this.#outbox.push(witness, frame)
  }

  /**
   * @param joined is called between the change and the presence that follows from it
   */
  join (peer: Peer, room: string, joined: () => void): void {
    const strangers = this.#strangersIn(room, peer)
    this.#rooms.join(peer, room)
    joined()
    for (const other of strangers) this.#introduce(peer, other)
  }

  /**
   * @param left is called between the change and the presence that follows from it
   */
  leave (peer: Peer, room: string, left: () => void): void {
    this.#rooms.leave(peer, room)
    left()
    const strangers = this.#strangersIn(room, peer)
    if (strangers.length === 0) return
    const frame = peer.offlineFrame()
    for (const other of strangers) {
      this.#outbox.push(other, frame)
      this.#outbox.push(peer, other.offlineFrame())
    }
  }

  #introduce (a: Peer, b: Peer): void {
    this.#outbox.push(a, b.onlineFrame)
    this.#outbox.push(b, a.onlineFrame)
  }

  /** The members of a room that are not visible to a peer which stands outside it. */
  #strangersIn (name: string, peer: Peer): Peer[] {
    const room = this.#rooms.ordinary(name)
    if (room === undefined) return []
    return room.members.filter(member => !this.#rooms.visible(peer, member))
  }
}
