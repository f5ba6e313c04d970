import { setTimeout } from 'node:timers/promises'
import type { BackplaneCounts } from '../../core/backplane.js'
import type { Logger } from '../../core/logger.js'
import { isReady, type Clients, type Names } from './client.js'
import { PacketNumbers } from './numbers.js'
import { Trouble } from './trouble.js'

/** What a publication in an inbox is; the first byte of it. */
const Kind = { probe: 0, packet: 1, bye: 2, compare: 3, doubt: 4 } as const

/** Milliseconds between two probes. */
const PROBE_INTERVAL = 1000

/** Bytes of publications that may wait for Redis to take them. */
const MAX_IN_FLIGHT = 64 * 1024 * 1024

const NOTHING = Buffer.alloc(0)

export interface InboxEvents {
  packet (from: string, packet: Buffer): void
  emission (payload: Buffer): void
  bye (from: string): void
  /** What came before may not have come whole: publications were lost, or another node says that it lost some. */
  restored (): void
  /** Another node can't be sure that all it said has come. */
  doubted (from: string): void
  /** A publication may not have reached the node that it was for. */
  failed (error: unknown): void
}

export type InboxCounts = Omit<BackplaneCounts, 'sweeps' | 'unjudgedSeconds'>

/**
 * The channel on which other nodes reach this one, and that on which backends reach all.
 *
 * Each node has one inbox, whatever rooms it has: who sends knows by its replicas which nodes are concerned. So
 * nothing comes twice, there is nothing to subscribe when a room fills, and what one node sends another stays in
 * order, in a Redis Cluster too.
 *
 * A connection that is open proves nothing, and what comes in does not prove that anything goes out: publications to
 * oneself prove both.
 */
export class Inbox {
  readonly counts: InboxCounts = { published: 0, failed: 0, received: 0, probesLost: 0, gaps: 0, probeSeconds: 0 }
  readonly #node: string
  readonly #clients: Clients
  readonly #names: Names
  readonly #timeout: number
  readonly #events: InboxEvents
  readonly #log: Logger
  readonly #trouble: Trouble
  readonly #numbers = new PacketNumbers()
  #timer: NodeJS.Timeout | null = null
  #alive = false
  #subscribed = false
  #inFlight = 0
  #probedAt: number | null = null
  #watchedAt = 0
  /** When the next proof must have come. */
  #deadline = 0
  #onProof: () => void = () => {}

  /** @param timeout milliseconds after which a probe is lost */
  constructor (node: string, clients: Clients, names: Names, timeout: number, events: InboxEvents, log: Logger) {
    this.#node = node
    this.#clients = clients
    this.#names = names
    this.#timeout = timeout
    this.#events = events
    this.#log = log
    this.#trouble = new Trouble(clients, log)
  }

  /** Whether so much waits for Redis that it is no time to say more than must be said. */
  get crowded (): boolean {
    return this.#inFlight > MAX_IN_FLIGHT / 2
  }

  /** Whether publications have been coming until now. */
  get alive (): boolean {
    return this.#alive
  }

