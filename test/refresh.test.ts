import t, { type Test } from 'tap'
import type { AuthenticateResult } from '../src/core/hooks.js'
import { connect, eventually, settle, startServer, type PeerObject, type TestClient } from './helper.js'
import { startSessionServer, told } from './session-server.js'

/** Sends a fresh token and waits for what comes of it. */
async function refresh (client: TestClient, auth: object) {
  client.send({ type: 'auth', ...auth })
  return await client.find(({ type }) => type === 'welcome' || type === 'error')
}

const presence = (client: TestClient): string[] => client.take()
  .filter(({ type }) => type === 'presence')
  .map(({ from, data }) => `${from!.split('|')[0]} ${String((data as { online: boolean }).online)}`)

/** Fields that a token set, as they were told of a peer. */
const teams = (client: TestClient, { address }: TestClient): unknown[] => client.take()
  .filter(({ type, from }) => type === 'presence' && from === address)
  .map(({ data }) => [(data as PeerObject).online, (data as PeerObject)['team']])

/** Two nodes on one Redis, and what writes sessions into it. */
async function startPair (t: Test, env: Record<string, string> = {}) {
  const one = await startSessionServer(t, { SYMPLE_REFRESH_INTERVAL: '0', ...env })
  const { url, server } = await startServer(t, {
    SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_URL: one.redis.url, SYMPLE_RATE_LIMIT: '0', SYMPLE_REFRESH_INTERVAL: '0', ...env
  })
  await eventually(() => server.backplane.connected, 'the second node has Redis')
  return { ...one, urls: [one.url, url] as const }
}

t.test('goes on with another session of the same user, and its rooms, as the same peer', async t => {
  const { url, write, backend } = await startSessionServer(t, { SYMPLE_SESSION_CHECK: '0.1', SYMPLE_REFRESH_INTERVAL: '0' })
  await write('S3cr3t-1', { user: 'alice', rooms: ['old', 'both'], type: 'guest' })
  await write('S3cr3t-2', { user: 'alice', name: 'Alice', rooms: ['both', 'new'], type: 'staff', data: { team: 'red' } })
  for (const room of ['old', 'both', 'new']) await write(room, { user: `${room} one`, rooms: [room] })
  const [old, both, fresh] = [await connect(t, url, { token: 'old' }), await connect(t, url, { token: 'both' }), await connect(t, url, { token: 'new' })]
  const alice = await connect(t, url, { token: 'S3cr3t-1' })
  await settle(alice, old, both, fresh)
  for (const client of [alice, old, both, fresh]) client.take()
  alice.send({ type: 'auth', token: 'S3cr3t-2', id: 'r1' })
  alice.send({ type: 'message', to: ['new'], data: 'behind' })
  const welcome = await alice.next()
  t.strictSame(welcome, {
    type: 'welcome',
    protocol: 'symple/4',
    status: 200,
    peer: { ...alice.peer, name: 'Alice', type: 'staff', team: 'red' },
    rooms: ['alice', 'both', 'new']
  })
  t.match(await fresh.find('message'), { data: 'behind' }, 'what came behind reaches the new room')
  await settle(alice, old, both, fresh)
  t.strictSame(presence(alice), ['new one true', 'old one false'])
  t.strictSame(presence(both), ['alice true'], 'one who stays is told once what has changed')
  t.strictSame(both.roster[alice.address], welcome.peer)
  t.strictSame(fresh.roster[alice.address], welcome.peer)
  t.strictSame(old.roster, {})

  await backend.del('symple:session:S3cr3t-1')
  await write('probe', { user: 'probe' })
  const probe = await connect(t, url, { token: 'probe' })
  await backend.del('symple:session:probe')
  t.match(await probe.closed, { code: 4401 }, 'sessions have been looked at')
  await alice.barrier()
  await backend.del('symple:session:S3cr3t-2')
  t.match(await alice.closed, { code: 4401 }, 'it rests on the second alone')
  t.notMatch(told(alice, both, fresh), /S3cr3t/)
})

t.test('renews the session that a peer rests on now', async t => {
  const { url, write, backend } = await startSessionServer(t, {
    SYMPLE_SESSION_TTL: '0.05', SYMPLE_SESSION_CHECK: '0.1', SYMPLE_REFRESH_INTERVAL: '0'
  })
  for (const token of ['a1', 'a2']) await write(token, { user: 'alice' })
  const alice = await connect(t, url, { token: 'a1' })
  t.match(await refresh(alice, { token: 'a2' }), { type: 'welcome' })
  await backend.pexpire('symple:session:a1', 2500)
  await backend.pexpire('symple:session:a2', 2500)
  await eventually(async () => await backend.pttl('symple:session:a2') > 2500, 'the second is renewed')
  t.ok(await backend.pttl('symple:session:a1') <= 2500)
  await eventually(async () => await backend.exists('symple:session:a1') === 0, 'the first runs out')
  await alice.barrier()
})

