import type { Census } from './census.js'

/**
 * What makes several processes one server: the seam to whatever lies between them.
 *
 * It knows which members a place has on other nodes (its *directory*), carries packets from node to node, and tells
 * when a node has gone. A *place* is a room or a user's personal room, by a name that is unique over both kinds.
 *
 * The directory is where nodes meet, not the truth: each node is the authority on its own members, and tells those
 * who have read about them of every change. See `Cluster`.
 */
export interface Backplane {
  /** This node: unique in the cluster and for all time, so that a process that starts again is another node. */
  readonly node: string
  /** When it started, ISO 8601, as the census of all nodes says. */
  readonly started: string
  /** False while other nodes can't be reached: what is posted then is lost. */
  readonly connected: boolean
  /** True while there is no other node, so that there is nothing to tell and nothing to ask. */
  readonly alone: boolean
  readonly counts: BackplaneCounts
  /** What there is on all nodes, for whoever asks: neither messages nor presence need it. */
  readonly census: Census

  /** Begins to tell `listener` of what comes. Resolves when it is connected, or has begun to try. */
  start (listener: BackplaneListener): Promise<void>

  /** Writes members of this node into the directory, over what stood there. */
  enter (place: string, members: readonly MemberRecord[]): void

  /** Takes a member of this node out of the directory. `last`: the node has no other in that place. */
  leave (place: string, id: string, last: boolean): void

  /**
   * The members that other nodes have in a place. It is read after what this node has written before, so of two nodes
   * that write and then read, at least one sees the other.
   *
   * @returns undefined, at once or later, where it can't be found out now
   */
  read (place: string): MemberRecord[] | undefined | Promise<MemberRecord[] | undefined>

  /**
   * Hands a packet to another node: at most once, in the order of the calls, never back to this node.
   *
   * @returns false where it is lost already
   */
  post (node: string, packet: Buffer): boolean

  /**
   * Hands a message to all nodes, this one too, as one that a backend emitted; in the order of the calls.
   *
   * @returns rejects where it can't be handed over now
   */
  emit (payload: Buffer): Promise<void>

  /** Says goodbye: other nodes learn that this one has gone. */
  stop (): Promise<void>
}

/** What a backplane has counted since its start. */
export interface BackplaneCounts {
  /** Packets handed to other nodes, and got from them. */
  published: number
  /** Those of them that could not be published. */
  failed: number
  received: number
  /** Times that packets of another node were missing. */
  gaps: number
  /** Probes to itself that did not come back. */
  probesLost: number
  /** Seconds that the last probe took; 0 before the first. */
  probeSeconds: number
  /** Nodes after which this one cleared up. */
  sweeps: number
  /** Seconds for which it could not tell which other nodes are gone; 0 while that is no longer than usual. */
  unjudgedSeconds: number
}

/** A member as the directory holds it: its id, and what its node says of it, which only the core reads. */
export interface MemberRecord {
  readonly id: string
  readonly record: string
}

/** What a backplane tells, and asks, the node that it serves. */
export interface BackplaneListener {
  /** A packet that another node posted to this one. */
  received (from: string, packet: Buffer): void
  /** A message that a backend, or a node for one, emitted, as it was published. */
  emitted (payload: Buffer): void
  /** A node has gone, with all its members. */
  gone (node: string): void
  /** Something may have been lost, or forgotten: all that this node knows and has told is to be compared again. */
  restored (): void
  /** Another node can't be sure that all it told this one has come: what is known of it is to be compared. */
  doubted (node: string): void
  /** The members that this node has in a place now. */
  members (place: string): MemberRecord[]
  /** The places in which this node has members now. */
  places (): Iterable<string>
  /** The other nodes that this one has heard of. */
  nodes (): Iterable<string>
}

/** Joins the parts of a peer's id. */
const SEPARATOR = '-'

export function peerId (node: string, unique: string): string {
  return `${node}${SEPARATOR}${unique}`
}

/** What backplanes call a node, and an id source a peer of it. */
const ID = /^[0-9a-f]{10}-[\w-]{22}$/

/** Whether a name has the form of a peer's id: an id can't be guessed, but once seen it can be taken for a name. */
export function isPeerId (name: string): boolean {
  return ID.test(name)
}

/** The node on which a peer is, by its id. */
export function nodeOf (id: string): string {
  return id.slice(0, id.indexOf(SEPARATOR))
}
