import { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { SymplePluginOptions } from '../../src/app.js'
import { RedisCluster } from '../cluster/redis-cluster.js'
import { eventually, settle, TestClient } from '../helper.js'
import { startRedis } from '../redis.js'
import { KEY, startGateway, type Gateway } from './gateway.js'

const redis = await startRedis(t)
const control = redis.client()

let prefixes = 0

/** Two gateways with the plugin, which are two nodes where they share a Redis. */
async function startTwo (t: Test, redisOption: SymplePluginOptions['redis'], options: SymplePluginOptions = {}): Promise<Gateway[]> {
  const redisPrefix = `test${++prefixes}`
  const mount: SymplePluginOptions = {
    prefix: '/realtime', env: false, drainSeconds: 0, redisPrefix, ...options, ...(redisOption !== undefined && { redis: redisOption })
  }
  const gateways = []
  for (let i = 0; i < 2; i++) {
    const gateway = await startGateway(t, { redisUrl: redis.url, order: 'before', mounts: [mount] })
    await eventually(async () => (await fetch(`${gateway.origin}/realtime/readyz`, { headers: KEY })).ok, 'a node that is ready')
    gateways.push(gateway)
  }
  return gateways
}

async function enter (t: Test, url: string, user: string): Promise<TestClient> {
  const client = new TestClient(url, { headers: KEY })
  t.teardown(() => { client.ws.terminate() })
  await client.authenticate({ user, rooms: ['lobby'] })
  return client
}

/** That a peer of one gateway reaches one of the other. */
async function meet (t: Test, gateways: Gateway[]): Promise<void> {
  const [alice, bob] = await Promise.all([
    enter(t, `${gateways[0]!.ws}/realtime`, 'alice'),
    enter(t, `${gateways[1]!.ws}/realtime`, 'bob')
  ])
  await eventually(() => alice.address in bob.roster && bob.address in alice.roster, 'both see each other')
  alice.send({ type: 'message', to: 'bob', data: 'hello' })
  t.match(await bob.find('message'), { from: alice.address, data: 'hello' })
}

t.test('redisUrl', async t => {
  await meet(t, await startTwo(t, undefined, { redisUrl: redis.url }))
})

t.test('the client that @fastify/redis has, or one of its namespaces', async t => {
  // The one of the namespace puts a prefix before its keys.
  for (const option of [true, 'spare']) {
    const gateways = await startTwo(t, option)
    await meet(t, gateways)
    const keys = await control.keys(`test${prefixes}:*`)
    t.ok(keys.length > 0, 'keys are as backends and other nodes know them')
    for (const { app } of gateways) {
      await app.redis.set('still', 'there')
      t.equal(await app.redis.get('still'), 'there', 'the gateway\'s own client is left alone')
    }
  }
})

t.test('a client with options that would not do for us, which stays as it is', async t => {
  const client = new Redis(redis.url, {
    lazyConnect: true, keyPrefix: 'mine:', stringNumbers: true, enableAutoPipelining: true, retryStrategy: () => null, connectionName: 'gateway'
  })
  t.teardown(() => { client.disconnect() })
  await client.set('key', 'value')
  const ours = async () => (String(await control.client('LIST')).match(/ name=gateway /g) ?? []).length
  t.equal(await ours(), 1)
  const gateways = await startTwo(t, client)
  await meet(t, gateways)
  t.equal(await ours(), 5, 'two connections of each node beside it')
  await control.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await meet(t, gateways)
  for (const { app } of gateways) await app.close()
  await eventually(async () => await ours() === 1, 'the nodes have gone')
  t.equal(await client.get('key'), 'value')
  t.equal(client.status, 'ready')
})

t.test('two instances in one gateway have a place in Redis each', async t => {
  const mount = { env: false, drainSeconds: 0 } as const
  const mounts = (redisPrefix: string): SymplePluginOptions[] => [
    { ...mount, prefix: '/a', redis: true },
    { ...mount, prefix: '/b', redis: true, redisPrefix, decorator: 'second' }
  ]
  await t.rejects(startGateway(t, { redisUrl: redis.url, order: 'never', mounts: mounts('symple') }), {
    name: 'ConfigError', message: /^redisPrefix must be another than "symple"/
  })
  const databases = [0, 1].map(db => ({
    env: false, drainSeconds: 0, prefix: `/${db}`, decorator: `in${db}`, redisUrl: `${redis.url}/${db}`
  } as const))
  await t.rejects(startGateway(t, { redisUrl: redis.url, order: 'never', mounts: databases }), {
    name: 'ConfigError', message: /^redisPrefix must be another than "symple".*databases/
  })
  const gateway = await startGateway(t, { redisUrl: redis.url, order: 'never', mounts: mounts('second') })
  const enterAt = async (path: string, user: string) => await enter(t, gateway.ws + path, user)
  const [alice, bob, carol] = [await enterAt('/a', 'alice'), await enterAt('/b', 'bob'), await enterAt('/a', 'carol')]
  await settle(alice, bob, carol)
  t.strictSame([Object.keys(alice.roster), Object.keys(bob.roster)], [[carol.address], []])
})

t.test('a Redis that is away at the start, and comes', async t => {
  const late = await startRedis(t)
  await late.stop()
  const client = new Redis(late.url, { lazyConnect: true })
  t.teardown(() => { client.disconnect() })
  const gateway = await startGateway(t, {
    redisUrl: redis.url, order: 'never', mounts: [{ prefix: '/realtime', env: false, drainSeconds: 0, redis: client }]
  })
  const ready = async () => (await fetch(`${gateway.origin}/realtime/readyz`, { headers: KEY })).status
  t.equal(await ready(), 503)
  const alice = await enter(t, `${gateway.ws}/realtime`, 'alice')
  await late.start()
  await eventually(async () => await ready() === 200, 'it is ready')
  await settle(alice)
})

t.test('a client of a Redis Cluster', async t => {
  const cluster = await RedisCluster.start(t)
  const client = new Cluster([{ host: '127.0.0.1', port: Number(/:(\d+)$/.exec(cluster.url)![1]) }], {
    scaleReads: 'slave', keyPrefix: 'mine:', enableAutoPipelining: true, lazyConnect: true
  })
  t.teardown(() => { client.disconnect() })
  const gateways = await startTwo(t, client)
  await meet(t, gateways)
  for (const { app } of gateways) await app.close()
  t.equal(client.status, 'wait', 'the gateway\'s own client is left alone')
})
