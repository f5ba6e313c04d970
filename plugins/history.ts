import { hostname } from 'node:os'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import fp from 'fastify-plugin'
import { FIGURE_NAMES, type Figure } from '../src/core/figures.js'
import { History } from '../src/core/history.js'
import { quantileOf, type Stats } from '../src/core/stats.js'
import type { Symple } from '../src/core/symple.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** What this node was doing over the last minutes; null: nobody is to look at it. */
    history: NodeHistory | null
  }
}

export interface NodeHistory extends Pick<History<Figure>, 'after'> {
  /** Whose it is. `started` is ISO 8601. */
  readonly node: { readonly id: string, readonly host: string, readonly pid: number, readonly started: string }
  /** Seconds between two samples. */
  readonly interval: number
  /** Seconds for which they are kept. */
  readonly span: number
}

const INTERVAL = 3
const SPAN = 15 * 60

/** Milliseconds between two looks at how late timers are. */
const RESOLUTION = 20

/** Decorates the instance with a history, where the console is on: else nothing is sampled, and no timer runs. */
export default fp(async (fastify) => {
  if (fastify.config.consoleKeys.length === 0) {
    fastify.decorate('history', null)
    return
  }
  const history = new History(FIGURE_NAMES, SPAN / INTERVAL)
  const sampler = new Sampler(fastify.symple as Symple)
  const timer = setInterval(() => { history.add(Date.now(), sampler.take()) }, INTERVAL * 1000)
  timer.unref()
  const { node: id, started } = fastify.backplane
  const node = { id, host: hostname(), pid: process.pid, started }
  fastify.decorate('history', { node, interval: INTERVAL, span: SPAN, after: time => history.after(time) })
  fastify.addHook('onClose', async () => {
    clearInterval(timer)
    sampler.stop()
  })
}, { name: 'symple-history', fastify: '5.x', dependencies: ['symple-redis', 'symple-service'] })

type Sample = Record<Figure, number | null>

/** Tells what there is, and what has happened since it was last asked. */
class Sampler {
  readonly #symple: Symple
  readonly #loop = monitorEventLoopDelay({ resolution: RESOLUTION })
  #totals: Record<string, number>
  #buckets: number[]
  #time = performance.now()
  #cpu = process.cpuUsage()
  #used = performance.eventLoopUtilization()

  constructor (symple: Symple) {
    this.#symple = symple
    this.#totals = totalsOf(symple.stats)
    this.#buckets = [...symple.stats.routing.counts]
    this.#loop.enable()
  }

  take (): Sample {
    const { connections, peers, virtuals, users, rooms, unsent } = this.#symple.gauges
    const now = performance.now()
    const seconds = (now - this.#time) / 1000
    this.#time = now
    const there = { connections, peers, virtuals, users, rooms, unsent, seconds }
    const sample = { ...there, ...this.#counts(), ...this.#times(), ...this.#process(seconds) }
    return Object.fromEntries(Object.entries(sample).map(([name, value]) => [name, rounded(value)])) as Sample
  }

  stop (): void {
    this.#loop.disable()
  }

  #counts (): Record<string, number> {
    const before = this.#totals
    this.#totals = totalsOf(this.#symple.stats)
    return Object.fromEntries(Object.entries(this.#totals).map(([name, total]) => [name, total - before[name]!]))
  }

  #times (): Pick<Sample, 'p50' | 'p99'> {
    const { bounds, counts } = this.#symple.stats.routing
    const delta = counts.map((count, i) => count - this.#buckets[i]!)
    this.#buckets = [...counts]
    return { p50: quantileOf(bounds, delta, 0.5), p99: quantileOf(bounds, delta, 0.99) }
  }

  #process (seconds: number): Pick<Sample, 'delay' | 'busy' | 'cpu' | 'rss' | 'heap'> {
    const { user, system } = process.cpuUsage(this.#cpu)
    this.#cpu = process.cpuUsage()
    const { utilization } = performance.eventLoopUtilization(this.#used)
    this.#used = performance.eventLoopUtilization()
    // What is measured is the time between two looks, not how late the second was.
    const delay = Math.max(0, this.#loop.percentile(99) / 1e9 - RESOLUTION / 1000)
    this.#loop.reset()
    const { rss, heapUsed } = process.memoryUsage()
    return { delay, busy: utilization, cpu: (user + system) / 1e6 / seconds, rss, heap: heapUsed }
  }
}

/** Whole numbers are left alone; of others, four digits are more than anybody reads. */
function rounded (value: number | null): number | null {
  return value === null || Number.isInteger(value) ? value : Number(value.toPrecision(4))
}

/** What only grows, by the names of figures. */
function totalsOf (stats: Stats): Record<string, number> {
  const { connections: opened, deliveries, bytesIn, bytesOut } = stats
  const received = Object.values(stats.received).reduce((sum, count) => sum + count, 0)
  return {
    opened,
    received,
    deliveries,
    bytesIn,
    bytesOut,
    ...named('dropped', stats.drops),
    ...named('auth', stats.auths),
    ...named('exceeded', stats.limits)
  }
}

function named (kind: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([key, count]) => [`${kind}.${key}`, count]))
}