  /** Resolves when publications come, or, where that does not happen in time, anyway; then the log says why. */
  async start (): Promise<void> {
    const { subscriber } = this.#clients
    const onMessage = (channel: Buffer, message: Buffer) => { this.#receive(String(channel), message) }
    subscriber.on('messageBuffer', onMessage)
    subscriber.on('smessageBuffer', onMessage)
    subscriber.on('ready', () => { this.#subscribe() })
    subscriber.on('close', () => { this.#fail('connection closed') })
    subscriber.on('-subscriber', () => { this.#fail('connection closed') })
    if (isReady(subscriber)) this.#subscribe()
    this.#watchedAt = performance.now()
    this.#extend()
    this.#timer = setInterval(() => { this.#watch() }, PROBE_INTERVAL)
    if (isReady(this.#clients.commands)) {
      const proved = new Promise<void>(resolve => { this.#onProof = resolve })
      await Promise.race([proved, setTimeout(this.#timeout, undefined, { ref: false })])
    }
    if (!this.#alive) this.#trouble.goesOn('no answer')
  }

  stop (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#alive = false
  }

  /** @returns false where it can't be sent */
  post (node: string, packet: Buffer): boolean {
    if (!isReady(this.#clients.commands) || this.#inFlight > MAX_IN_FLIGHT) return false
    this.#publish(node, Kind.packet, packet, this.#numbers.next(node))
    return true
  }

  /** Publishes as a backend does. Rejects where Redis does not take it. */
  async emit (payload: Buffer): Promise<void> {
    if (this.#inFlight > MAX_IN_FLIGHT) throw new Error('Too much waits for Redis')
    this.#inFlight += payload.length
    try {
      await this.#clients.commands.publish(this.#names.broadcast, payload)
    } finally {
      this.#inFlight -= payload.length
    }
  }

  /** Tells a node that this one ends. */
  sayGoodbye (node: string): void {
    this.#publish(node, Kind.bye)
  }

  /** Has a node compare all that it knows. */
  askToCompare (node: string): void {
    this.#publish(node, Kind.compare)
  }

  /** Has a node compare what it knows of this one. */
  doubt (node: string): void {
    this.#publish(node, Kind.doubt)
  }

  /** A node has ended. */
  forget (node: string): void {
    this.#numbers.forget(node)
  }

  /** A node seems to have ended. */
  giveUp (node: string): void {
    this.#numbers.giveUp(node)
  }

  #publish (node: string, kind: number, packet: Buffer = NOTHING, number = 0): void {
    const { commands } = this.#clients
    const header = Buffer.alloc(6 + this.#node.length)
    header[0] = kind
    header.writeUInt32BE(number, 1)
    header[5] = this.#node.length
    header.write(this.#node, 6, 'latin1')
    const message = Buffer.concat([header, packet])
    const channel = this.#names.inbox(node)
    if (kind === Kind.packet) this.counts.published++
    const published = commands.isCluster ? commands.spublish(channel, message) : commands.publish(channel, message)
    this.#inFlight += message.length
    published.catch((error: unknown) => {
      this.#trouble.refused(error)
      // Probes are waited for in any case.
      if (kind === Kind.probe) return
      this.counts.failed++
      this.#events.failed(error)
    }).finally(() => { this.#inFlight -= message.length })
  }

  #receive (channel: string, message: Buffer): void {
    if (channel === this.#names.broadcast) return this.#events.emission(message)
    // What is no publication of a node is no packet either, and counted as such.
    if (message.length < 6 || message.length < 6 + message[5]!) return this.#events.packet('', NOTHING)
    const from = message.toString('latin1', 6, 6 + message[5]!)
    switch (message[0]) {
      case Kind.probe: return from === this.#node ? this.#proved() : undefined
      case Kind.bye: return this.#events.bye(from)
      case Kind.compare: return this.#events.restored()
      case Kind.doubt: return this.#events.doubted(from)
      case Kind.packet:
        this.counts.received++
        if (this.#isTaken(from, message.readUInt32BE(1))) this.#events.packet(from, message.subarray(6 + message[5]!))
        return
      default: return this.#events.packet(from, NOTHING)
    }
  }

  #isTaken (from: string, number: number): boolean {
    const last = this.#numbers.lastOf(from)
    const arrival = this.#numbers.take(from, number)
    if (arrival !== 'behind a gap') return arrival === 'in order'
    this.counts.gaps++
    this.#log.warn({ node: from, number, last }, 'publications of another node were lost')
    this.#events.restored()
    return true
  }

  #subscribe (): void {
    const { subscriber } = this.#clients
    this.#subscribed = false
    const inbox = this.#names.inbox(this.#node)
    const subscribed = subscriber.isCluster ? subscriber.ssubscribe(inbox) : subscriber.subscribe(inbox)
    Promise.all([subscribed, subscriber.subscribe(this.#names.broadcast)]).then(
      () => {
        this.#subscribed = true
        this.#probe()
      },
      (error: unknown) => { this.#trouble.refused(error) }
    )
  }

  #watch (): void {
    const now = performance.now()
    const stalled = now - this.#watchedAt > 2 * PROBE_INTERVAL
    this.#watchedAt = now
    // A process that stood still has not yet seen what came meanwhile.
    if (stalled) return
    if (now > this.#deadline) {
      if (this.#probedAt !== null) this.counts.probesLost++
      if (!this.#alive) this.#trouble.goesOn()
      this.#fail('a probe was lost')
      this.#reconnect()
    } else if (this.#probedAt === null) {
      this.#probe()
    }
  }

  #probe (): void {
    if (!isReady(this.#clients.commands) || !isReady(this.#clients.subscriber)) return
    // Backends are to be heard as well, which no probe proves.
    if (!this.#subscribed) return this.#subscribe()
    this.#probedAt = performance.now()
    this.#publish(this.#node, Kind.probe)
  }

  #proved (): void {
    if (this.#probedAt !== null) this.counts.probeSeconds = (performance.now() - this.#probedAt) / 1000
    this.#probedAt = null
    this.#extend()
    this.#trouble.ends()
    if (this.#alive) return
    this.#alive = true
    this.#onProof()
    this.#log.info({}, 'other nodes can be reached')
    this.#events.restored()
  }

  #extend (): void {
    this.#deadline = performance.now() + PROBE_INTERVAL + this.#timeout
  }

  #fail (reason: string): void {
    this.#probedAt = null
    if (!this.#alive) return
    this.#alive = false
    this.#trouble.begins(reason)
  }

  /** Begins anew: what is half open would stay so, whichever of the two it is. */
  #reconnect (): void {
    this.#extend()
    for (const client of [this.#clients.commands, this.#clients.subscriber]) {
      // A client of a Redis Cluster looks after its connections itself.
      if (!client.isCluster && OPEN.has(client.status)) client.disconnect(true)
    }
    if (this.#clients.subscriber.isCluster && isReady(this.#clients.subscriber)) this.#subscribe()
  }
}

/** States of a client with a connection of which it believes that it is open. */
const OPEN = new Set(['connect', 'ready'])
