import type { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { eventually } from '../helper.js'
import { runServer, type ServerProcess } from '../process.js'
import { startRedis, type RedisServer } from '../redis.js'
import { Crowd, type Player } from './crowd.js'
import { directoryExact, metric, nodeIdOf, startNodes, vanished } from './nodes.js'

interface Scene {
  redis: RedisServer
  nodes: ServerProcess[]
  crowd: Crowd
  /** The players of each node. */
  casts: Player[][]
}

/** Three nodes, each with players who share rooms, or the user, with players elsewhere. */
async function setScene (t: Test, env: Record<string, string> = {}): Promise<Scene> {
  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, env)
  const crowd = new Crowd(t)
  const casts: Player[][] = []
  for (const [i, { url }] of nodes.entries()) {
    casts.push([
      await crowd.enter(url, { user: 'alice', rooms: ['lobby'], data: { node: i } }),
      await crowd.enter(url, { user: `bob${i}`, rooms: ['lobby', 'staff'] }),
      await crowd.enter(url, { user: `carol${i}`, rooms: [`den${i}`] }),
      await crowd.enter(url, { user: `dave${i}`, rooms: ['den0', 'den1', 'den2'] })
    ])
  }
  await crowd.exact()
  crowd.mark()
  return { redis, nodes, crowd, casts }
}

/** Gives a node more places than can be cleared within a lease. */
async function overload (redis: Redis, node: string): Promise<void> {
  for (let i = 0; i < 60_000; i += 10_000) {
    await redis.sadd(`symple:places:${node}`, ...Array.from({ length: 10_000 }, (_, j) => `room:${i + j}`))
  }
}

/** That each player was told once that those it saw have gone, and nothing else. */
function toldOnce (t: Test, crowd: Crowd, gone: readonly Player[]): void {
  for (const player of crowd.players) {
    const expected = gone.filter(other => player.sees(other)).map(other => other.address)
    const told = player.told()
    t.strictSame(told.map(({ address }) => address).sort(), expected.sort(), `${player.address} hears of those who went`)
    t.notOk(told.some(({ online }) => online), 'and that they are offline')
  }
}

t.test('a node that is killed: its peers go offline, each once, and nothing is left of it in Redis', async t => {
  const { redis, nodes, crowd, casts } = await setScene(t)
  const [lost = []] = casts
  await nodes[0]!.stop('SIGKILL')
  crowd.lose(...lost)
  await crowd.exact()
  await vanished(redis.client(), nodeIdOf(lost[0]!))
  await directoryExact(redis.client(), crowd)
  await crowd.exact()
  toldOnce(t, crowd, lost)
})

t.test('a node that ends in good order: its peers go offline at once, each once', async t => {
  // Longer than the test may take: nobody finds it by its lease.
  const { redis, nodes, crowd, casts } = await setScene(t, { SYMPLE_NODE_TTL: '3600' })
  const [lost = []] = casts
  t.strictSame(await nodes[0]!.stop('SIGTERM'), { code: 0, signal: null })
  crowd.lose(...lost)
  await crowd.exact()
  await vanished(redis.client(), nodeIdOf(lost[0]!))
  await directoryExact(redis.client(), crowd)
  toldOnce(t, crowd, lost)
})

t.test('a node that stands still for longer than its lease: its peers go offline, and come back with it', async t => {
  const { redis, nodes, crowd, casts } = await setScene(t)
  const [still = [], ...others] = casts
  const away = others.flat()
  nodes[0]!.child.kill('SIGSTOP')
  const seers = away.filter(player => still.some(other => player.sees(other)))
  await eventually(() => seers.every(player => player.told().length > 0), 'word that they are gone')
  await eventually(async () => await redis.client().hexists('symple:nodes', nodeIdOf(still[0]!)) === 0, 'a clean directory')
  // What happens meanwhile, the node learns later.
  crowd.publish(away[0]!, { mood: 'lonely' })
  crowd.join(away[1]!, 'den0')
  await crowd.part(away.pop()!)
  nodes[0]!.child.kill('SIGCONT')
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  for (const player of away) {
    for (const other of still.filter(other => player.sees(other))) {
      const told = player.told().filter(({ address }) => address === other.address).map(({ online }) => online)
      t.ok(['false,true', 'true'].includes(told.join()), `${player.address} is told that ${other.address} goes and comes, once: ${told.join()}`)
    }
  }
  const message = { type: 'message', to: 'den0', text: 'hello' }
  still[3]!.client.send(message)
  t.match(await away[1]!.client.find('message'), message, 'what it sends is heard')
})

