import type { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { connect, eventually, open, startServer, TestClient, type TestServer } from './helper.js'
import { startRedis, type RedisServer } from './redis.js'

interface Setting { redis: RedisServer, client: Redis, server: TestServer }

async function setUp (t: Test, env: Record<string, string> = {}): Promise<Setting> {
  const redis = await startRedis(t)
  const server = await startServer(t, {
    SYMPLE_REDIS_URL: redis.url, SYMPLE_AUTHENTICATION: 'true', SYMPLE_SESSION_CHECK: '0.2', ...env
  })
  return { redis, client: redis.client(), server }
}

async function write (client: Redis, token: string, session: unknown): Promise<void> {
  await client.set(`symple:session:${token}`, typeof session === 'string' ? session : JSON.stringify(session))
}

/** Authenticates in vain. @returns the error and the close code */
async function refused (t: Test, url: string, auth: object): Promise<{ status: number | undefined, code: number }> {
  const client = await open(t, url)
  client.send({ type: 'auth', ...auth })
  const { code } = await client.closed
  t.strictSame(client.frames.map(({ type }) => type), ['error'], JSON.stringify(auth))
  return { status: client.frames[0]!.status, code }
}

t.test('a session says who a peer is, and where', async t => {
  const { client, server: { url } } = await setUp(t)
  await write(client, 't1', {
    user: 'alice',
    name: 'Alice',
    type: 'operator',
    rooms: ['staff', 'alice'],
    data: { avatar: 'a.png', token: 'inner', name: 'not this' },
    accountId: 17,
    token: 't1'
  })
  await write(client, 't2', { user: 'bob', rooms: ['staff'] })
  const alice = await open(t, url)
  const welcome = await alice.authenticate({
    token: 't1', name: 'Mallory', rooms: ['vault'], data: { avatar: 'x', type: 'admin', mood: 'fine' }
  })
  const peer = { user: 'alice', name: 'Alice', online: true, type: 'operator', avatar: 'a.png', mood: 'fine' }
  t.match(welcome, { peer, rooms: ['alice', 'staff'] })
  t.strictSame(Object.keys(welcome.peer!).sort(), ['avatar', 'host', 'id', 'mood', 'name', 'online', 'type', 'user'])

  const bob = await connect(t, url, { user: 'bob', name: 'Bobby', token: 't2' })
  t.equal(bob.peer.name, 'Bobby', 'what no session says is the client\'s to say')
  alice.send({ type: 'presence', data: { name: 'Mallory', avatar: 'y', type: 'admin', mood: 'bad', accountId: 1 } })
  const presence = await bob.find(({ type, data }) => type === 'presence' && (data as { mood?: string }).mood === 'bad')
  t.match(presence.data, { name: 'Alice', avatar: 'a.png', type: 'operator', accountId: 1 })
  t.notMatch(JSON.stringify([...alice.frames, ...bob.frames]), /t1|t2|inner/, 'tokens are nowhere')
})

t.test('who has no session, or another\'s, is refused', async t => {
  const { client, server: { url } } = await setUp(t)
  const refusal = { status: 401, code: 4401 }
  await write(client, 'alice', { user: 'alice' })
  t.strictSame(await refused(t, url, { user: 'alice' }), refusal, 'no token')
  t.strictSame(await refused(t, url, { user: 'alice', token: 'unknown' }), refusal)
  t.strictSame(await refused(t, url, { user: 'bob', token: 'alice' }), refusal)
  t.strictSame(await refused(t, url, { user: 'a|b', token: 'alice' }), { status: 400, code: 4400 }, 'checked first')
  const faulty = [
    'no JSON', '7', 'null', '[]', '{}', { user: '' }, { user: 'a|b' }, { user: 7 }, { user: 'x'.repeat(257) },
    { user: 'x', name: 'a\nb' }, { user: 'x', rooms: 'staff' }, { user: 'x', rooms: ['a|b'] }, { user: 'x', rooms: [7] },
    { user: 'x', rooms: Array.from({ length: 257 }, (_, i) => `room ${i}`) }, { user: 'x', data: [] },
    { user: 'x', data: { long: 'x'.repeat(9000) } }, `{"user":"x","data":${'['.repeat(600)}${']'.repeat(600)}}`
  ]
  for (const session of faulty) {
    await write(client, 'faulty', session)
    t.strictSame(await refused(t, url, { token: 'faulty' }), refusal, JSON.stringify(session).slice(0, 60))
  }
})

t.test('a session that ends takes its connections with it, and no others', async t => {
  const { client, server: { url, server } } = await setUp(t)
  await write(client, 'one', { user: 'alice' })
  await write(client, 'two', { user: 'alice' })
  const [first, second, other] = [
    await connect(t, url, { token: 'one' }), await connect(t, url, { token: 'one' }), await connect(t, url, { token: 'two' })
  ]
  await client.del('symple:session:one')
  for (const ended of [first, second]) {
    t.match(await ended.find('error'), { status: 401 })
    t.equal((await ended.closed).code, 4401)
  }
  await other.barrier()
  t.strictSame(server.symple.tokens, ['two'])
  await client.pexpire('symple:session:two', 1)
  t.equal((await other.closed).code, 4401)
  t.strictSame(server.symple.tokens, [])
})

t.test('the expiry of a session is set and renewed, if so configured, and else left alone', async t => {
  const { client, server: { url } } = await setUp(t, { SYMPLE_SESSION_TTL: '0.05' })
  await write(client, 'one', { user: 'alice' })
  const alice = await connect(t, url, { token: 'one' })
  const set = await client.pttl('symple:session:one')
  t.ok(set > 0 && set <= 3000)
  await eventually(async () => await client.pttl('symple:session:one') < set - 500, 'it runs')
  await eventually(async () => await client.pttl('symple:session:one') > set - 500, 'it is renewed')
  await alice.barrier()

  const alone = await setUp(t, { SYMPLE_SESSION_TTL: '0' })
  await write(alone.client, 'one', { user: 'alice' })
  await connect(t, alone.server.url, { token: 'one' })
  t.equal(await alone.client.ttl('symple:session:one'), -1)
})

t.test('a thousand sessions are checked with a few commands', async t => {
  const { client, server: { url, server } } = await setUp(t, { SYMPLE_SESSION_CHECK: '0.1' })
  const names = Array.from({ length: 1000 }, (_, i) => `user ${i}`)
  await client.mset(names.flatMap(user => [`symple:session:${user}`, JSON.stringify({ user })]))
  for (let i = 0; i < names.length; i += 100) {
    await Promise.all(names.slice(i, i + 100).map(async token => await connect(t, url, { token })))
  }
  t.equal(server.symple.tokens.length, 1000)
  const calls = async () => Number(/cmdstat_exists:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
  const before = await calls()
  await eventually(async () => await calls() >= before + 10, 'some rounds')
  await client.del('symple:session:user 7')
  await eventually(() => server.symple.tokens.length === 999, 'one is gone')
  const spent = await calls() - before
  t.ok(spent < 1500, `${spent} commands: one round asks for each of 500 where one is missing, the others ask twice`)
})

t.test('nobody comes in while sessions can not be looked up, and who is in stays', async t => {
  const { client, redis, server: { url, origin } } = await setUp(t, { SYMPLE_REDIS_TIMEOUT: '0.5' })
  await write(client, 'one', { user: 'alice' })
  const alice = await connect(t, url, { token: 'one' })
  const unavailable = { status: 503, code: 1013 }
  redis.pause()
  t.strictSame(await refused(t, url, { token: 'one' }), unavailable, 'silent')
  redis.resume()
  await eventually(async () => (await fetch(`${origin}/readyz`)).status === 200, 'ready again')
  const again = new TestClient(url)
  t.teardown(() => { again.ws.terminate() })
  await again.authenticate({ token: 'one' })
  await redis.kill()
  await eventually(async () => (await fetch(`${origin}/readyz`)).status === 503, 'not ready')
  t.strictSame(await refused(t, url, { token: 'one' }), unavailable, 'gone')
  await alice.barrier()
})
