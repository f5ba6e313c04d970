import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Backplane, BackplaneCounts, BackplaneListener, MemberRecord } from '../core/backplane.js'
import type { Census, NodeRecord } from '../core/census.js'

/**
 * What lies between the nodes of one process. A server on its own is the only node of a network of its own; a test
 * can have several, cut them off and have them die.
 */
export class MemoryNetwork {
  readonly #nodes = new Map<string, MemoryBackplane>()

  /** Those that can be reached. */
  get nodes (): Iterable<MemoryBackplane> {
    return [...this.#nodes.values()].filter(node => node.connected)
  }

  get size (): number {
    return this.#nodes.size
  }

  reach (id: string): MemoryBackplane | undefined {
    const node = this.#nodes.get(id)
    return node?.connected === true ? node : undefined
  }

  add (node: MemoryBackplane): void {
    this.#nodes.set(node.node, node)
  }

  /** Takes a node out, dead or alive, and tells the others. */
  delete (node: MemoryBackplane): void {
    this.#nodes.delete(node.node)
    for (const other of this.#nodes.values()) other.listener?.gone(node.node)
  }
}

/** A backplane without anything between the nodes: it asks them for their members, and hands packets over. */
export class MemoryBackplane implements Backplane {
  readonly node: string
  readonly counts: BackplaneCounts = {
    published: 0, failed: 0, received: 0, gaps: 0, probesLost: 0, probeSeconds: 0, sweeps: 0, unjudgedSeconds: 0
  }

  readonly census: Census = new MemoryCensus(this)
  readonly started = new Date().toISOString()
  readonly #network: MemoryNetwork
  #listener: BackplaneListener | null = null
  #connected = false

  constructor (network = new MemoryNetwork(), node = randomBytes(5).toString('hex')) {
    this.#network = network
    this.node = node
  }

  get connected (): boolean {
    return this.#connected
  }

  get alone (): boolean {
    return this.#network.size <= 1
  }

  get listener (): BackplaneListener | null {
    return this.#listener
  }

  /** The nodes that can be reached, this one among them. Throws where it is cut off itself. */
  get reachable (): MemoryBackplane[] {
    if (!this.#connected) throw new Error('Cut off from other nodes')
    return [...this.#network.nodes]
  }

  async start (listener: BackplaneListener): Promise<void> {
    this.#listener = listener
    this.#connected = true
    this.#network.add(this)
  }

  /** The nodes themselves know. */
  enter (): void {}

  leave (): void {}

  read (place: string): MemberRecord[] | undefined {
    if (!this.#connected) return undefined
    const members: MemberRecord[] = []
    for (const other of this.#network.nodes) {
      if (other !== this) members.push(...other.#listener!.members(place))
    }
    return members
  }

  post (node: string, packet: Buffer): boolean {
    if (!this.#connected || this.#network.reach(node) === undefined) return false
    // Not at once: nothing is handled in the middle of something else.
    this.counts.published++
    setImmediate(() => {
      // What a node that has gone left behind would bring it back.
      if (this.#network.reach(this.node) === this) this.#network.reach(node)?.receive(this.node, packet)
    })
    return true
  }

  async emit (payload: Buffer): Promise<void> {
    const nodes = this.reachable
    setImmediate(() => {
      for (const node of nodes) {
        if (node.connected) node.listener?.emitted(payload)
      }
    })
  }

  /** Called by other nodes. */
  receive (from: string, packet: Buffer): void {
    this.counts.received++
    this.#listener?.received(from, packet)
  }

  async stop (): Promise<void> {
    this.#connected = false
    this.#network.delete(this)
  }

  /** Cuts this node off from the others, which do not notice. */
  disconnect (): void {
    this.#connected = false
  }

  /** Ends what `disconnect` began. */
  reconnect (): void {
    this.#connected = true
    this.#listener?.restored()
    for (const other of this.#network.nodes) {
      if (other !== this) other.listener?.doubted(this.node)
    }
  }
}

/** Asks the nodes themselves. */
class MemoryCensus implements Census {
  readonly #backplane: MemoryBackplane

  constructor (backplane: MemoryBackplane) {
    this.#backplane = backplane
  }

  async nodes (): Promise<NodeRecord[]> {
    const [host, { pid }] = [hostname(), process]
    return this.#backplane.reachable.map(({ node, started }) =>
      ({ id: node, host, pid, started, alive: true, lease: null }))
  }

  async places (node: string): Promise<string[]> {
    return [...this.#backplane.reachable.find(other => other.node === node)?.listener?.places() ?? []]
  }

  async ids (place: string): Promise<string[]> {
    return this.#members(place).map(({ id }) => id)
  }

  async counts (places: readonly string[]): Promise<number[]> {
    return places.map(place => this.#members(place).length)
  }

  async records (place: string, ids: readonly string[]): Promise<MemberRecord[]> {
    const members = new Map(this.#members(place).map(member => [member.id, member]))
    return ids.map(id => members.get(id)).filter(member => member !== undefined)
  }

  #members (place: string): MemberRecord[] {
    return this.#backplane.reachable.flatMap(({ listener }) => listener?.members(place) ?? [])
  }
}