t.test('the node that clears up is killed in the middle of it: another one finishes', async t => {
  const redis = await startRedis(t)
  const client = redis.client()
  const [doomed, ...others] = await startNodes(t, redis.url, 3, { SYMPLE_MAX_ROOMS_PER_PEER: '0' })
  const crowd = new Crowd(t)
  const rooms = Array.from({ length: 100 }, (_, i) => `room${i}`)
  const lost = await Promise.all(Array.from({ length: 5 }, async (_, i) =>
    await crowd.enter(doomed!.url, { user: `user${i}`, rooms: rooms.map(room => `${i}-${room}`) })))
  const witnesses = await Promise.all(others.map(async ({ url }, i) => await crowd.enter(url, { user: 'user0', rooms: [`w${i}`] })))
  await crowd.exact()
  const dead = nodeIdOf(lost[0]!)
  await overload(client, dead)
  const places = await client.scard(`symple:places:${dead}`)
  await doomed!.stop('SIGKILL')
  crowd.lose(...lost)
  // Whoever does it is stopped as soon as it has begun.
  let sweeper = ''
  await eventually(async () => {
    sweeper = await client.get(`symple:sweep:${dead}`) ?? ''
    return sweeper !== ''
  }, 'a claim')
  const index = witnesses.findIndex(player => nodeIdOf(player) === sweeper)
  await others[index]!.stop('SIGKILL')
  crowd.lose(witnesses[index]!)
  const left = await client.scard(`symple:places:${dead}`)
  t.ok(left > 0, `something is left to do: ${left} of ${places}`)
  await vanished(client, dead)
  await vanished(client, sweeper)
  await crowd.exact()
  await directoryExact(client, crowd)
})

t.test('who clears up for long is not taken for dead itself', async t => {
  const redis = await startRedis(t)
  const client = redis.client()
  const [doomed, ...others] = await startNodes(t, redis.url, 3, { SYMPLE_MAX_ROOMS_PER_PEER: '0' })
  const crowd = new Crowd(t)
  const lost = await crowd.enter(doomed!.url, { user: 'lost' })
  for (const [i, { url }] of others.entries()) await crowd.enter(url, { user: `user${i}`, rooms: ['lobby'] })
  await crowd.exact()
  crowd.mark()
  const dead = nodeIdOf(lost)
  await overload(client, dead)
  await doomed!.stop('SIGKILL')
  crowd.lose(lost)
  await eventually(async () => await client.exists(`symple:sweep:${dead}`) === 1, 'a claim')
  await vanished(client, dead)
  await crowd.exact()
  toldOnce(t, crowd, [])
})

t.test('a newcomer is not shown the peers of a node that is known to have gone', async t => {
  const redis = await startRedis(t)
  const client = redis.client()
  const [doomed, other] = await startNodes(t, redis.url, 2)
  const crowd = new Crowd(t)
  const lost = await crowd.enter(doomed!.url, { user: 'lost', rooms: ['lobby'] })
  const witness = await crowd.enter(other!.url, { user: 'witness', rooms: ['lobby'] })
  await crowd.exact()
  // Somebody claims to clear up, and does not: what the node has written stays.
  await client.set(`symple:sweep:${nodeIdOf(lost)}`, 'nobody')
  await doomed!.stop('SIGKILL')
  crowd.lose(lost)
  await crowd.exact()
  await crowd.part(witness)
  const newcomer = await crowd.enter(other!.url, { user: 'newcomer', rooms: ['lobby'] })
  await crowd.exact()
  t.strictSame(newcomer.told(), [], 'nobody is there')
  // A node that starts only now has not judged anybody, and finds out.
  const [late] = await startNodes(t, redis.url, 1)
  await crowd.enter(late!.url, { user: 'late', rooms: ['lobby'] })
  await crowd.exact()
})

t.test('a node that can\'t listen, since its port is taken, says goodbye: nothing is left of it in Redis', async t => {
  const redis = await startRedis(t)
  const client = redis.client()
  const [node] = await startNodes(t, redis.url, 1)
  const traces = async () => [...await client.hkeys('symple:nodes'), ...(await client.keys('*')).sort()]
  const before = await traces()
  const second = runServer(t, { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: String(node!.port), SYMPLE_REDIS_URL: redis.url })
  t.strictSame(await second.exited, { code: 1, signal: null })
  t.match(second.stderr, 'EADDRINUSE')
  t.match(second.stdout, 'Redis connected')
  t.strictSame(await traces(), before, 'so there is nothing for the other to clear up')
  t.equal(await metric(node!, 'symple_backplane_sweeps_total'), 0)
})
