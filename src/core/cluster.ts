import { nodeOf, type Backplane, type MemberRecord } from './backplane.js'
import type { Entry } from './envelope.js'
import type { Hub } from './hub.js'
import { Latecomers } from './latecomers.js'
import { Listener } from './listener.js'
import { Mail } from './mail.js'
import type { Peer } from './peer.js'
import type { RemoteNode } from './remote.js'
import { Replicas } from './replicas.js'
import { Resync } from './resync.js'
import type { Member, Room } from './rooms.js'

/** What others have been told of a peer, and is about to be so. */
interface Announced { readonly entering: readonly Room[], readonly leaving: readonly Room[] }

const NOTHING_ANNOUNCED: Announced = { entering: [], leaving: [] }

/**
 * Keeps what this node knows of the others, and they of it.
 *
 * For each room in which this node has members it holds a replica of the members elsewhere; so routing, snapshots and
 * presence need no question to anybody. Who enters a room that is new to its node writes itself into the directory,
 * then reads who is there, then greets their nodes with what it has read; a node that finds itself read wrongly answers
 * with what is right. From then on each tells the other of every change. So the owner of a peer is the only authority
 * on it, and a change that was missed is found by comparing digests.
 */
export class Cluster {
  /** Hears what others say. */
  readonly listener: Listener
  readonly #hub: Hub
  readonly #backplane: Backplane
  readonly #mail: Mail
  readonly #replicas: Replicas
  readonly #resync: Resync
  readonly #latecomers: Latecomers
  readonly #announced = new Map<Peer, Announced>()

  constructor (hub: Hub, backplane: Backplane) {
    const mail = new Mail(backplane, hub.stats)
    const replicas = new Replicas(hub.rooms, hub.presence, () => { this.listener.ignore('record') })
    const resync = new Resync(hub, backplane, mail, replicas)
    const latecomers = new Latecomers(hub)
    this.listener = new Listener(hub, { mail, replicas, resync, latecomers })
    this.#hub = hub
    this.#backplane = backplane
    this.#mail = mail
    this.#replicas = replicas
    this.#resync = resync
    this.#latecomers = latecomers
  }

  get node (): string {
    return this.#backplane.node
  }

  get alone (): boolean {
    return this.#backplane.alone
  }

  // What happens here ---------------------------------------------------------------------------------------------

  /**
   * Tells other nodes that a peer is about to enter rooms, and learns who is there.
   *
   * @returns resolves when all is known; undefined: it is already. Then `settle` is to be called.
   */
  announce (peer: Peer, rooms: readonly Room[]): Promise<void> | undefined {
    this.#announce(peer, rooms)
    this.#mail.tell(rooms, places => ({ kind: 'enter', places, member: { id: peer.id, record: peer.record } }))
    return this.#know(peer, rooms)
  }

  /**
   * Tells other nodes which rooms a peer is about to enter and to leave by a new grant, and what it is then: all in one
   * entry, so that nobody there learns of it who does not see it then. Else as `announce`.
   */
  move (peer: Peer, entering: readonly Room[], leaving: readonly Room[]): Promise<void> | undefined {
    const before = [...peer.rooms.keys()]
    const staying = before.filter(room => !leaving.includes(room))
    this.#announce(peer, entering, leaving)
    for (const room of staying) this.#backplane.enter(room.place, [peer])
    const places = [...staying, ...entering].map(({ place }) => place)
    this.#mail.tell([...before, ...entering], () => ({ kind: 'move', places, member: { id: peer.id, record: peer.record } }))
    return this.#know(peer, entering)
  }

