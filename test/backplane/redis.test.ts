import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { RedisBackplane } from '../../src/backplane/redis/backplane.js'
import { silent } from '../../src/core/logger.js'
import { eventually } from '../helper.js'
import { startRedis, type RedisServer } from '../redis.js'
import { Node, testBackplane } from './contract.js'

const options = { host: '127.0.0.1', enableOfflineQueue: false, autoResubscribe: false, maxRetriesPerRequest: 0 }

/** Seconds. */
const TIMEOUT = 3
const NODE_TTL = 10

async function createBackplane (t: Test, { port }: RedisServer, prefix = 'symple'): Promise<RedisBackplane> {
  const connect = (more: object) => new Redis({ ...options, port, retryStrategy: () => 20, ...more })
  const clients = { commands: connect({ commandTimeout: TIMEOUT * 1000 }), subscriber: connect({}) }
  for (const client of Object.values(clients)) {
    client.on('error', () => {})
    t.teardown(() => { client.disconnect() })
    await eventually(() => client.status === 'ready', 'a connection')
  }
  return new RedisBackplane({ clients, prefix, nodeTtl: NODE_TTL, timeout: TIMEOUT, log: silent })
}

async function startNode (t: Test, redis: RedisServer, nodes: Node[], prefix?: string): Promise<Node> {
  const node = new Node(await createBackplane(t, redis, prefix), nodes)
  t.teardown(() => node.backplane.stop())
  await node.backplane.start(node)
  return node
}

testBackplane(t, async t => {
  const redis = await startRedis(t)
  return {
    create: () => createBackplane(t, redis),
    cut: () => redis.kill(),
    mend: () => redis.start()
  }
})

t.test('is connected when it has started', async t => {
  const redis = await startRedis(t)
  const node = await startNode(t, redis, [])
  t.equal(node.backplane.connected, true)
  t.equal(node.backplane.alone, false, 'others may come at any time')
})

t.test('hands what backends emit to each node', async t => {
  const redis = await startRedis(t)
  const nodes: Node[] = []
  for (let i = 0; i < 3; i++) await startNode(t, redis, nodes)
  const stranger = await startNode(t, redis, [], 'other')
  const backend = redis.client()
  const payloads = ['{"type":"event"}', '', 'no JSON', 'é😀']
  for (const payload of payloads) t.equal(await backend.publish('symple:broadcast', payload), 3)
  await eventually(() => nodes.every(({ emissions }) => emissions.length >= payloads.length), 'all emissions')
  for (const { emissions, packets } of nodes) t.strictSame([emissions, packets], [payloads, []])
  t.strictSame(stranger.emissions, [], 'one with another prefix')
})

t.test('keeps servers with different prefixes apart', async t => {
  const redis = await startRedis(t)
  const one = await startNode(t, redis, [], 'one')
  const two = await startNode(t, redis, [], 'two')
  const namesake = await startNode(t, redis, [], 'one')
  one.enter('room:x', 'a')
  await eventually(async () => (await namesake.read('room:x'))?.length === 1, 'it is written')
  t.strictSame(await two.read('room:x'), [])
  t.strictSame((await redis.client().keys('*')).filter(key => !/^(one|two):/.test(key)), [])
})

t.test('leaves nothing in Redis when all nodes have ended', async t => {
  const redis = await startRedis(t)
  const nodes: Node[] = []
  for (let i = 0; i < 2; i++) await startNode(t, redis, nodes)
  for (const node of nodes) {
    for (let i = 0; i < 250; i++) node.enter(`room:${i}`, 'x')
  }
  await eventually(async () => (await nodes[0]!.read('room:249'))?.length === 1, 'it is written')
  for (const node of nodes) await node.backplane.stop()
  t.strictSame(await redis.client().keys('*'), [])
})

t.test('survives publications that are none of a node', async t => {
  const redis = await startRedis(t)
  const nodes: Node[] = []
  const node = await startNode(t, redis, nodes)
  const other = await startNode(t, redis, nodes)
  const backend = redis.client()
  const wrong = ['', 'x', '\u0001', 'no packet', '\u0001\u0000\u0000\u0000\u0001\u00ff', '\u0009\u0000\u0000\u0000\u0000\u0000']
  for (const text of wrong) await backend.publish(`symple:inbox:${node.id}`, Buffer.from(text, 'latin1'))
  t.equal(other.post(node, 'well-formed'), true)
  await eventually(() => node.packets.some(([, text]) => text === 'well-formed'), 'the packet')
  t.ok(node.packets.every(([from, text]) => text === 'well-formed' ? from === other.id : text === ''), 'nothing is taken for a packet')
  t.equal(node.backplane.connected, true)
})
