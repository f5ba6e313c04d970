import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { metric, ready, startNode, startNodes } from '../cluster/nodes.js'
import { eventually, TestClient } from '../helper.js'
import type { ServerProcess } from '../process.js'
import { startRedis } from '../redis.js'
import { Endpoints } from './endpoints.js'
import { startHaproxy } from './haproxy.js'
import { Manifests } from './manifests.js'
import { Regulars } from './regulars.js'
import { GRACE, SPARE } from './tools.js'

/** By how much the timings of the manifests are shortened. */
const SCALE = 10

/** Seconds that are not: what the process allows itself, and what is to spare. */
const UNSCALED = GRACE + SPARE

const CLIENTS = 24

/** The default, in seconds: a node that is late on a busy machine is not taken for dead. */
const NODE_TTL = '10'

/** Seconds. */
const sleep = async (seconds: number) => { await delay(seconds * 1000) }

/** Three nodes behind a Service, with clients that stay and some that come and go; and what a rollout does to nodes. */
async function deploy (t: Test) {
  const manifests = await Manifests.ofKustomize('base')
  const { maxSurge, maxUnavailable } = manifests.get('Deployment').spec!.strategy!.rollingUpdate!
  t.strictSame([maxSurge, maxUnavailable], [1, 0], 'a new one first')
  const preStop = manifests.preStop / SCALE
  const drain = manifests.drain / SCALE
  const grace = (manifests.pod.terminationGracePeriodSeconds! - UNSCALED) / SCALE + UNSCALED
  const env = { SYMPLE_DRAIN_SECONDS: String(drain), SYMPLE_NODE_TTL: NODE_TTL }

  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, env)
  const service = await Endpoints.start(t)
  for (const { port } of nodes) service.add(port)
  const regulars = new Regulars(t, service.url)
  await regulars.gather(CLIENTS)
  return {
    nodes,
    regulars,
    add: async () => {
      const node = await startNode(t, redis.url, env)
      await ready(node)
      service.add(node.port)
      return node
    },
    terminate: async (node: ServerProcess) => {
      await terminate(t, node, { preStop, grace, heard: () => { service.remove(node.port) } })
    }
  }
}

t.test('as Kubernetes does it, with the timings of the manifests', async t => {
  const { nodes, regulars, add, terminate } = await deploy(t)
  const fresh: ServerProcess[] = []
  for (const node of nodes) {
    fresh.push(await add())
    await terminate(node)
  }
  // Who is sent away goes to the new node, which has the fewest; where several have as few, to any.
  await checkOutcome(t, regulars, fresh, { most: 1.25 })
})

t.test('the same with maxSurge: 100%, all at once', async t => {
  const { nodes, regulars, add, terminate } = await deploy(t)
  const fresh = [await add(), await add(), await add()]
  await Promise.all(nodes.map(terminate))
  await checkOutcome(t, regulars, fresh, { most: 1 })
})

t.test('with docker compose: one node after the other in its place, behind HAProxy', async t => {
  const env = { SYMPLE_DRAIN_SECONDS: '1', SYMPLE_NODE_TTL: NODE_TTL }
  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, env)
  const proxy = `ws://${await startHaproxy(t, nodes.map(({ port }) => port))}/`
  const regulars = new Regulars(t, proxy)
  await regulars.gather(CLIENTS)

  for (const [i, { port }] of nodes.entries()) {
    t.strictSame(await nodes[i]!.stop(), { code: 0, signal: null })
    nodes[i] = await startNode(t, redis.url, { ...env, SYMPLE_PORT: String(port) })
    await ready(nodes[i]!)
    await found(proxy, nodes[i]!)
  }
  // A third comes back twice: whoever was on the first node has nowhere to go but to those that are still to go.
  await checkOutcome(t, regulars, nodes, { most: 1.5 })
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

/** Waits until the load balancer has found a node: it has the fewest clients, so whoever comes next is sent there. */
async function found (proxy: string, node: ServerProcess): Promise<void> {
  const id = await nodeAt(node.url)
  await eventually(async () => await nodeAt(proxy) === id, 'the load balancer has found it')
}

/** The id of the node that one comes to. */
async function nodeAt (url: string): Promise<string> {
  const client = new TestClient(url)
  await client.authenticate({ user: 'scout' })
  client.ws.close()
  await client.closed
  return client.peer.id.split('-')[0]!
}

/**
 * That nobody was refused, that each came back once each time that its node went, and that all is as it should be.
 *
 * @param most how often a client may have been sent away, on an average
 */
async function checkOutcome (
  t: Test, regulars: Regulars, nodes: readonly ServerProcess[], { most }: { most: number }
): Promise<void> {
  await regulars.settle()
  t.strictSame(regulars.refusals, [], 'nobody is refused')
  for (const { who, attempts, departures } of regulars.all) {
    t.equal(attempts, 1 + departures, `${who.user} comes back at the first attempt`)
  }
  const departures = regulars.all.reduce((sum, regular) => sum + regular.departures, 0)
  t.ok(departures >= CLIENTS, 'all were sent away')
  t.ok(departures <= CLIENTS * most, 'and few of them onto a node that was still to go')
  t.ok(regulars.visits > 0, 'others came in all the while')
  for (const node of nodes) {
    for (const fault of ['gaps', 'probes_lost', 'sweeps']) t.equal(await metric(node, `symple_backplane_${fault}_total`), 0, fault)
  }
  t.comment(`${departures / CLIENTS} reconnections a client, ${regulars.visits} visits`)
}
