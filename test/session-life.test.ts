import type { Redis } from 'ioredis'
import t from 'tap'
import { connect, eventually, open, settle, startServer, TestClient } from './helper.js'
import { refused, startSessionServer } from './session-server.js'

/** How often Redis was asked for each command since `CONFIG RESETSTAT`. */
async function commandsOf (backend: Redis): Promise<Record<string, number>> {
  const stats = await backend.info('commandstats')
  return Object.fromEntries([...stats.matchAll(/cmdstat_([\w|]+):calls=(\d+)/g)].map(([, name, calls]) => [name!, Number(calls)]))
}

t.test('sets the expiry of a session to SYMPLE_SESSION_TTL, and renews it while its peer is there', async t => {
  // Of minutes: three seconds.
  const { url, backend, write } = await startSessionServer(t, { SYMPLE_SESSION_TTL: '0.05', SYMPLE_SESSION_CHECK: '0.1' })
  await write('a', { user: 'alice' })
  await write('b', { user: 'bob' })
  t.equal(await backend.pttl('symple:session:a'), -1)
  const alice = await connect(t, url, { token: 'a' })
  const ttl = await backend.pttl('symple:session:a')
  t.ok(ttl > 0 && ttl <= 3000, `${ttl}`)
  t.equal(await backend.pttl('symple:session:b'), -1, 'nobody has used this one')
  await backend.pexpire('symple:session:a', 2500)
  await eventually(async () => await backend.pttl('symple:session:a') > 2500, 'it is renewed')
  await alice.close()
  await eventually(async () => await backend.exists('symple:session:a') === 0, 'it runs out when nobody is there')
})

t.test('takes any fraction of a minute, and times that no timer waits for', async t => {
  for (const [minutes, seconds] of [['0.07', 4.2], ['1.01', 60.6], ['1000000', 6e7]] as const) {
    const { url, backend, write } = await startSessionServer(t, { SYMPLE_SESSION_TTL: minutes, SYMPLE_SESSION_CHECK: '0' })
    await write('a', { user: 'alice' })
    await connect(t, url, { token: 'a' })
    const ttl = await backend.pttl('symple:session:a')
    t.ok(ttl > seconds * 1000 - 4000 && ttl <= Math.ceil(seconds * 1000), `${minutes} minutes: ${ttl}`)
  }
})

t.test('leaves the expiry of sessions alone where the time is 0 or less', async t => {
  for (const ttl of ['0', '-1']) {
    const { url, backend, write } = await startSessionServer(t, { SYMPLE_SESSION_TTL: ttl, SYMPLE_SESSION_CHECK: '0.05' })
    await write('a', { user: 'alice' })
    await write('b', { user: 'bob' })
    await backend.expire('symple:session:b', 1000)
    await backend.config('RESETSTAT')
    for (const token of ['a', 'b']) await connect(t, url, { token })
    await eventually(async () => (await commandsOf(backend))['exists']! >= 5, 'they have been looked at')
    t.equal(await backend.ttl('symple:session:a'), -1)
    t.ok(await backend.ttl('symple:session:b') > 900)
    const { pexpire, expire } = await commandsOf(backend)
    t.strictSame([pexpire, expire], [undefined, undefined])
  }
})

t.test('ends the connections of a session that is deleted, with 401 and 4401, and no others', async t => {
  for (const ttl of ['-1', '10']) {
    const { url, backend, write } = await startSessionServer(t, { SYMPLE_SESSION_TTL: ttl, SYMPLE_SESSION_CHECK: '0.1' })
    await write('a', { user: 'alice', rooms: ['lobby'] })
    await write('a2', { user: 'alice', rooms: ['lobby'] })
    await write('b', { user: 'bob', rooms: ['lobby'] })
    const one = await connect(t, url, { token: 'a' })
    const two = await connect(t, url, { token: 'a' })
    const other = await connect(t, url, { token: 'a2' })
    const bob = await connect(t, url, { token: 'b' })
    await backend.del('symple:session:a')
    for (const client of [one, two]) {
      t.match(await client.closed, { code: 4401 })
      t.match(client.frames.at(-1), { type: 'error', status: 401, message: /./ })
    }
    await settle(bob, other)
    t.strictSame(Object.keys(bob.roster), [other.address], 'their peers hear of it')
    t.match(await refused(t, url, { token: 'a' }), { code: 4401 })
  }
})