  /** A peer of this node has been told of another that it did not see before. */
  seen (witness: Peer, member: Member): void {
    if (this.#latecomers.some) this.#latecomers.seen(witness, member)
  }

  /** The peer that was announced is in its rooms, or never will be. */
  settle (peer: Peer): void {
    const rooms = this.#unannounce(peer)
    this.#latecomers.makeUp(peer)
    const missed = rooms.filter(room => !peer.rooms.has(room))
    if (missed.length === 0) return
    for (const room of missed) this.#withdraw(peer, room)
    // If it has gone meanwhile, who was told of it since then by way of these rooms takes it for one of its user's too.
    const gone = !this.#hub.rooms.peers.has(peer.id)
    this.#mail.tell(missed, places => ({ kind: 'exit', places: gone ? null : places, id: peer.id }))
    for (const room of missed) this.#hub.rooms.release(room)
  }

  /** A peer is about to leave a room. */
  leaving (peer: Peer, room: Room): void {
    if (this.alone) return
    this.#withdraw(peer, room)
    this.#mail.tell([room], places => ({ kind: 'exit', places, id: peer.id }))
  }

  /** A peer is about to leave all its rooms. Those that it was about to enter it will not. */
  departing (peer: Peer): void {
    if (this.alone) return
    const missed = this.#unannounce(peer).filter(room => !peer.rooms.has(room))
    const rooms = [...peer.rooms.keys(), ...missed]
    for (const room of rooms) this.#withdraw(peer, room)
    this.#mail.tell(rooms, () => ({ kind: 'exit', places: null, id: peer.id }))
    for (const room of missed) this.#hub.rooms.release(room)
  }

  /** A peer has published what all may see. */
  published (peer: Peer): void {
    if (this.alone) return
    const { entering } = this.#announced.get(peer) ?? NOTHING_ANNOUNCED
    for (const room of [...peer.rooms.keys(), ...entering]) this.#backplane.enter(room.place, [peer])
  }

  /** Sends an entry to other nodes. Those that can't be reached don't get it. */
  send (nodes: readonly RemoteNode[], entry: Entry): void {
    this.#mail.send(nodes, entry)
  }

  /** Sends an entry to a node of which nothing may be known yet. */
  post (node: string, entry: Entry): void {
    this.send([this.#replicas.node(node)], entry)
  }

  /** Posts what waits. */
  flush (): void {
    this.#mail.flush()
  }

  // What is there -------------------------------------------------------------------------------------------------

  #announce (peer: Peer, entering: readonly Room[], leaving: readonly Room[] = []): void {
    this.#announced.set(peer, { entering, leaving })
    for (const room of leaving) {
      this.#withdraw(peer, room);
      (room.leaving ??= new Set()).add(peer)
    }
    for (const room of entering) {
      (room.pending ??= new Set()).add(peer)
      this.#backplane.enter(room.place, [peer])
    }
  }

  /** @returns the rooms that the peer was about to enter; they wait for it no longer */
  #unannounce (peer: Peer): readonly Room[] {
    const { entering, leaving } = this.#announced.get(peer) ?? NOTHING_ANNOUNCED
    this.#announced.delete(peer)
    for (const room of entering) room.pending = without(room.pending, peer)
    for (const room of leaving) room.leaving = without(room.leaving, peer)
    return entering
  }

  #withdraw (peer: Peer, room: Room): void {
    const last = isLast(peer, room)
    this.#backplane.leave(room.place, peer.id, last)
    if (!last) return
    // Others forget this node where it has nobody else. It must not go on as if they told it who comes and goes.
    room.loaded = false
    room.loading = null
  }

  /** Learns who is in rooms. @returns as `announce` */
  #know (peer: Peer, rooms: readonly Room[]): Promise<void> | undefined {
    const loads = rooms.map(room => this.#load(room)).filter(load => load !== undefined)
    if (loads.length === 0) return undefined
    this.#latecomers.expect(peer)
    return Promise.all(loads).then(() => {})
  }

  #load (room: Room): Promise<void> | undefined {
    if (room.loaded) return undefined
    if (room.loading !== null) return room.loading
    const found = this.#backplane.read(room.place)
    if (!(found instanceof Promise)) {
      this.#take(room, found)
      return undefined
    }
    const loading = found.then(members => {
      if (room.loading === loading) this.#take(room, members)
    }).catch((error: unknown) => {
      // As where nothing can be found out now: whoever waits comes in all the same.
      this.#hub.log.error({ err: error, place: room.place }, 'room not read')
    }).finally(() => {
      if (room.loading === loading) room.loading = null
    })
    room.loading = loading
    return loading
  }

  /** Takes up what was read of a room, and greets the nodes that have members there. */
  #take (room: Room, found: MemberRecord[] | undefined): void {
    // Undefined: this node is cut off. What it misses is found when the backplane is back.
    if (found === undefined || !room.wanted) return
    room.loaded = true
    const nodes = new Set(room.nodes?.keys())
    for (const member of found) {
      const node = this.#replicas.node(nodeOf(member.id))
      this.#replicas.apply(node, [room], member, true)
      nodes.add(node)
    }
    for (const node of nodes) this.#resync.greet(node, room)
  }
}

function without<T> (set: Set<T> | null, item: T): Set<T> | null {
  set?.delete(item)
  return set?.size === 0 ? null : set
}

/** Whether a room has no other peer of this node. */
function isLast (peer: Peer, room: Room): boolean {
  for (const other of room.own()) {
    if (other !== peer) return false
  }
  return true
}
