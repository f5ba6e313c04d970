import type { Logger } from '../../core/logger.js'
import type { Batch } from './batch.js'
import type { Names } from './client.js'
import type { Directory } from './directory.js'
import { Judgement } from './judgement.js'

/** How often a lease is renewed, and those of others looked at, before it runs out. */
const RENEWALS = 3

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
  readonly #judgement: Judgement
  /** Milliseconds. */
  readonly #ttl: number
  /** Milliseconds between two renewals. */
  readonly #interval: number
  /** Milliseconds for which an answer may be waited without a doubt about all leases. */
  readonly #patience: number
  readonly #events: LeaseEvents
  readonly #log: Logger
  readonly #info: string
  /** Nodes that are gone, as long as anything of them may still stand in the directory. */
  readonly #gone = new Set<string>()
  /** Nodes that had no lease at the last look. */
  #missing = new Set<string>()
  /** Nodes after which this one is clearing up. */
  readonly #sweeping = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #renewing = false
  #looking = false
  #held = false
  #stopped = false
  #renewedAt = 0

  constructor (
    node: string, names: Names, batch: Batch, directory: Directory, ttl: number, events: LeaseEvents, log: Logger,
    info: object
  ) {
    this.#node = node
    this.#names = names
    this.#batch = batch
    this.#directory = directory
    this.#judgement = new Judgement(ttl, log)
    this.#ttl = ttl
    this.#interval = ttl / RENEWALS
    this.#patience = this.#interval / 2
    this.#events = events
    this.#log = log
    this.#info = JSON.stringify(info)
  }

  /** As `BackplaneCounts.unjudgedSeconds`. */
  get unjudgedSeconds (): number {
    return this.#judgement.overdueSeconds
  }

  async start (): Promise<void> {
    this.#timer = setInterval(() => { this.#renew() }, this.#interval)
    await this.#renew()
  }

  /** Redis is there again, after a break that others may have had too: they get the time to say that they live. */
  resume (): void {
    this.#judgement.suspend('the connection to Redis broke')
    this.#renew()
  }

  async stop (): Promise<void> {
    this.#stopped = true
    if (this.#timer !== null) clearInterval(this.#timer)
    await this.#directory.clear(this.#node)
    await this.#batch.send('hdel', this.#names.nodes, this.#node)
    await this.#batch.send('del', this.#names.lease(this.#node))
  }

  /** The other nodes that are registered. */
  async others (): Promise<string[]> {
    const listed = await this.#batch.send('hkeys', this.#names.nodes) as string[]
    return listed.filter(node => node !== this.#node)
  }

  /** Whether a node was found to be gone: what the directory says of it is not true. */
  isGone (node: string): boolean {
    return this.#gone.has(node)
  }

  /** Takes note that a node has said goodbye: what still stands of it is on its way out. */
  left (node: string): void {
    this.#gone.add(node)
  }

  /**
   * Takes note that a node lives.
   *
   * @returns whether it was taken for gone
   */
  heard (node: string): boolean {
    // It may not have come to renew its lease yet.
    this.#missing.delete(node)
    return this.#gone.delete(node)
  }

  async #renew (): Promise<void> {
    if (this.#renewing || this.#stopped) return
    this.#renewing = true
    try {
      await this.#write()
      this.#events.renewed()
      // Beside the next renewals: where leases are spread over servers, that of another may be slower than one's own.
      this.#look()
    } catch (error) {
      this.#failed(error, 'lease not renewed')
    } finally {
      this.#renewing = false
    }
  }

  /** Redis is away, which others say aloud. When it is back, all nodes get the time to show themselves. */
  #failed (error: unknown, what: string): void {
    this.#judgement.fail(what, error)
    this.#log.debug({ err: error }, what)
  }

  async #write (): Promise<void> {
    const key = this.#names.lease(this.#node)
    // Together, so that a lease that ran out while Redis stood still is there again before anybody can look.
    const [existed] = await Promise.all([
      this.#batch.send('exists', key),
      this.#batch.send('set', key, this.#info, 'PX', this.#ttl),
      // Each time: who cleared up after this node by mistake, or a Redis that lost it, took it off the list.
      this.#batch.send('hset', this.#names.nodes, this.#node, this.#info)
    ])
    const now = performance.now()
    const late = this.#held && now - this.#renewedAt > this.#interval + this.#patience
    const expired = this.#held && existed !== 1
    // In the second case the others could not renew theirs either.
    if (late || expired) this.#judgement.suspend('this node or Redis stood still')
    this.#judgement.prepare(now)
    this.#renewedAt = now
    this.#held = true
    if (!expired) return
    this.#log.warn({}, 'lease had run out')
    this.#events.expired()
  }

  async #look (): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      await this.#judge()
    } catch (error) {
      this.#failed(error, 'leases not looked at')
    } finally {
      this.#looking = false
    }
  }

  /**
   * Who twice has no lease is gone, once each node has had the time to renew its own. Also asked before that time is
   * over, since each lease may be on another server: one that stands still must be noticed.
   */
  async #judge (): Promise<void> {
    const asked = performance.now()
    const listed = new Set(await this.others())
    const others = [...new Set([...listed, ...this.#events.nodes()])].filter(node => node !== this.#node)
    const alive = await Promise.all(others.map(async node => await this.#isAlive(node)))
    if (this.#stopped) return
    const took = performance.now() - asked
    if (took > this.#patience) this.#judgement.suspend(`a look at the leases took ${Math.round(took)} ms`)
    const missing = new Set(others.filter((_, i) => alive[i] !== true))
    const mayJudge = this.#judgement.allows(asked)
    for (const node of others) {
      if (!missing.has(node)) this.#gone.delete(node)
      else if (mayJudge && this.#missing.has(node)) this.#lose(node, listed.has(node))
    }
    this.#missing = missing
    if (mayJudge) this.#judgement.done()
    for (const node of this.#gone) {
      if (!listed.has(node)) this.#gone.delete(node)
    }
  }

  #lose (node: string, isListed: boolean): void {
    this.#gone.add(node)
    this.#events.gone(node)
    if (isListed) this.#sweep(node)
  }

  async #isAlive (node: string): Promise<boolean> {
    return await this.#batch.send('exists', this.#names.lease(node)) === 1
  }

  /**
   * Clears up after a node, beside all else: it can take longer than a lease lasts. Only one node does it at a time;
   * who dies meanwhile has left the node on the list, so another does the rest as soon as the claim has run out.
   */
  async #sweep (node: string): Promise<void> {
    if (this.#sweeping.has(node)) return
    this.#sweeping.add(node)
    const claim = this.#names.sweep(node)
    try {
      if (await this.#batch.send('set', claim, this.#node, 'PX', this.#ttl, 'NX') === null) return
      const cleared = await this.#directory.clear(node, async () => {
        await this.#batch.send('pexpire', claim, this.#ttl)
        return !this.#stopped && !await this.#isAlive(node)
      })
      if (cleared) await this.#finish(node)
      else if (!this.#stopped) this.#events.revived(node)
      await this.#batch.send('del', claim)
    } catch (error) {
      this.#log.debug({ err: error, node }, 'clearing up failed')
    } finally {
      this.#sweeping.delete(node)
    }
  }

  async #finish (node: string): Promise<void> {
    await this.#batch.send('hdel', this.#names.nodes, node)
    this.sweeps++
    this.#log.info({ node }, 'cleared up after a node')
  }
}
