import type { BackplaneListener, MemberRecord } from './backplane.js'
import { digestOf } from './digest.js'
import { decodePacket, type Entry } from './envelope.js'
import { frameOf } from './frame.js'
import type { Hub } from './hub.js'
import type { Latecomers } from './latecomers.js'
import type { Mail } from './mail.js'
import type { RemoteNode } from './remote.js'
import type { Replicas } from './replicas.js'
import { listing, recordsOf, type Resync } from './resync.js'

/** What is known of other nodes, and how they are told of this one. */
export interface Relations {
  readonly mail: Mail
  readonly replicas: Replicas
  readonly resync: Resync
  readonly latecomers: Latecomers
}

/** Does what follows from what other nodes say, and puts right who is wrong about this one. */
export class Listener implements BackplaneListener {
  readonly #hub: Hub
  readonly #mail: Mail
  readonly #replicas: Replicas
  readonly #resync: Resync
  readonly #latecomers: Latecomers

  constructor (hub: Hub, { mail, replicas, resync, latecomers }: Relations) {
    this.#hub = hub
    this.#mail = mail
    this.#replicas = replicas
    this.#resync = resync
    this.#latecomers = latecomers
  }

  members (place: string): MemberRecord[] {
    const room = this.#hub.rooms.at(place)
    return room === undefined ? [] : recordsOf(room)
  }

  * places (): Generator<string> {
    for (const room of this.#hub.rooms) {
      if (room.wanted) yield room.place
    }
  }

  * nodes (): Generator<string> {
    yield * this.#replicas.nodes
  }

  received (from: string, packet: Buffer): void {
    const entries = decodePacket(packet)
    if (entries === undefined) return this.ignore('packet', from)
    this.#hub.stats.cluster.received += entries.length
    const node = this.#replicas.node(from)
    for (const entry of entries) this.#handle(node, entry)
  }

  #handle (node: RemoteNode, entry: Entry): void {
    switch (entry.kind) {
      case 'enter':
      case 'move': return this.#onEnter(node, entry)
      case 'exit': return this.#onExit(node, entry)
      case 'some': return this.#onSome(node, entry)
      case 'list': return this.#onList(node, entry)
      case 'check': return this.#onCheck(node, entry)
      case 'ask': return this.#correct(node, entry.place)
      case 'route': return this.#onRoute(node, entry)
      case 'publish': return this.#onPublish(node, entry)
      case 'request': return this.#hub.control.asked(node.id, entry)
      case 'reply': return this.#hub.control.answered(node.id, entry)
    }
  }

  #onEnter (node: RemoteNode, { kind, places, member }: Extract<Entry, { kind: 'enter' | 'move' }>): void {
    const rooms = places.map(place => this.#hub.rooms.at(place)).filter(room => room !== undefined)
    const strange = rooms.filter(room => room.nodes?.has(node) !== true)
    if (rooms.length > 0 || node.peers.has(member.id)) this.#replicas.apply(node, rooms, member)
    for (const room of strange) {
      // Who moves need not know yet who is here; it has to before it hears from them.
      if (kind === 'move') this.#resync.greet(node, room)
      // It may have been told when this node had been in the room before, and be out of date.
      else this.#resync.check(node, room)
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

  #onSome (node: RemoteNode, { place, members }: Extract<Entry, { kind: 'some' }>): void {
    const room = this.#hub.rooms.at(place)
    if (room === undefined) return
    for (const member of members) this.#replicas.apply(node, [room], member)
  }

  #onList (node: RemoteNode, { place, members, others = [], yours, answer = false }: Extract<Entry, { kind: 'list' }>): void {
    const room = this.#hub.rooms.at(place)
    const replaced = room !== undefined && this.#replicas.replace(node, room, members, others)
    // What came before may have changed something, too.
    const changed = replaced || (room !== undefined && others.length > 0)
    const wrong = yours !== undefined && yours !== digestOf(room?.own() ?? [])
    if (wrong) this.#correct(node, place, answer)
    // The directory may have told what came after this list: where the two differed, the node is asked once more.
    if (changed && (answer || !wrong)) this.#resync.check(node, room)
  }

  #onCheck (node: RemoteNode, { place, mine, yours }: Extract<Entry, { kind: 'check' }>): void {
    const room = this.#hub.rooms.at(place)
    if (yours !== digestOf(room?.own() ?? [])) this.#correct(node, place)
    if (room !== undefined && mine !== this.#replicas.digest(node, room)) this.#mail.send([node], { kind: 'ask', place })
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
    for (const entry of listing(place, this.members(place), { answer: true, ...yours })) this.#mail.send([node], entry)
  }

  /** Who of this node gets it is decided here: this node knows best who is in its rooms. */
  #onRoute (node: RemoteNode, { from, to, payload }: Extract<Entry, { kind: 'route' }>): void {
    const sender = node.peers.get(from)
    if (sender === undefined) return this.#unknown(node)
    const { peers } = this.#hub.router.route(sender, to)
    const frame = frameOf(payload)
    if (this.#latecomers.some) this.#latecomers.admit({ sender, frame }, to, peers)
    this.#hub.deliver(peers, frame)
  }

  #onPublish (node: RemoteNode, { member, payload }: Extract<Entry, { kind: 'publish' }>): void {
    const sender = this.#replicas.publish(node, member)
    if (sender === undefined) return this.#unknown(node)
    const { peers } = this.#hub.router.route(sender, null)
    // Who is late and does not see the sender is told what it has published when it does.
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

  /** Something of it means nothing here. */
  ignore (what: 'packet' | 'record', node?: string): void {
    this.#hub.stats.cluster.ignored++
    this.#hub.log.debug({ what, node }, 'ignored what another node said')
  }

  #unknown ({ id }: RemoteNode): void {
    this.#hub.stats.drop('unknown_sender')
    this.#hub.log.debug({ node: id, reason: 'unknown_sender' }, 'dropped')
  }
}
