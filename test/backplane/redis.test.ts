import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { RedisBackplane } from '../../src/backplane/redis/backplane.js'
import { silent, type Logger } from '../../src/core/logger.js'
import { eventually } from '../helper.js'
import { startRedis, type RedisServer } from '../redis.js'
import { TcpProxy } from '../tcp-proxy.js'
import { Node, testBackplane } from './contract.js'

const options = { host: '127.0.0.1', enableOfflineQueue: false, autoResubscribe: false, maxRetriesPerRequest: 0 }

/** Seconds. */
const TIMEOUT = 3
const NODE_TTL = 10

interface More { prefix?: string, nodeTtl?: number, log?: Logger }

async function createBackplane (
  t: Test, { port }: { port: number }, { prefix = 'symple', nodeTtl = NODE_TTL, log = silent }: More = {}
): Promise<RedisBackplane> {
  const client = (more: object) => new Redis({ ...options, port, retryStrategy: () => 20, ...more })
  const clients = { commands: client({ commandTimeout: TIMEOUT * 1000 }), subscriber: client({}) }
  for (const client of Object.values(clients)) {
    client.on('error', () => {})
    t.teardown(() => { client.disconnect() })
    await eventually(() => client.status === 'ready', 'a connection')
  }
  return new RedisBackplane({ clients, prefix, nodeTtl, timeout: TIMEOUT, log })
}

async function startNode (t: Test, redis: { port: number }, nodes: Node[], more?: More): Promise<Node> {
  const node = new Node(await createBackplane(t, redis, more), nodes)
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
  const stranger = await startNode(t, redis, [], { prefix: 'other' })
  const backend = redis.client()
  const payloads = ['{"type":"event"}', '', 'no JSON', 'é😀']
  for (const payload of payloads) t.equal(await backend.publish('symple:broadcast', payload), 3)
  await eventually(() => nodes.every(({ emissions }) => emissions.length >= payloads.length), 'all emissions')
  for (const { emissions, packets } of nodes) t.strictSame([emissions, packets], [payloads, []])
  t.strictSame(stranger.emissions, [], 'one with another prefix')
})

