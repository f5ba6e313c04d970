import type { Logger } from '../../core/logger.js'
import type { Batch } from './batch.js'
import type { Names } from './client.js'
import type { Directory } from './directory.js'

/** How often a lease is renewed, and those of others looked at, before it runs out. */
const RENEWALS = 3

/** Seconds that clearing up after a node may take before another node takes it over. */
const SWEEP_SECONDS = 30

export interface LeaseEvents {
  /** The other nodes that matter to this one. */
  nodes (): Iterable<string>
  gone (node: string): void
  /** This node's own lease had run out: others have forgotten it. */
  expired (): void
  /** Redis answers. */
  renewed (): void
  /** A node came back while its members were deleted. */
  revived (node: string): void
}

/**
 * Says that this node lives, and finds out which ones don't: one key for each node, whatever peers it has. Each node
 * judges for itself who is gone; one of them clears up after the dead.
 */
export class Lease {
  /** Nodes after which this one has cleared up. */
  sweeps = 0
  readonly #node: string
  readonly #names: Names
  readonly #batch: Batch
  readonly #directory: Directory
  /** Milliseconds. */
  readonly #ttl: number
  readonly #events: LeaseEvents
  readonly #log: Logger
  readonly #info: string
  #timer: NodeJS.Timeout | null = null
  #running = false
  #held = false
  #since: number | null = null

  constructor (
    node: string, names: Names, batch: Batch, directory: Directory, ttl: number, events: LeaseEvents, log: Logger,
    info: object
  ) {
    this.#node = node
    this.#names = names
    this.#batch = batch
    this.#directory = directory
    this.#ttl = ttl
    this.#events = events
    this.#log = log
    this.#info = JSON.stringify(info)
  }

  async start (): Promise<void> {
    this.#timer = setInterval(() => { this.#beat() }, this.#ttl / RENEWALS)
    await this.#beat()
  }

  async stop (): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    await this.#directory.clear(this.#node)
    await this.#batch.send('hdel', this.#names.nodes, this.#node)
    await this.#batch.send('del', this.#names.lease(this.#node))
  }

  async #beat (): Promise<void> {
    if (this.#running) return
    this.#running = true
    try {
      await this.#renew()
      this.#events.renewed()
      this.#since ??= performance.now()
      await this.#look()
    } catch (error) {
      // Redis is away, which others say aloud. When it is back, all nodes get the time to show themselves.
      this.#since = null
      this.#log.debug({ err: error }, 'lease not renewed')
    } finally {
      this.#running = false
    }
  }

  async #renew (): Promise<void> {
    const key = this.#names.lease(this.#node)
    if (this.#held && await this.#batch.send('set', key, this.#info, 'PX', this.#ttl, 'XX') !== null) return
    await this.#batch.send('hset', this.#names.nodes, this.#node, this.#info)
    await this.#batch.send('set', key, this.#info, 'PX', this.#ttl)
    if (this.#held) {
      this.#log.warn({}, 'lease had run out')
      this.#events.expired()
    }
    this.#held = true
  }

  /** Who has no lease is gone, once each node has had the time to renew its own. */
  async #look (): Promise<void> {
    if (performance.now() - this.#since! < this.#ttl) return
    const listed = await this.#batch.send('hkeys', this.#names.nodes) as string[]
    const known = [...this.#events.nodes()]
    const others = [...new Set([...listed, ...known])].filter(node => node !== this.#node)
    const alive = await Promise.all(others.map(async node => await this.#isAlive(node)))
    for (const [i, node] of others.entries()) {
      if (alive[i] === true) continue
      this.#events.gone(node)
      if (listed.includes(node)) await this.#sweep(node)
    }
  }

  async #isAlive (node: string): Promise<boolean> {
    return await this.#batch.send('exists', this.#names.lease(node)) === 1
  }

  /** Only one node does it at a time; who dies meanwhile has left the node on the list, so another does it again. */
  async #sweep (node: string): Promise<void> {
    const claim = this.#names.sweep(node)
    if (await this.#batch.send('set', claim, this.#node, 'EX', SWEEP_SECONDS, 'NX') === null) return
    await this.#directory.clear(node)
    if (await this.#isAlive(node)) {
      this.#events.revived(node)
    } else {
      await this.#batch.send('hdel', this.#names.nodes, node)
      this.sweeps++
      this.#log.info({ node }, 'cleared up after a node')
    }
    await this.#batch.send('del', claim)
  }
}
