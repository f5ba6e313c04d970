import type { Outbox } from './outbox.js'
import type { Peer } from './peer.js'
import type { PublicRecord, RemotePeer } from './remote.js'
import type { Member, Room, Rooms } from './rooms.js'

/**
 * Keeps the invariant of presence: at rest, what a client has been told is exactly the peers that are visible to it.
 * Each change of membership goes through here, that of other nodes too; each client of this node is told of each peer
 * whose visibility changes, once.
 */
export class Presence {
  readonly #rooms: Rooms
  readonly #outbox: Outbox<Peer>
  readonly #onSeen: (witness: Peer, member: Member) => void

  /** @param onSeen is called when a client has been told of a peer that it sees from now on, by what that one did */
  constructor (rooms: Rooms, outbox: Outbox<Peer>, onSeen: (witness: Peer, member: Member) => void) {
    this.#rooms = rooms
    this.#outbox = outbox
    this.#onSeen = onSeen
  }

  /** A new peer enters with its rooms: it gets the snapshot, those whom it sees learn of it. */
  arrive (peer: Peer, rooms: Iterable<string>): void {
    this.#rooms.add(peer)
    for (const room of rooms) this.#rooms.join(peer, room)
    const others = this.#rooms.visibleTo(peer)
    this.#show(peer, others, this.#rooms.remotesVisibleTo(peer))
    for (const other of others) this.#outbox.push(other, peer.onlineFrame)
  }

  /** A peer goes: those who saw it learn of that. */
  depart (peer: Peer): void {
    const witnesses = this.#rooms.visibleTo(peer)
    this.#rooms.delete(peer)
    this.#tell(witnesses, peer)
  }

  /**
   * @param joined is called between the change and the presence that follows from it
   */
  join (peer: Peer, name: string, joined: () => void): void {
    const room = this.#rooms.obtain(false, name)
    const strangers = this.#strangers(room.members, peer)
    const remoteStrangers = this.#strangers(room.remotes, peer)
    this.#rooms.join(peer, name)
    joined()
    this.#show(peer, strangers, remoteStrangers)
    for (const other of strangers) this.#outbox.push(other, peer.onlineFrame)
  }

  /**
   * @param left is called between the change and the presence that follows from it
   */
  leave (peer: Peer, room: Room, left: () => void): void {
    const remotes = [...room.remotes ?? []]
    this.#rooms.leave(peer, room.name)
    left()
    const strangers = this.#strangers(room.members, peer)
    this.#tell(strangers, peer)
    for (const other of strangers) this.#outbox.push(peer, other.offlineFrame())
    for (const other of this.#strangers(remotes, peer)) this.#outbox.push(peer, other.offlineFrame())
  }

  /**
   * A peer joins rooms, leaves others and becomes what a new grant says, all at once.
   *
   * @param moved is called between the change and the presence that follows from it
   * @returns whether others see anything of the grant
   */
  move (peer: Peer, joins: readonly string[], leaves: readonly string[], moved: () => void): boolean {
    const seen = new Set<Member>([...this.#rooms.visibleTo(peer), ...this.#rooms.remotesVisibleTo(peer)])
    const changed = this.#move(peer, () => {
      for (const name of joins) this.#rooms.join(peer, name)
      for (const name of leaves) this.#rooms.leave(peer, name)
      const changed = peer.regrant()
      moved()
      return changed
    })
    const sees = new Set<Member>([...this.#rooms.visibleTo(peer), ...this.#rooms.remotesVisibleTo(peer)])
    this.#show(peer, [...sees].filter(other => !seen.has(other)))
    for (const other of seen) if (!sees.has(other)) this.#outbox.push(peer, other.offlineFrame())
    return changed
  }

  /** A peer of another node enters a room. */
  remoteEnter (remote: RemotePeer, room: Room): void {
    const strangers = this.#strangers(room.members, remote)
    room.addRemote(remote)
    for (const witness of strangers) {
      this.#outbox.push(witness, remote.onlineFrame)
      this.#onSeen(witness, remote)
    }
  }

  /** A peer of another node leaves a room. */
  remoteLeave (remote: RemotePeer, room: Room): void {
    if (!remote.rooms.has(room)) return
    room.deleteRemote(remote)
    this.#tell(this.#strangers(room.members, remote), remote)
    this.#rooms.forget(remote)
  }

  /** A peer of another node is something else, and in no other rooms than these, all at once. */
  remoteMove (remote: RemotePeer, rooms: readonly Room[], record: PublicRecord): void {
    this.#move(remote, () => {
      for (const room of rooms) if (!remote.rooms.has(room)) room.addRemote(remote)
      for (const room of [...remote.rooms.keys()]) if (!rooms.includes(room)) room.deleteRemote(remote)
      return remote.update(record)
    })
    this.#rooms.forget(remote)
  }

  /** A peer of another node goes. */
  remoteDepart (remote: RemotePeer): void {
    const witnesses = this.#rooms.visibleTo(remote)
    for (const room of [...remote.rooms.keys()]) {
      room.deleteRemote(remote)
      this.#rooms.release(room)
    }
    this.#rooms.forget(remote)
    this.#tell(witnesses, remote)
  }

  /** What others see of a peer has changed, and no message of its own tells of that here. */
  change (member: Member): void {
    for (const witness of this.#rooms.visibleTo(member)) this.#outbox.push(witness, member.onlineFrame)
  }

  /**
   * Tells those who saw a member, and those who see it now, what is new to them: neither learn what it was or is to the
   * others.
   *
   * @param change changes its rooms, and says whether it has changed itself
   */
  #move (member: Member, change: () => boolean): boolean {
    const saw = new Set(this.#rooms.visibleTo(member))
    const gone = member.offlineFrame()
    const changed = change()
    const see = new Set(this.#rooms.visibleTo(member))
    for (const witness of see) {
      if (changed || !saw.has(witness)) this.#outbox.push(witness, member.onlineFrame)
      if (!saw.has(witness)) this.#onSeen(witness, member)
    }
    for (const witness of saw) if (!see.has(witness)) this.#outbox.push(witness, gone)
    return changed
  }

  /** Tells a peer of those whom it sees from now on, by what it did itself. */
  #show (peer: Peer, others: readonly Member[], remotes: readonly Member[] = []): void {
    this.#outbox.pushSnapshot(peer, remotes.length === 0 ? others : [...others, ...remotes])
  }

  #tell (witnesses: readonly Peer[], gone: Member): void {
    if (witnesses.length === 0) return
    const frame = gone.offlineFrame()
    for (const witness of witnesses) this.#outbox.push(witness, frame)
  }

  /** Those of some members of a room who are not visible to a peer that stands outside it. */
  #strangers<T extends Member> (members: readonly T[] | null, peer: Member): T[] {
    return members === null ? [] : members.filter(member => !this.#rooms.visible(peer, member))
  }
}