t.test('ends no connection whose session has gone where SYMPLE_SESSION_CHECK is 0', async t => {
  for (const ttl of ['-1', '0.005']) {
    const { url, backend, write } = await startSessionServer(t, { SYMPLE_SESSION_TTL: ttl, SYMPLE_SESSION_CHECK: '0' })
    await write('a', { user: 'alice' })
    await write('b', { user: 'bob' })
    await connect(t, url, { token: 'b' })
    const alice = await connect(t, url, { token: 'a' })
    await backend.del('symple:session:a')
    await backend.config('RESETSTAT')
    if (ttl !== '-1') await eventually(async () => (await commandsOf(backend))['pexpire']! >= 6, 'sessions are renewed')
    await alice.barrier()
    t.equal(alice.ws.readyState, alice.ws.OPEN)
  }
})

t.test('looks after a thousand sessions with a few commands', async t => {
  const { url, backend, write } = await startSessionServer(t, { SYMPLE_SESSION_CHECK: '0.5' })
  const clients: TestClient[] = []
  for (let i = 0; i < 1000; i++) await write(`t${i}`, { user: `user${i}` })
  for (let i = 0; i < 1000; i += 50) {
    clients.push(...await Promise.all(Array.from({ length: 50 }, async (_, j) => await connect(t, url, { token: `t${i + j}` }))))
  }
  const looks = async () => (await commandsOf(backend))['exists'] ?? 0
  await backend.config('RESETSTAT')
  await eventually(async () => await looks() >= 6, 'three looks')
  t.ok(await looks() <= 20, `${await looks()}`)
  await backend.del('symple:session:t999')
  t.match(await clients[999]!.closed, { code: 4401 })
  await clients[0]!.barrier()
})

t.test('lets nobody in while Redis is away, and everybody when it is back', async t => {
  const { url, redis, write } = await startSessionServer(t, { SYMPLE_SESSION_CHECK: '0.1' })
  await write('a', { user: 'alice' })
  const alice = await connect(t, url, { token: 'a' })
  await redis.kill()
  for (const token of ['a', 'unknown']) {
    const { frames, code } = await refused(t, url, { token })
    t.match(frames, [{ type: 'error', status: 503, message: /./ }])
    t.strictSame([frames.length, code], [1, 1013])
  }
  t.match(await refused(t, url, {}), { code: 4401 }, 'no token needs no Redis')
  await alice.barrier()
  // With nothing in it: only now is the session known to be gone.
  await redis.start()
  t.match(await alice.closed, { code: 4401 })
  await write('b', { user: 'bob' })
  await eventually(async () => {
    const client = await open(t, url)
    client.send({ type: 'auth', token: 'b' })
    return (await client.next()).type === 'welcome'
  }, 'a welcome')
})

t.test('answers 503 for a Redis that is silent for SYMPLE_REDIS_TIMEOUT, and sends nobody away', async t => {
  const { url, redis, write } = await startSessionServer(t, {
    SYMPLE_SESSION_CHECK: '0.1', SYMPLE_REDIS_TIMEOUT: '0.3', SYMPLE_AUTH_TIMEOUT: '0.1'
  })
  await write('a', { user: 'alice' })
  const alice = await connect(t, url, { token: 'a' })
  redis.pause()
  const { frames, code } = await refused(t, url, { token: 'a' })
  t.match(frames, [{ type: 'error', status: 503 }], 'not 408: the client was in time')
  t.equal(code, 1013)
  await alice.barrier()
  redis.resume()
  await eventually(async () => {
    const client = await open(t, url)
    client.send({ type: 'auth', token: 'a' })
    return (await client.next()).type === 'welcome'
  }, 'a welcome')
  await alice.barrier()
})

t.test('starts while Redis is away or silent, and says 503 until it is there', async t => {
  const { redis } = await startSessionServer(t)
  for (const [away, back] of [['kill', 'start'], ['pause', 'resume']] as const) {
    await redis[away]()
    const { url } = await startServer(t, { SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_URL: redis.url, SYMPLE_REDIS_TIMEOUT: '0.3' })
    t.match(await refused(t, url, { token: 'a' }), { code: 1013, frames: [{ status: 503 }] })
    await redis[back]()
    const backend = redis.client()
    await backend.set('symple:session:a', '{"user":"alice"}')
    await eventually(async () => {
      const client = await open(t, url)
      client.send({ type: 'auth', token: 'a' })
      return (await client.next()).type === 'welcome'
    }, 'a welcome')
  }
})