t.test('keeps servers with different prefixes apart', async t => {
  const redis = await startRedis(t)
  const one = await startNode(t, redis, [], { prefix: 'one' })
  const two = await startNode(t, redis, [], { prefix: 'two' })
  const namesake = await startNode(t, redis, [], { prefix: 'one' })
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

/** What a Redis is asked to do, by whom, as it is. */
async function listenIn (t: Test, { port }: RedisServer, hear: (command: string, by: string) => void): Promise<void> {
  // The monitor of ioredis fails where commands come with the answer to MONITOR.
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  const lines = createInterface({ input: socket })
  lines.on('line', line => {
    const [, by = '', args = ''] = /^\+[\d.]+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
    if (args !== '') hear(args.replaceAll('"', '').toLowerCase(), by)
  })
  socket.write('MONITOR\r\n')
  await once(lines, 'line')
}

t.test('gives up no node whose lease is missing once', async t => {
  const redis = await startRedis(t)
  const nodes: Node[] = []
  const a = await startNode(t, redis, nodes, { nodeTtl: 1 })
  const b = await startNode(t, redis, nodes, { nodeTtl: 1 })
  const client = redis.client()
  const lease = `symple:node:${a.id}`
  /** Whether it was there at each look of the other node. */
  const looks: boolean[] = []
  let isThere = true
  let isWithheld = false
  let watcher = ''
  await listenIn(t, redis, (command, by) => {
    if (command.startsWith(`set symple:node:${b.id}`)) watcher = by
    if (command === `del ${lease}`) isThere = false
    if (command.startsWith(`set ${lease}`)) {
      isThere = true
      if (isWithheld) client.del(lease)
    }
    if (command !== `exists ${lease}` || by !== watcher) return
    looks.push(isThere)
    if (!isThere) isWithheld = false
  })
  await eventually(() => looks.length > 5, 'looks by which it may judge')
  for (let i = 0; i < 3; i++) {
    isWithheld = true
    await client.del(lease)
    await eventually(() => !isWithheld && looks.at(-1)!, 'a look that misses it, and one that finds it')
  }
  t.ok(looks.filter(found => !found).length >= 3)
  t.strictSame(b.lost, [])
})

/** Two nodes whose leases are short, of which one can be cut off. */
async function startPair (t: Test) {
  const redis = await startRedis(t)
  const proxy = await TcpProxy.to(t, redis.port)
  const nodes: Node[] = []
  const far = await startNode(t, proxy, nodes, { nodeTtl: 1 })
  const near = await startNode(t, redis, nodes, { nodeTtl: 1 })
  return { redis, proxy, far, near }
}

t.test('renews its lease before it says anything to others, where it was cut off', async t => {
  const { redis, proxy, far, near } = await startPair(t)
  for (let i = 0; i < 3; i++) {
    proxy.cut()
    await eventually(() => near.lost.length > i, 'that it is given up')
    const said: string[] = []
    await listenIn(t, redis, command => {
      if (command.startsWith(`set symple:node:${far.id}`)) said.push('lease')
      if (command.startsWith(`publish symple:inbox:${near.id}`) && command.includes(far.id)) said.push('word')
    })
    proxy.heal()
    await eventually(() => said.includes('word'), 'a word of it')
    t.equal(said[0], 'lease')
    await eventually(() => far.backplane.connected, 'its connection')
  }
})

t.test('a node that was given up and is there after all misses nothing without knowing', async t => {
  const { proxy, near: speaker, far: hearer } = await startPair(t)
  for (const text of ['1', '2', '3']) t.ok(speaker.post(hearer, text))
  await eventually(() => hearer.packets.length === 3, 'what was said before')
  proxy.cut()
  await eventually(() => speaker.lost.includes(hearer.id), 'it is given up')
  t.ok(speaker.post(hearer, 'lost'))
  await speaker.backplane.emit(Buffer.from('behind what is lost'))
  proxy.heal()
  await eventually(() => hearer.backplane.connected, 'it is back')
  for (const text of ['4', '5']) t.ok(speaker.post(hearer, text))
  await eventually(() => hearer.packets.some(([, text]) => text === '5'), 'what is said then')
  t.strictSame(hearer.packets.map(([, text]) => text), ['1', '2', '3', '4', '5'])
  t.equal(hearer.backplane.counts.gaps, 1)
})

t.test('puts right what it could not say since too much was under way', async t => {
  const redis = await startRedis(t)
  const node = await startNode(t, redis, [], { nodeTtl: 1 })
  await eventually(() => node.restorations === 1, 'its start')
  const packet = Buffer.alloc(2 ** 20)
  let taken = 0
  while (node.backplane.post('another', packet)) taken++
  t.ok(taken >= 60)
  await eventually(() => node.restorations === 2, 'it begins anew')
})

t.test('takes any fraction of a second', async t => {
  const redis = await startRedis(t)
  const { id } = await startNode(t, redis, [], { nodeTtl: 2.01 })
  t.equal(await redis.client().exists(`symple:node:${id}`), 1)
})

t.test('says once that nobody can be judged by a lease for long, and when it can be again', async t => {
  const redis = await startRedis(t)
  const slow = await TcpProxy.to(t, redis.port)
  const lost = await TcpProxy.to(t, redis.port)
  const nodes: Node[] = []
  const lines: Array<[level: string, line: Record<string, unknown>]> = []
  const keep = (level: string) => (details: object, message: string) => {
    if (message.includes('nodes that are gone')) lines.push([level, { ...details, message }])
  }
  const log = { ...silent, info: keep('info'), warn: keep('warn') }
  const beginning = Date.now()
  const judge = await startNode(t, slow, nodes, { nodeTtl: 1, log })
  const dead = await startNode(t, lost, nodes, { nodeTtl: 1 })
  const { backplane } = judge
  // More than a sixth of a lease's life, both ways together.
  slow.delay(() => 100)
  lost.cut()
  const unjudged: number[] = []
  await eventually(() => {
    unjudged.push(backplane.counts.unjudgedSeconds)
    return unjudged.at(-1)! > 5
  }, 'that it goes on and on')
  t.ok(unjudged.every(seconds => seconds === 0 || seconds > 3), 'no metric before the log')
  // On a busy machine the last of many reasons may be another.
  const reason = /^(a look at the leases took \d+ ms|this node or Redis stood still)$/
  t.match(lines, [['warn', { reason, since: String, message: 'nodes that are gone are not noticed' }]])
  const since = Date.parse(String(lines[0]![1]['since']))
  t.ok(since + 10 >= beginning && since <= Date.now() - 3000, 'since it judged for the last time, or began')
  t.equal(backplane.connected, true)
  t.strictSame(judge.lost, [])
  slow.delay(() => 0)
  await eventually(() => lines.length > 1, 'the end of it')
  t.match(lines[1], ['info', { seconds: Number, message: 'nodes that are gone are noticed again' }])
  t.ok(Number(lines[1]![1]['seconds']) >= 5)
  t.equal(backplane.counts.unjudgedSeconds, 0)
  await eventually(() => judge.lost.includes(dead.id), 'that the dead one is noticed')
  const broken = await TcpProxy.to(t, redis.port)
  const another = await startNode(t, broken, nodes, { nodeTtl: 1 })
  broken.cut()
  await eventually(() => judge.lost.includes(another.id), 'that one more is noticed, after some looks')
  t.equal(lines.length, 2)
  slow.delay(() => 100)
  await eventually(() => lines.length > 2, 'that it is said again')
  slow.delay(() => 0)
  await eventually(() => lines.length > 3, 'the end of that')
  t.strictSame(lines.map(([level]) => level), ['warn', 'info', 'warn', 'info'])
})
