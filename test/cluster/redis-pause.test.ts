import t from 'tap'
import { eventually } from '../helper.js'
import type { ServerProcess } from '../process.js'
import { startRedis } from '../redis.js'
import { TcpProxy } from '../tcp-proxy.js'
import { Crowd } from './crowd.js'
import { directoryExact, metric, readiness, ready, startNode, startNodes, unready } from './nodes.js'

/** Bytes by which a node may grow while it can't hand on what comes: far less than what comes. */
const GROWTH = 50e6

const warnings = (node: ServerProcess) => node.log.filter(({ level, msg }) => level >= 40 && msg.includes('other nodes'))

t.test('a Redis that stands still: nodes go on by themselves, say so once, and are exact again after it', async t => {
  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, { SYMPLE_REDIS_TIMEOUT: '1', SYMPLE_NODE_TTL: '2' })
  const crowd = new Crowd(t)
  for (const [i, { url }] of nodes.entries()) {
    for (let j = 0; j < 3; j++) await crowd.enter(url, { user: `user${j}`, rooms: ['lobby', `room${i}`] })
  }
  await crowd.exact()
  const [a, b] = crowd.players
  const stayed = crowd.players.map(({ address }) => address)
  const before = await Promise.all(nodes.map(async node => await metric(node, 'process_resident_memory_bytes')))
  crowd.mark()
  redis.pause()
  // Each message is heard before the next is sent, for as long as it takes until the node knows, and long after.
  const blob = 'x'.repeat(10_000)
  const talk = async (text: string) => {
    a!.client.send({ type: 'message', to: 'lobby', text, blob })
    await b!.client.find(frame => frame['text'] === text)
  }
  let sent = 0
  await eventually(async () => {
    await talk(`message ${++sent}`)
    return (await readiness(nodes[0]!)).status === 503
  }, 'a node that is not ready')
  t.match(await readiness(nodes[0]!), { status: 503, reasons: ['Redis can not be reached'] })
  for (const node of nodes) await unready(node)
  for (let i = 0; i < 10_000; i++) await talk(`message ${++sent}`)
  const newcomer = await crowd.enter(nodes[0]!.url, { user: 'newcomer', rooms: ['lobby', 'new'] })
  t.ok(newcomer.client.roster[a!.address], 'a newcomer sees who is on its node')
  crowd.publish(crowd.players[4]!, { mood: 'calm' })
  crowd.leave(crowd.players[8]!, 'lobby')
  await crowd.part(crowd.players[5]!)
  // All leases have run out, and many probes were lost: what stands still is not reached by trying again.
  await eventually(async () => await metric(nodes[1]!, 'symple_backplane_probes_lost_total') >= 1, 'a probe that is lost')
  const after = await Promise.all(nodes.map(async node => await metric(node, 'process_resident_memory_bytes')))
  for (const [i, bytes] of after.entries()) t.ok(bytes - before[i]! < GROWTH, `memory grew by ${bytes - before[i]!}`)
  for (const node of nodes) t.equal(warnings(node).length, 1, 'said once')
  redis.resume()
  for (const node of nodes) await ready(node)
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  const restless = new Set([crowd.players[4]!.address, crowd.players[7]!.address])
  for (const player of crowd.players.filter(({ address }) => stayed.includes(address) && !restless.has(address))) {
    const told = player.told().filter(({ address }) => stayed.includes(address) && !restless.has(address))
    t.ok(told.length <= 1, `${player.address} hears only of the one who left: ${JSON.stringify(told)}`)
  }
  crowd.players[3]!.client.send({ type: 'message', to: a!.address, text: 'after it' })
  t.match(await a!.client.find('message'), { text: 'after it' })
})

t.test('Redis stands still for about as long as a lease lasts, again and again: nobody is given up', async t => {
  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, { SYMPLE_NODE_TTL: '1' })
  const crowd = new Crowd(t)
  for (const { url } of nodes) await crowd.enter(url, { user: 'user', rooms: ['lobby'] })
  await crowd.exact()
  crowd.mark()
  const client = redis.client()
  for (let i = 0; i < 5; i++) {
    // So that all look at the leases of others again before the next time.
    await eventually(async () => (await client.keys('symple:node:*')).length === 3, 'all leases')
    const until = Date.now() + 1100 + 50 * i
    redis.pause()
    await eventually(() => Date.now() >= until, 'the end of all leases')
    redis.resume()
    await client.ping()
  }
  await crowd.exact()
  for (const player of crowd.players) t.strictSame(player.told(), [], `${player.address} is told of nobody`)
})

t.test('Redis is away, or stands still, when a node starts: it listens, and is ready when Redis comes', async t => {
  const redis = await startRedis(t)
  const crowd = new Crowd(t)
  const env = { SYMPLE_REDIS_TIMEOUT: '1' }
  await redis.stop()
  const first = await startNode(t, redis.url, env)
  await redis.start()
  await ready(first)
  redis.pause()
  const second = await startNode(t, redis.url, env)
  const careless = await startNode(t, redis.url, { ...env, SYMPLE_REDIS_REQUIRED: 'false' })
  t.match(await readiness(second), { status: 503, reasons: ['Redis can not be reached'] })
  t.match(await readiness(careless), { status: 200 })
  for (const { url } of [first, second, careless]) await crowd.enter(url, { user: 'early', rooms: ['lobby'] })
  redis.resume()
  await ready(second)
  await crowd.exact()
  for (const { url } of [first, second, careless]) await crowd.enter(url, { user: 'late', rooms: ['lobby'] })
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
})

t.test('connections that are open and carry nothing are replaced', async t => {
  const redis = await startRedis(t)
  const proxy = await TcpProxy.to(t, redis.port)
  const [cut] = await startNodes(t, `redis://127.0.0.1:${proxy.port}`, 1, { SYMPLE_REDIS_TIMEOUT: '1' })
  const [other] = await startNodes(t, redis.url, 1)
  const crowd = new Crowd(t)
  const a = await crowd.enter(cut!.url, { user: 'a', rooms: ['lobby'] })
  const b = await crowd.enter(other!.url, { user: 'b', rooms: ['lobby'] })
  await crowd.exact()
  proxy.strand()
  await unready(cut!)
  crowd.publish(a, { mood: 'lost' })
  crowd.join(b, 'den')
  await ready(cut!)
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  a.client.send({ type: 'message', to: 'b', text: 'hello' })
  t.match(await b.client.find('message'), { text: 'hello' })
})
