import { nodeOf, type Backplane, type BackplaneListener, type MemberRecord } from './backplane.js'
import { digestOf } from './digest.js'
import { decodePacket, type Entry } from './envelope.js'
import { frameOf } from './frame.js'
import type { Hub } from './hub.js'
import { Latecomers } from './latecomers.js'
import { Mail } from './mail.js'
import type { Peer } from './peer.js'
import type { RemoteNode } from './remote.js'
import { Replicas } from './replicas.js'
import { Resync } from './resync.js'
import type { Room } from './rooms.js'

/**
 * Keeps what this node knows of the others, and they of it.
 *
 * For each room in which this node has members it holds a replica of the members elsewhere; so routing, snapshots and
 * presence need no question to anybody. Who enters a room that is new to its node writes itself into the directory,
 * then reads who is there, then greets their nodes with what it has read; a node that finds itself read wrongly answers
 * with what is right. From then on each tells the other of every change. So the owner of a peer is the only authority
 * on it, and a change that was missed is found by comparing digests.
 */
export class Cluster implements BackplaneListener {
  readonly #hub: Hub
  readonly #backplane: Backplane
  readonly #mail: Mail
  readonly #replicas: Replicas
  readonly #resync: Resync
  readonly #latecomers: Latecomers

  constructor (hub: Hub, backplane: Backplane) {
    this.#hub = hub
    this.#backplane = backplane
    this.#mail = new Mail(backplane, hub.stats)
    this.#replicas = new Replicas(hub.rooms, hub.presence, () => { this.#ignore('record') })
    this.#resync = new Resync(hub, backplane, this.#mail, this.#replicas)
    this.#latecomers = new Latecomers(hub)
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
    const loads: Array<Promise<void>> = []
    for (const room of rooms) {
      (room.pending ??= new Set()).add(peer)
      this.#backplane.enter(room.place, [peer])
    }
    this.#mail.tell(rooms, places => ({ kind: 'enter', places, member: { id: peer.id, record: peer.record } }))
    for (const room of rooms) {
      const load = this.#load(room)
      if (load !== undefined) loads.push(load)
    }
    if (loads.length === 0) return undefined
    this.#latecomers.expect(peer)
    return Promise.all(loads).then(() => {})
  }

  /** The peer that was announced has entered its rooms, or never will. */
  settle (peer: Peer, rooms: readonly Room[]): void {
    for (const room of rooms) {
      room.pending?.delete(peer)
      if (room.pending?.size === 0) room.pending = null
    }
    this.#latecomers.makeUp(peer)
    const missed = rooms.filter(room => !peer.rooms.has(room))
    if (missed.length === 0) return
    for (const room of missed) this.#backplane.leave(room.place, peer.id, isLast(peer, room))
    // If it has gone meanwhile, who was told of it since then by way of these rooms takes it for one of its user's too.
    const gone = !this.#hub.rooms.peers.has(peer.id)
    this.#mail.tell(missed, places => ({ kind: 'exit', places: gone ? null : places, id: peer.id }))
    for (const room of missed) this.#hub.rooms.release(room)
  }

  /** A peer is about to leave a room. */
  leaving (peer: Peer, room: Room): void {
    if (this.alone) return
    this.#backplane.leave(room.place, peer.id, isLast(peer, room))
    this.#mail.tell([room], places => ({ kind: 'exit', places, id: peer.id }))
  }

  /** A peer is about to leave all its rooms. */
  departing (peer: Peer): void {
    if (this.alone) return
    const rooms = [...peer.rooms.keys()]
    for (const room of rooms) this.#backplane.leave(room.place, peer.id, isLast(peer, room))
    this.#mail.tell(rooms, () => ({ kind: 'exit', places: null, id: peer.id }))
  }

  /** A peer has published what all may see. */
  published (peer: Peer): void {
    if (this.alone) return
    for (const room of peer.rooms.keys()) this.#backplane.enter(room.place, [peer])
  }

  /** What others see of a peer has changed, and no message of its own tells of it. */
  changed (peer: Peer): void {
    this.published(peer)
    const member = { id: peer.id, record: peer.record }
    this.#mail.tell([...peer.rooms.keys()], places => ({ kind: 'enter', places, member }))
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

  #load (room: Room): Promise<void> | undefined {
    if (room.loaded) return undefined
    if (room.loading !== null) return room.loading
    const found = this.#backplane.read(room.place)
    if (!(found instanceof Promise)) {
      this.#take(room, found)
      return undefined
    }
    room.loading = found.then(members => {
      room.loading = null
      this.#take(room, members)
    })
    return room.loading
  }