t.test('reads the same session anew', async t => {
  const { url, write } = await startSessionServer(t, { SYMPLE_REFRESH_INTERVAL: '0' })
  await write('a', { user: 'alice', rooms: ['one'] })
  const alice = await connect(t, url, { token: 'a' })
  await write('a', { user: 'alice', rooms: ['two'] })
  t.strictSame((await refresh(alice, { token: 'a' })).rooms, ['alice', 'two'])
})

t.test('keeps what it had where a fresh token is refused, and a client that was told so can go on', async t => {
  const { url, write, redis } = await startSessionServer(t, { SYMPLE_REFRESH_INTERVAL: '0', SYMPLE_REDIS_TIMEOUT: '0.5' })
  await write('a', { user: 'alice', rooms: ['lobby'] })
  await write('b', { user: 'bob', rooms: ['lobby', 'secret'] })
  const [alice, bob] = [await connect(t, url, { token: 'a' }), await connect(t, url, { token: 'b' })]
  t.match(await refresh(alice, { token: 'b', id: 1 }), { status: 401, id: 1, message: /not this user/ })
  t.match(await refresh(alice, { token: 'unknown', id: 2 }), { status: 401, id: 2 })
  t.match(await refresh(alice, { token: 'a', user: 'bob', id: 3 }), { status: 401, id: 3 })
  t.match(await refresh(alice, { token: ['a'], id: 4 }), { status: 400, id: 4 })
  redis.pause()
  t.match(await refresh(alice, { token: 'a', id: 5 }), { status: 503, id: 5 })
  redis.resume()
  await settle(alice, bob)
  t.strictSame(Object.keys(bob.roster), [alice.address])
  alice.send({ type: 'message', to: ['lobby', 'secret'], data: 'still here' })
  t.match(await bob.find('message'), { from: alice.address, data: 'still here' })
  await eventually(async () => (await refresh(alice, { token: 'a' })).type === 'welcome', 'Redis is back')
})

t.test('keeps what it had where the hook authenticate fails or hangs, and ends where that is no more', async t => {
  const blame = Object.assign(new Error('S3cr3t'), { statusCode: 403 })
  let hanging = () => {}
  const answers: Record<string, () => unknown> = {
    good: () => ({ allowed: true, rooms: ['hooked'] }),
    throws: () => { throw new Error('S3cr3t') },
    rejects: async () => await Promise.reject(new Error('S3cr3t')),
    blames: () => { throw blame },
    refuses: async () => ({ allowed: false, message: 'Not any more' }),
    nonsense: () => ({}),
    hangs: async () => {
      hanging()
      return await new Promise(() => {})
    }
  }
  const { url, write, backend } = await startSessionServer(t, {
    SYMPLE_REFRESH_INTERVAL: '0', SYMPLE_HOOK_TIMEOUT: '0.5', SYMPLE_SESSION_CHECK: '0.1'
  }, { authenticate: (_peer, { token }) => answers[token!]!() as AuthenticateResult })
  for (const token of Object.keys(answers)) await write(token, { user: 'alice', rooms: token === 'good' ? ['lobby'] : ['other'] })
  const [alice, self] = [await connect(t, url, { token: 'good' }), await connect(t, url, { token: 'good' })]
  await settle(alice, self)
  const unavailable = { type: 'error', status: 503, message: 'Authentication unavailable' }
  const refused = { type: 'error', status: 401, message: 'Authentication refused' }
  const cases = {
    throws: unavailable,
    rejects: unavailable,
    nonsense: unavailable,
    hangs: unavailable,
    blames: refused,
    refuses: { ...refused, message: 'Not any more' }
  }
  for (const [token, answer] of Object.entries(cases)) {
    alice.take()
    alice.send({ type: 'auth', token, id: token })
    alice.send({ type: 'message', to: ['lobby', 'hooked', 'other'], data: token })
    t.match(await alice.next(), { ...answer, id: token }, token)
    t.match(await self.find('message'), { from: alice.address, data: token }, 'it goes on where it was')
  }
  t.strictSame(self.roster[alice.address], alice.peer)
  t.match(await refresh(alice, { token: 'good' }), { type: 'welcome', rooms: ['alice', 'lobby', 'hooked'] })

  alice.take()
  const asked = new Promise<void>(resolve => { hanging = resolve })
  alice.send({ type: 'auth', token: 'hangs' })
  await asked
  await backend.del('symple:session:good')
  t.match(await self.closed, { code: 4401 }, 'the session has gone')
  t.match(await alice.closed, { code: 4401 }, 'as soon as the hook has had its time')
  const [late, ended] = alice.take().filter(({ type }) => type === 'error')
  t.match([late!.status, ended!.status], [503, 401])
  t.notMatch(told(alice, self), /S3cr3t/)
})

