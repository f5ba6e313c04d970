import fp from 'fastify-plugin'
import { collectDefaultMetrics, Counter, Gauge, Registry, type Metric } from 'prom-client'
import type { Histogram } from '../src/core/stats.js'
import { share } from './shared-registry.js'

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Registry
  }
}

export interface MetricsOptions {
  /** A registry of the gateway: it gets all metrics too, with the prefix as the label `mount`. */
  registry?: Registry | undefined
  /** Whether metrics of the process are among them. */
  process?: boolean
}

/** Decorates the instance with a registry of what the service counts; it is read when somebody asks. */
export default fp<MetricsOptions>(async (fastify, { registry: shared, process = false }) => {
  const { config, symple } = fastify
  const { stats } = symple
  const registry = new Registry()
  if (process) collectDefaultMetrics({ register: registry })
  const registers = [registry]

  const gauge = (name: string, help: string, value: () => number) => new Gauge({
    name, help, registers, collect () { this.set(value()) }
  })
  const counter = (name: string, help: string, value: () => number) => new Counter({
    name, help, registers, collect () { this.reset(); this.inc(value()) }
  })
  const counters = (name: string, help: string, label: string, values: () => Iterable<[string | number, number]>) =>
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect () {
        this.reset()
        for (const [key, value] of values()) this.inc({ [label]: key }, value)
      }
    })

  gauge('symple_open_connections', 'WebSocket connections that are open.', () => symple.gauges.connections)
  gauge('symple_max_connections', 'Connections that there may be at a time; 0: any number.', () => config.limits.maxConnections)
  gauge('symple_peers', 'Peers that are online.', () => symple.gauges.peers)
  gauge('symple_virtual_peers', 'Peers of the application\'s own, which have no connection.', () => symple.gauges.virtuals)
  gauge('symple_users', 'Users with at least one peer online.', () => symple.gauges.users)
  gauge('symple_rooms', 'Ordinary rooms with at least one member.', () => symple.gauges.rooms)
  gauge('symple_outbox_bytes', 'Bytes written to peers that have not left yet.', () => symple.gauges.unsent)
  gauge('symple_ready', '1 while new connections are accepted, else 0.', () => fastify.impediments().length === 0 ? 1 : 0)

  counter('symple_connections_total', 'WebSocket connections that were opened.', () => stats.connections)
  counter('symple_deliveries_total', 'Messages given to recipients, each recipient counted.', () => stats.deliveries)
  counter('symple_received_bytes_total', 'Bytes of messages received from clients.', () => stats.bytesIn)
  counter('symple_sent_bytes_total', 'Bytes of frames written to clients.', () => stats.bytesOut)
  counters('symple_messages_received_total', 'Messages received from clients, by type.', 'type', () => Object.entries(stats.received))
  counters('symple_authentications_total', 'Attempts to authenticate, by outcome.', 'outcome', () => Object.entries(stats.auths))
  counters('symple_messages_dropped_total', 'Messages dropped, wholly or for some of their rooms, by reason.', 'reason', () => Object.entries(stats.drops))
  counters('symple_limits_exceeded_total', 'Times that a limit was exceeded, by limit.', 'limit', () => Object.entries(stats.limits))
  counters('symple_connections_closed_total', 'WebSocket connections that ended, by close code.', 'code', () => stats.closes)

  const { apiCounts } = fastify
  counter('symple_api_keys_refused_total', 'Requests to the HTTP API with a key that is not valid.', () => apiCounts.refused)
  registry.registerMetric(new Counter({
    name: 'symple_api_requests_total',
    help: 'Requests to the HTTP API, by route and kind of status.',
    labelNames: ['route', 'status'],
    registers: [],
    collect () {
      this.reset()
      for (const { route, status, count } of apiCounts.requests) this.inc({ route, status }, count)
    }
  }))

  const { backplane } = fastify
  gauge('symple_backplane_connected', '1 while other nodes can be reached, else 0.', () => backplane.connected ? 1 : 0)
  gauge('symple_backplane_probe_seconds', 'Time that the last publication to itself took.', () => backplane.counts.probeSeconds)
  gauge('symple_remote_peers', 'Peers of other nodes that share a room with peers of this one.', () => symple.gauges.remotes)
  counter('symple_backplane_published_total', 'Packets published to other nodes.', () => backplane.counts.published)
  counter('symple_backplane_failed_total', 'Packets that could not be published.', () => backplane.counts.failed)
  counter('symple_backplane_received_total', 'Packets received from other nodes.', () => backplane.counts.received)
  counter('symple_backplane_gaps_total', 'Times that packets of another node were missing.', () => backplane.counts.gaps)
  counter('symple_backplane_probes_lost_total', 'Publications to itself that did not come back.', () => backplane.counts.probesLost)
  counter('symple_backplane_sweeps_total', 'Dead nodes after which this node cleared up.', () => backplane.counts.sweeps)
  gauge('symple_backplane_unjudged_seconds', 'Time for which this node has not been able to tell which others are gone; 0 while that is no longer than usual.', () => backplane.counts.unjudgedSeconds)
  counters('symple_cluster_entries_total', 'What was said between nodes, by what became of it: messages, and changes of who is where.', 'outcome', () => {
    const { sent, lost, received, ignored } = stats.cluster
    return Object.entries({ sent, lost, received, ignored })
  })
  counter('symple_cluster_resyncs_total', 'Times that all rooms were compared with other nodes.', () => stats.cluster.resyncs)
  counter('symple_emissions_total', 'Messages that backends emitted.', () => stats.emissions.received)
  counter('symple_emissions_malformed_total', 'Messages of backends that made no sense.', () => stats.emissions.malformed)

  registry.registerMetric(exported('symple_message_recipients', 'Recipients of a routed message on this node.', stats.fanout))
  registry.registerMetric(exported('symple_message_handling_seconds', 'Time from reading a message to having queued it for all recipients.', stats.routing))

  fastify.decorate('metrics', shared ?? registry)
  if (shared === undefined) return
  const withdraw = share(registry, shared, fastify.prefix || '/')
  fastify.addHook('onClose', async () => { withdraw() })
}, {
  name: 'symple-metrics',
  fastify: '5.x',
  dependencies: ['symple-config', 'symple-redis', 'symple-readiness', 'symple-api-counts']
})

/** prom-client's own histogram costs a look-up by label for each message: ours has counted already. */
function exported (name: string, help: string, histogram: Histogram): Metric {
  const get = async () => {
    let cumulative = 0
    const buckets = histogram.counts.map((count, i) => {
      cumulative += count
      return { metricName: `${name}_bucket`, labels: { le: histogram.bounds[i] ?? '+Inf' }, value: cumulative }
    })
    return {
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values: [
        ...buckets,
        { metricName: `${name}_sum`, labels: {}, value: histogram.sum },
        { metricName: `${name}_count`, labels: {}, value: histogram.count }
      ]
    }
  }
  return { name, help, get } as unknown as Metric
}
