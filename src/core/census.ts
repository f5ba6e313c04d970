import type { MemberRecord } from './backplane.js'

/** A node of the cluster, as it registered. */
export interface NodeRecord {
  /** The first part of the ids of its peers. */
  readonly id: string
  /** The machine's name. */
  readonly host: string
  /** Of its process. */
  readonly pid: number
  /** ISO 8601. */
  readonly started: string
  /** False for one that has given no sign of life in time, and has not been cleared up after yet. */
  readonly alive: boolean
  /** Seconds for which it counts as alive without another sign of life; null: it needs to give none. */
  readonly lease: number | null
}

/**
 * What there is in the whole cluster, the node that asks included, by the directory. What is of nodes that are not
 * alive stands there until it is cleared up. All methods reject where it can't be found out now.
 */
export interface Census {
  /** This node is always among them, and alive. */
  nodes (): Promise<NodeRecord[]>
  /** The places in which a node has members, in no order. */
  places (node: string): Promise<string[]>
  /** The ids of all members of a place, in no order. */
  ids (place: string): Promise<string[]>
  /** How many members each of some places has. */
  counts (places: readonly string[]): Promise<number[]>
  /** Those of some members of a place that are there, in the order of the ids. */
  records (place: string, ids: readonly string[]): Promise<MemberRecord[]>
}
