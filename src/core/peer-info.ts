import { nodeOf } from './backplane.js'
import type { JsonObject } from './json.js'
import { publicFields, type Peer } from './peer.js'

/** What the application is told of a peer, on whichever node it is. */
export interface PeerInfo {
  /** Of this connection alone, on all nodes. */
  readonly id: string
  /** The identity behind it, and maybe behind other peers. */
  readonly user: string
  /** What people see. */
  readonly name: string
  /** `user|id`: what stands in `from` of its messages. */
  readonly address: string
  /** The client's address; `virtual` for a virtual peer. */
  readonly host: string
  /** The id of its node. */
  readonly node: string
  /** What else presence tells of it: its last published data, and what a session or a hook has set. */
  readonly data: JsonObject
}

/** What only a peer's own node knows, too. */
export interface PeerDetails extends PeerInfo {
  /** The ordinary rooms that it is in. */
  readonly rooms: readonly string[]
  /** Whether it is one of the application's own: see `Symple.addVirtualPeer`. */
  readonly virtual: boolean
}

/** @param described the peer object of presence */
export function infoOf (described: JsonObject): PeerInfo {
  const [id, user, name, host] = ['id', 'user', 'name', 'host'].map(key => String(described[key] ?? ''))
  return {
    id: id!, user: user!, name: name!, address: `${user}|${id}`, host: host!, node: nodeOf(id!), data: publicFields(described)
  }
}

export function detailsOf (peer: Peer): PeerDetails {
  const rooms = [...peer.rooms.keys()].filter(room => !room.personal).map(room => room.name)
  return { ...infoOf(peer.describe(true)), rooms, virtual: peer.owner?.virtual ?? false }
}

/**
 * A peer of this node, as hooks and listeners get it: a view, so that it costs nothing what nobody reads. What it says
 * holds when it is read.
 */
export class PeerView implements PeerDetails {
  readonly #peer: Peer

  constructor (peer: Peer) {
    this.#peer = peer
  }

  get id (): string { return this.#peer.id }
  get user (): string { return this.#peer.user }
  get name (): string { return this.toJSON().name }
  get address (): string { return this.#peer.address }
  get host (): string { return this.#peer.host }
  get node (): string { return nodeOf(this.#peer.id) }
  get data (): JsonObject { return this.toJSON().data }
  get rooms (): readonly string[] { return this.toJSON().rooms }
  get virtual (): boolean { return this.#peer.owner?.virtual ?? false }

  /** The same as a plain object. */
  toJSON (): PeerDetails {
    return detailsOf(this.#peer)
  }

  /** What `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')] (): PeerDetails {
    return this.toJSON()
  }
}