t.test('bounds how often tokens are checked, with SYMPLE_REFRESH_INTERVAL', async t => {
  const { url, write, backend } = await startSessionServer(t, { SYMPLE_REFRESH_INTERVAL: '1000' })
  await write('a', { user: 'alice' })
  const alice = await connect(t, url, { token: 'a' })
  await backend.config('RESETSTAT')
  t.match(await refresh(alice, { token: 'a' }), { type: 'welcome' })
  for (let i = 0; i < 100; i++) alice.send({ type: 'auth', token: `${i}`, id: i })
  await alice.barrier()
  t.strictSame(alice.take().map(({ status, id }) => [status, id]), Array.from({ length: 100 }, (_, i) => [429, i]))
  t.match(await backend.info('commandstats'), /cmdstat_get:calls=1,/)
})

t.test('ignores a further auth where clients are taken at their word', async t => {
  const { url } = await startServer(t)
  const [alice, bob] = [await connect(t, url, { user: 'alice', rooms: ['a'] }), await connect(t, url, { user: 'bob', rooms: ['a', 'b'] })]
  await settle(alice, bob)
  alice.take()
  alice.send({ type: 'auth', user: 'carol', rooms: ['b'] })
  await settle(alice, bob)
  t.strictSame(alice.take(), [])
  t.strictSame(Object.keys(bob.roster), [alice.address])
})

t.test('bounds the rooms that a token gives, not those that the application has given', async t => {
  const { url, symple, write } = await startSessionServer(t, { SYMPLE_MAX_ROOMS_PER_PEER: '2', SYMPLE_REFRESH_INTERVAL: '0' })
  await write('one', { user: 'alice', rooms: ['a'] })
  await write('two', { user: 'alice', rooms: ['a', 'b'] })
  const alice = await connect(t, url, { token: 'one' })
  for (const room of ['x', 'y']) await symple.join(alice.peer.id, room)
  t.match(await refresh(alice, { token: 'one' }), { type: 'welcome', rooms: ['alice', 'a', 'x', 'y'] })
  t.match(await refresh(alice, { token: 'two' }), { status: 400, message: /^Too many rooms/ }, 'it would be in more')
  await write('three', { user: 'alice', rooms: ['c'] })
  t.match(await refresh(alice, { token: 'three' }), { type: 'welcome', rooms: ['alice', 'c', 'x', 'y'] }, 'in as many')
  for (const room of ['x', 'y']) await symple.leave(alice.peer.id, room)
  t.match(await refresh(alice, { token: 'two' }), { type: 'welcome', rooms: ['alice', 'a', 'b'] })
})

t.test('tells peers on another node the difference, each once', async t => {
  const { urls: [near, far], write, backend } = await startPair(t)
  await write('a1', { user: 'alice', rooms: ['old', 'both'], data: { team: 'red' } })
  await write('a2', { user: 'alice', rooms: ['both', 'new'], data: { team: 'blue' } })
  await write('a3', { user: 'alice', rooms: ['both', 'new'], data: { team: 'blue' } })
  for (const room of ['old', 'both', 'new']) await write(room, { user: `${room} one`, rooms: [room] })
  await write('changer', { user: 'changer', rooms: ['old', 'new'] })
  await write('self', { user: 'alice' })
  const tokens = ['old', 'both', 'new', 'changer', 'self']
  const others = await Promise.all(tokens.map(async token => await connect(t, far, { token })))
  const [old, both, fresh, changer, self] = others as [TestClient, TestClient, TestClient, TestClient, TestClient]
  const alice = await connect(t, near, { token: 'a1' })
  const knows = (client: TestClient, team: string) => client.roster[alice.address]?.['team'] === team
  await eventually(() => [old, both, changer, self].every(client => knows(client, 'red')), 'she is known')
  await settle(alice, ...others)
  for (const client of [alice, ...others]) client.take()

  t.strictSame((await refresh(alice, { token: 'a2' })).rooms, ['alice', 'both', 'new'])
  await eventually(() => [both, fresh, changer, self].every(client => knows(client, 'blue')), 'the change is known')
  await eventually(() => !(alice.address in old.roster), 'she has left')
  await settle(alice, ...others)
  t.strictSame(presence(alice), ['new one true', 'old one false'])
  for (const client of [both, fresh, changer, self]) t.strictSame(teams(client, alice), [[true, 'blue']])
  t.strictSame(teams(old, alice), [[false, 'red']], 'what she is elsewhere is not told')
  const written = async (room: string) => await backend.hget(`symple:room:${room}`, alice.peer.id)
  t.strictSame(await written('old'), null)
  for (const room of ['both', 'new']) t.match(await written(room), '"team":"blue"')

  t.match(await refresh(alice, { token: 'a3' }), { type: 'welcome' })
  alice.send({ type: 'message', to: ['both', 'new', 'old'], data: 'last' })
  for (const client of [both, fresh, changer]) {
    const frames = [await client.next()]
    t.match(frames, [{ type: 'message', data: 'last' }], 'nothing came before: nothing has changed')
  }
  await write('late', { user: 'late', rooms: ['new'] })
  const late = await connect(t, far, { token: 'late' })
  await eventually(() => knows(late, 'blue'), 'the snapshot tells it too')
  await alice.close()
  for (const client of [both, fresh, changer, self, late]) {
    await eventually(() => !(alice.address in client.roster), 'she has gone')
  }
})
