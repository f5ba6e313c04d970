import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { nodeOf, type Backplane, type BackplaneCounts, type BackplaneListener, type MemberRecord } from '../../core/backplane.js'
import type { Logger } from '../../core/logger.js'
import { Batch } from './batch.js'
import { RedisCensus } from './census.js'
import { isReady, Names, type Clients } from './client.js'
import { Directory } from './directory.js'
import { Inbox } from './inbox.js'
import { Lease } from './lease.js'

export interface RedisBackplaneOptions {
  readonly clients: Clients
  /** The first part of all keys and channels. */
  readonly prefix: string
  /** Seconds without a sign of life after which a node counts as gone. */
  readonly nodeTtl: number
  /** Seconds to wait for an answer. */
  readonly timeout: number
  readonly log: Logger
}

/** Redis between the nodes. */
export class RedisBackplane implements Backplane {
  readonly alone = false
  /** Short, since it is part of each peer's id; random, so that a process that starts again is another node. */
  readonly node = randomBytes(5).toString('hex')
  readonly census: RedisCensus
  readonly #clients: Clients
  readonly started = new Date().toISOString()
  readonly #directory: Directory
  readonly #inbox: Inbox
  readonly #lease: Lease
  readonly #log: Logger
  #listener: BackplaneListener | null = null
  #started = false
  /** Whether something could not be written that should stand in Redis. */
  #damaged = false

  constructor ({ clients, prefix, nodeTtl, timeout, log }: RedisBackplaneOptions) {
    const names = new Names(prefix)
    const batch = new Batch(clients.commands)
    this.#clients = clients
    this.#log = log
    const info = { host: hostname(), pid: process.pid, started: this.started }
    this.census = new RedisCensus({ id: this.node, ...info }, names, batch)
    const failed = (error: unknown) => { this.#failed(error) }
    this.#directory = new Directory(this.node, names, batch, failed)
    this.#inbox = new Inbox(this.node, clients, names, timeout * 1000, {
      packet: (from, packet) => { this.#received(from, packet) },
      emission: payload => { if (this.#started) this.#listener!.emitted(payload) },
      bye: from => {
        this.#lease.left(from)
        this.#gone(from)
        this.#inbox.forget(from)
      },
      restored: () => { this.#restored() },
      doubted: from => { this.#doubted(from) },
      failed
    }, log)
    this.#lease = new Lease(this.node, names, batch, this.#directory, Math.round(nodeTtl * 1000), {
      nodes: () => this.#listener?.nodes() ?? [],
      gone: node => { this.#gone(node) },
      expired: () => { this.#damaged = true },
      renewed: () => { this.#repair() },
      revived: node => { this.#inbox.askToCompare(node) }
    }, log, info)
  }

  get connected (): boolean {
    return this.#inbox.alive && isReady(this.#clients.commands)
  }

  get counts (): BackplaneCounts {
    return { ...this.#inbox.counts, sweeps: this.#lease.sweeps, unjudgedSeconds: this.#lease.unjudgedSeconds }
  }

  async start (listener: BackplaneListener): Promise<void> {
    this.#listener = listener
    this.#started = true
    const { commands } = this.#clients
    // What was under way is lost; and what comes back may be another server, or one that has forgotten.
    for (const event of ['close', '-node']) commands.on(event, () => { this.#damaged = true })
    // First: others must not hear from a node that has no lease. What is damaged is repaired after it.
    commands.on('ready', () => { this.#lease.resume() })
    await Promise.all([this.#inbox.start(), this.#lease.start()])
  }

  enter (place: string, members: readonly MemberRecord[]): void {
    if (this.connected) this.#directory.enter(place, members)
    else this.#damaged = true
  }

  leave (place: string, id: string, last: boolean): void {
    if (this.connected) this.#directory.leave(place, id, last)
    else this.#damaged = true
  }

  read (place: string): Promise<MemberRecord[] | undefined> | undefined {
    if (!this.connected) return undefined
    return this.#read(place).catch((error: unknown) => {
      this.#failed(error)
      return undefined
    })
  }

  async #read (place: string): Promise<MemberRecord[]> {
    const own = () => new Set(this.#listener!.members(place).map(member => member.id))
    const found = await this.#directory.read(place, own)
    return found.filter(member => !this.#lease.isGone(nodeOf(member.id)))
  }

  post (node: string, packet: Buffer): boolean {
    const posted = this.connected && this.#inbox.post(node, packet)
    // It has no number yet: nobody would miss it.
    if (!posted) this.#damaged = true
    return posted
  }

  async emit (payload: Buffer): Promise<void> {
    if (!this.connected) throw new Error('Redis can not be reached')
    await this.#inbox.emit(payload)
  }

  async stop (): Promise<void> {
    if (!this.#started) return
    this.#started = false
    if (isReady(this.#clients.commands)) {
      for (const node of this.#listener!.nodes()) this.#inbox.sayGoodbye(node)
    }
    this.#inbox.stop()
    // Where Redis is away, another node finds that this one has gone.
    await this.#lease.stop().catch((error: unknown) => { this.#failed(error) })
  }

  #gone (node: string): void {
    this.#inbox.giveUp(node)
    this.#listener?.gone(node)
  }

  #received (from: string, packet: Buffer): void {
    this.#heard(from)
    this.#listener?.received(from, packet)
  }

  #doubted (from: string): void {
    this.#heard(from)
    this.#listener?.doubted(from)
  }

  /** A node that was given up is there after all: what the directory said of it meanwhile was not looked at. */
  #heard (from: string): void {
    if (this.#lease.heard(from)) this.#restored()
  }

  #restored (): void {
    if (!this.#started) return
    this.#damaged = false
    Promise.all([this.#doubt(), this.#tidy()]).catch((error: unknown) => { this.#failed(error) })
    this.#listener!.restored()
  }

  /** What this node said may be lost, such as that its last member has left a room: others are to ask. */
  async #doubt (): Promise<void> {
    for (const node of await this.#lease.others()) this.#inbox.doubt(node)
  }

  /** Has the directory forget what this node has left without its notice. */
  async #tidy (): Promise<void> {
    for (const place of await this.#directory.places()) {
      if (this.#listener!.members(place).length === 0) this.read(place)
    }
  }

  #repair (): void {
    if (this.#damaged && this.connected && !this.#inbox.crowded) this.#restored()
  }

  #failed (error: unknown): void {
    this.#damaged = true
    this.#log.debug({ err: error }, 'Redis command failed')
  }
}