  /** Takes up what was read of a room, and greets the nodes that have members there. */
  #take (room: Room, found: MemberRecord[] | undefined): void {
    // Undefined: this node is cut off. What it misses is found when the backplane is back.
    if (found === undefined || !room.wanted) return
    room.loaded = true
    for (const member of found) this.#replicas.apply(this.#replicas.node(nodeOf(member.id)), room, member)
    for (const node of room.nodes?.keys() ?? []) this.#greet(node, room)
  }

  /** Tells a node who of this one is in a room, and what this one believes of it. */
  #greet (node: RemoteNode, room: Room): void {
    this.send([node], { kind: 'list', place: room.place, members: this.#own(room), yours: this.#replicas.digest(node, room) })
  }

  members (place: string): MemberRecord[] {
    const room = this.#hub.rooms.at(place)
    return room === undefined ? [] : this.#own(room)
  }

  * places (): Generator<string> {
    for (const room of this.#hub.rooms) {
      if (room.wanted) yield room.place
    }
  }

  * nodes (): Generator<string> {
    yield * this.#replicas.nodes
  }

  #own (room: Room): MemberRecord[] {
    return Array.from(room.own(), ({ id, record }) => ({ id, record }))
  }

  // What others say -----------------------------------------------------------------------------------------------

  received (from: string, packet: Buffer): void {
    const entries = decodePacket(packet)
    if (entries === undefined) return this.#ignore('packet', from)
    this.#hub.stats.cluster.received += entries.length
    const node = this.#replicas.node(from)
    for (const entry of entries) this.#handle(node, entry)
  }

  #handle (node: RemoteNode, entry: Entry): void {
    switch (entry.kind) {
      case 'enter': return this.#onEnter(node, entry)
      case 'exit': return this.#onExit(node, entry)
      case 'list': return this.#onList(node, entry)
      case 'check': return this.#onCheck(node, entry)
      case 'ask': return this.#correct(node, entry.place)
      case 'route': return this.#onRoute(node, entry)
      case 'publish': return this.#onPublish(node, entry)
      case 'request': return this.#hub.control.asked(node.id, entry)
      case 'reply': return this.#hub.control.answered(node.id, entry)
    }
  }

  #onEnter (node: RemoteNode, { places, member }: Extract<Entry, { kind: 'enter' }>): void {
    for (const place of places) {
      const room = this.#hub.rooms.at(place)
      if (room !== undefined) this.#replicas.apply(node, room, member)
    }
  }

  #onExit (node: RemoteNode, { places, id }: Extract<Entry, { kind: 'exit' }>): void {
    const { rooms, presence } = this.#hub
    const remote = node.peers.get(id)
    if (remote === undefined) return
    if (places === null) return presence.remoteDepart(remote)
    for (const place of places) {
      const room = rooms.at(place)
      if (room !== undefined) presence.remoteLeave(remote, room)
    }
  }

  #onList (node: RemoteNode, { place, members, yours, answer = false }: Extract<Entry, { kind: 'list' }>): void {
    const room = this.#hub.rooms.at(place)
    const changed = room !== undefined && this.#replicas.replace(node, room, members)
    const wrong = yours !== undefined && yours !== digestOf(room?.own() ?? [])
    if (wrong) this.#correct(node, place, answer)
    // The directory may have told what came after this list: where the two differed, the node is asked once more.
    if (changed && (answer || !wrong)) this.#resync.check(node, room)
  }

  #onCheck (node: RemoteNode, { place, mine, yours }: Extract<Entry, { kind: 'check' }>): void {
    const room = this.#hub.rooms.at(place)
    if (yours !== digestOf(room?.own() ?? [])) this.#correct(node, place)
    if (room !== undefined && mine !== this.#replicas.digest(node, room)) this.send([node], { kind: 'ask', place })
  }

  /**
   * Tells a node that is wrong about it who of this one is in a place. That node may have changed meanwhile, too, and
   * not told this one, of which it did not know that it has members there: so the answer says what is believed of it.
   *
   * @param last whether this answers an answer: while members come and go there would be no end to that
   */
  #correct (node: RemoteNode, place: string, last = false): void {
    const room = this.#hub.rooms.at(place)
    const yours = room === undefined || last ? {} : { yours: this.#replicas.digest(node, room) }
    this.send([node], { kind: 'list', place, members: this.members(place), answer: true, ...yours })
  }

  /** Who of this node gets it is decided here: this node knows best who is in its rooms. */
  #onRoute (node: RemoteNode, { from, to, payload }: Extract<Entry, { kind: 'route' }>): void {
    const sender = node.peers.get(from)
    if (sender === undefined) return this.#unknown(node)
    const { peers } = this.#hub.router.route(sender, to)
    const frame = frameOf(payload)
    this.#hub.deliver(peers, frame)
    this.#latecomers.keep({ sender, to, frame }, peers)
  }

  #onPublish (node: RemoteNode, { member, payload }: Extract<Entry, { kind: 'publish' }>): void {
    const sender = this.#replicas.publish(node, member)
    if (sender === undefined) return this.#unknown(node)
    const { peers } = this.#hub.router.route(sender, null)
    this.#hub.deliver(peers, frameOf(payload))
  }

  emitted (payload: Buffer): void {
    this.#hub.emission.receive(payload)
  }

  gone (id: string): void {
    this.#hub.control.gone(id)
    const node = this.#replicas.find(id)
    if (node === undefined) return
    this.#hub.log.info({ node: id, peers: node.peers.size }, 'node gone')
    this.#mail.drop(node)
    this.#replicas.delete(node)
  }

  restored (): void {
    this.#resync.begin()
  }

  doubted (id: string): void {
    const node = this.#replicas.find(id)
    if (node !== undefined) this.#resync.checkAll(node)
  }

  #ignore (what: 'packet' | 'record', node?: string): void {
    this.#hub.stats.cluster.ignored++
    this.#hub.log.debug({ what, node }, 'ignored what another node said')
  }

  #unknown ({ id }: RemoteNode): void {
    this.#hub.stats.drop('unknown_sender')
    this.#hub.log.debug({ node: id, reason: 'unknown_sender' }, 'dropped')
  }
}

/** Whether a room has no other peer of this node. */
function isLast (peer: Peer, room: Room): boolean {
  for (const other of room.own()) {
    if (other !== peer) return false
  }
  return true
}
