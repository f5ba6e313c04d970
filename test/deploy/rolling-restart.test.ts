import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { metric, ready, startNode, startNodes } from '../cluster/nodes.js'
import type { ServerProcess } from '../process.js'
import { startRedis } from '../redis.js'
import { Endpoints } from './endpoints.js'
import { startHaproxy } from './haproxy.js'
import { Manifests } from './manifests.js'
import { Regulars } from './regulars.js'
import { GRACE } from './tools.js'

/** By how much the timings of the manifests are shortened. */
const SCALE = 10

const CLIENTS = 24

/** The default, in seconds: a node that is late on a busy machine is not taken for dead. */
const NODE_TTL = '10'

/** Seconds. */
const sleep = async (seconds: number) => { await delay(seconds * 1000) }

t.test('as Kubernetes does it, with the timings of the manifests', async t => {
  const manifests = await Manifests.ofKustomize('base')
  const { maxSurge, maxUnavailable } = manifests.get('Deployment').spec!.strategy!.rollingUpdate!
  t.strictSame([maxSurge, maxUnavailable], [1, 0], 'the order below')
  const preStop = manifests.preStop / SCALE
  const drain = manifests.drain / SCALE
  // What the process allows itself is not shortened.
  const grace = (manifests.pod.terminationGracePeriodSeconds! - GRACE) / SCALE + GRACE
  const env = { SYMPLE_DRAIN_SECONDS: String(drain), SYMPLE_NODE_TTL: NODE_TTL }

  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, env)
  const service = await Endpoints.start(t)
  for (const { port } of nodes) service.add(port)
  const regulars = new Regulars(t, service.url)
  await regulars.gather(CLIENTS)

  const fresh: ServerProcess[] = []
  for (const node of nodes) {
    const next = await startNode(t, redis.url, env)
    await ready(next)
    service.add(next.port)
    fresh.push(next)
    await terminate(t, node, { preStop, grace, heard: () => { service.remove(node.port) } })
  }
  await checkOutcome(t, regulars, fresh)
})

t.test('with docker compose: one node after the other in its place, behind HAProxy', async t => {
  const env = { SYMPLE_DRAIN_SECONDS: '1', SYMPLE_NODE_TTL: NODE_TTL }
  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, env)
  const regulars = new Regulars(t, `ws://${await startHaproxy(t, nodes.map(({ port }) => port))}/`)
  await regulars.gather(CLIENTS)

  for (const [i, { port }] of nodes.entries()) {
    t.strictSame(await nodes[i]!.stop(), { code: 0, signal: null })
    nodes[i] = await startNode(t, redis.url, { ...env, SYMPLE_PORT: String(port) })
    await ready(nodes[i]!)
  }
  await checkOutcome(t, regulars, nodes)
})

interface Termination {
  /** Seconds. */
  preStop: number
  /** Seconds after which what is left is killed. */
  grace: number
  /** Is called when the last proxy has heard that the pod goes. */
  heard: () => void
}

/** What the kubelet does to a pod that is to go. */
async function terminate (t: Test, node: ServerProcess, { preStop, grace, heard }: Termination): Promise<void> {
  const killer = setTimeout(() => { node.child.kill('SIGKILL') }, grace * 1000)
  await sleep(preStop / 2)
  heard()
  await sleep(preStop / 2)
  t.strictSame(await node.stop('SIGTERM'), { code: 0, signal: null }, 'it ends in time')
  clearTimeout(killer)
}

/** That nobody was refused, that each came back once each time that its node went, and that all is as it should be. */
async function checkOutcome (t: Test, regulars: Regulars, nodes: readonly ServerProcess[]): Promise<void> {
  await regulars.settle()
  t.strictSame(regulars.refusals, [], 'nobody is refused')
  for (const { who, attempts, departures } of regulars.all) {
    t.equal(attempts, 1 + departures, `${who.user} comes back at the first attempt`)
  }
  const departures = regulars.all.reduce((sum, regular) => sum + regular.departures, 0)
  t.ok(departures >= CLIENTS, 'all were sent away, some onto a node that was still to go')
  t.ok(departures <= CLIENTS * 3, 'by three nodes')
  t.ok(regulars.visits > 0, 'others came in all the while')
  for (const node of nodes) {
    for (const fault of ['gaps', 'probes_lost', 'sweeps']) t.equal(await metric(node, `symple_backplane_${fault}_total`), 0, fault)
  }
  t.comment(`${departures / CLIENTS} reconnections a client, ${regulars.visits} visits`)
}
