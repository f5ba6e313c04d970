import type { Cluster, Redis } from 'ioredis'

/** A connection to one Redis, to what a Sentinel names, or to a Redis Cluster. */
export type Client = Redis | Cluster

/** Two of them, since one that subscribes can do nothing else. */
export interface Clients {
  readonly commands: Client
  readonly subscriber: Client
}

export function isReady (client: Client): boolean {
  return client.status === 'ready'
}

/** The names of all keys and channels; they are listed in PROTOCOL.md. */
export class Names {
  /** Node id → what it says of itself, as JSON. */
  readonly nodes: string
  /** The channel on which backends emit. */
  readonly broadcast: string

  constructor (readonly prefix: string) {
    this.nodes = `${prefix}:nodes`
    this.broadcast = `${prefix}:broadcast`
  }

  /** Peer id → record. */
  place (place: string): string {
    return `${this.prefix}:${place}`
  }

  /** Exists as long as the node does. */
  lease (node: string): string {
    return `${this.prefix}:node:${node}`
  }

  /** The places in which a node has members. */
  placesOf (node: string): string {
    return `${this.prefix}:places:${node}`
  }

  /** Who clears up after a node. */
  sweep (node: string): string {
    return `${this.prefix}:sweep:${node}`
  }

  inbox (node: string): string {
    return `${this.prefix}:inbox:${node}`
  }

  /** What was answered to a request that is to be done once. */
  answer (name: string): string {
    return `${this.prefix}:answer:${name}`
  }

  session (token: string): string {
    return `${this.prefix}:session:${token}`
  }
}

/** A pipeline gives the fields of a hash as a list, or, where ioredis knows the command, as an object. */
export function pairsOf (fields: string[] | Record<string, string>): Array<[string, string]> {
  if (!Array.isArray(fields)) return Object.entries(fields)
  const pairs: Array<[string, string]> = []
  for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i]!, fields[i + 1]!])
  return pairs
}
