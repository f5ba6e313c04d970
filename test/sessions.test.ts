import t from 'tap'
import { connect, settle } from './helper.js'
import { startProcess } from './process.js'
import { startRedis } from './redis.js'
import { refused, startSessionServer, told, writeSession } from './session-server.js'

const SECRET = 'S3cr3tToken'

t.test('lets in who has a session, as what the session says, and in its rooms alone', async t => {
  const { url, write } = await startSessionServer(t)
  await write('a', { user: 'alice', name: 'Alice', type: 'operator', rooms: ['staff', 'alice', 'staff'], data: { avatar: 'a.png' } })
  await write('b', { user: 'bob' })
  const alice = await connect(t, url, { token: 'a', rooms: ['lobby', 'secret'], data: { mood: 'sunny' } })
  const { id } = alice.peer
  const peer = { id, user: 'alice', name: 'Alice', online: true, host: '127.0.0.1', type: 'operator', avatar: 'a.png', mood: 'sunny' }
  t.strictSame(alice.frames[0], { type: 'welcome', protocol: 'symple/4', status: 200, peer, rooms: ['alice', 'staff'] })
  const bob = await connect(t, url, { token: 'b', user: 'bob', name: '', rooms: ['staff'] })
  t.strictSame(bob.frames[0]!.rooms, ['bob'])
  t.equal(bob.peer.name, 'bob')
  bob.send({ type: 'join', room: 'staff' })
  await settle(alice, bob)
  t.strictSame(bob.roster, { [alice.address]: peer }, 'joins as everybody')
})

t.test('takes a user, in auth, that is the session\'s, and refuses any other with 401', async t => {
  const { url, write } = await startSessionServer(t)
  await write('a', { user: 'alice' })
  for (const user of [undefined, null, '', 'alice']) {
    t.equal((await connect(t, url, { token: 'a', user })).peer.user, 'alice')
  }
  for (const user of ['bob', 'Alice', 'alice ']) {
    const { frames, code } = await refused(t, url, { token: 'a', user, id: 7 })
    t.match(frames, [{ type: 'error', status: 401, message: /./, id: 7 }])
    t.strictSame([frames.length, code], [1, 4401], user)
  }
  const { frames, code } = await refused(t, url, { token: 'a', user: 'a|b' })
  t.strictSame([frames[0]!.status, code], [400, 4400], 'what is no user at all is malformed')
})

t.test('refuses with 401 who has no session', async t => {
  const { url, backend, write } = await startSessionServer(t)
  await write('expired', { user: 'alice' })
  await backend.pexpire('symple:session:expired', 1)
  for (const token of [undefined, null, '', 'unknown', 'expired', '*', '../session:a', 'é😀', 'x'.repeat(1000)]) {
    const { frames, code } = await refused(t, url, { user: 'alice', token })
    t.match(frames, [{ type: 'error', status: 401 }], String(token).slice(0, 20))
    t.strictSame([frames.length, code], [1, 4401])
  }
  for (const token of [7, true, {}, ['a']]) {
    const { frames, code } = await refused(t, url, { user: 'alice', token })
    t.strictSame([frames[0]!.status, code], [400, 4400], 'a token is a string')
  }
})

t.test('refuses with 401 a session that breaks the rules', async t => {
  const { url, write } = await startSessionServer(t, { SYMPLE_MAX_ROOMS_PER_PEER: '3', SYMPLE_MAX_DATA_SIZE: '100' })
  const user = 'alice'
  const long = 'x'.repeat(257)
  const faulty: Array<object | string> = [
    '', '{', 'alice', 'null', '7', '"alice"', '[]', '[{"user":"alice"}]', {}, { name: 'Alice' },
    ...[null, '', 7, true, {}, ['alice'], 'a|b', 'a\n', '\0', '\u0085', long, '\ud800'].map(user => ({ user })),
    ...[7, true, {}, ['Alice'], 'A\n', long, '\ud800'].map(name => ({ user, name })),
    ...['staff', {}, 7, true, [7], [null], [''], ['staff', 'a|b'], ['a\n'], [long], ['1', '2', '3', '4']].map(rooms => ({ user, rooms })),
    ...['x', 7, true, [], [{}], { text: 'x'.repeat(100) }].map(data => ({ user, data })),
    `{"user":"alice","data":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    `{"user":"alice","private":${'['.repeat(5000)}${']'.repeat(5000)}}`
  ]
  for (const [i, session] of faulty.entries()) {
    await write(`${SECRET}-${i}`, session)
    const { frames, code } = await refused(t, url, { token: `${SECRET}-${i}` })
    t.strictSame([frames.map(({ status }) => status), code], [[401], 4401], JSON.stringify(session).slice(0, 60))
    t.notMatch(JSON.stringify(frames), SECRET)
  }
})

t.test('takes sessions that are just within the rules', async t => {
  const { url, write } = await startSessionServer(t, { SYMPLE_MAX_ROOMS_PER_PEER: '3', SYMPLE_MAX_DATA_SIZE: '100' })
  const user = 'alice'
  const cases: Array<[session: object, rooms: string[], name: string]> = [
    [{ user, name: null, rooms: null, data: null }, ['alice'], 'alice'],
    [{ user, name: '' }, ['alice'], 'alice'],
    [{ user, name: 'a|b' }, ['alice'], 'a|b'],
    [{ user, rooms: [] }, ['alice'], 'alice'],
    [{ user, rooms: ['1', '2', '3', '3', 'alice'] }, ['alice', '1', '2', '3'], 'alice'],
    [{ user: 'x'.repeat(256), data: { text: 'x'.repeat(89) } }, ['x'.repeat(256)], 'x'.repeat(256)]
  ]
  for (const [session, rooms, name] of cases) {
    await write('a', session)
    const client = await connect(t, url, { token: 'a' })
    t.strictSame([client.frames[0]!.rooms, client.peer.name], [rooms, name], JSON.stringify(session).slice(0, 60))
  }
})

t.test('shows nothing of a session but its name, type and data', async t => {
  const { url, write } = await startSessionServer(t)
  const data = { role: 'host', token: 'hidden-1', name: 'hidden-2', id: 'hidden-3', user: 'hidden-4', online: false, host: 'hidden-5' }
  await write('a', { user: 'alice', rooms: ['staff'], data, token: 'hidden-6', accountId: 'hidden-7', id: 'hidden-8', host: 'hidden-9', online: false })
  await write('b', { user: 'bob', rooms: ['staff'] })
  const bob = await connect(t, url, { token: 'b' })
  const alice = await connect(t, url, { token: 'a', data: { token: 'hidden-10', accountId: 'mine' } })
  alice.send({ type: 'presence', token: 'hidden-11', data: { token: 'hidden-12', accountId: 'mine too' } })
  alice.send({ type: 'presence', to: 'bob', token: 'hidden-13', data: { token: 'hidden-14' } })
  await settle(alice, bob)
  const late = await connect(t, url, { token: 'b' })
  late.send({ type: 'join', room: 'staff' })
  await settle(late)
  const { id } = alice.peer
  const peer = { id, user: 'alice', name: 'alice', online: true, host: '127.0.0.1', role: 'host' }
  t.strictSame(alice.peer, { ...peer, accountId: 'mine' }, 'a field of the client\'s own')
  t.strictSame(late.roster[alice.address], { ...peer, accountId: 'mine too' })
  await alice.close()
  await bob.find(({ data }) => (data as { online?: boolean } | undefined)?.online === false)
  t.notMatch(told(alice, bob, late), /hidden/)
  t.notMatch(told(alice, bob, late), /"token"/)
})

t.test('lets nobody override what the session set, neither in auth nor later', async t => {
  const { url, write } = await startSessionServer(t)
  await write('a', { user: 'alice', name: 'Alice', type: 'operator', rooms: ['staff'], data: { role: 'guest', deep: { a: 1 } } })
  await write('b', { user: 'bob', rooms: ['staff'] })
  const bob = await connect(t, url, { token: 'b' })
  const forged = { name: 'Root', type: 'admin', role: 'host', deep: null, user: 'root', id: 'x', host: 'x', online: false, mood: 'sunny' }
  const alice = await connect(t, url, { token: 'a', name: 'Root', data: forged })
  const fixed = { name: 'Alice', type: 'operator', role: 'guest', deep: { a: 1 }, user: 'alice', id: alice.peer.id, host: '127.0.0.1', online: true }
  t.strictSame(alice.peer, { ...fixed, mood: 'sunny' })
  await settle(alice, bob)
  t.strictSame(bob.roster[alice.address], { ...fixed, mood: 'sunny' })
  bob.take()
  for (const to of [undefined, null, 'bob', ['staff'], bob.address]) {
    alice.send({ type: 'presence', to, data: { ...forged, mood: to } })
    t.strictSame((await bob.next()).data, { ...fixed, ...(to !== undefined && { mood: to }) })
  }
  const bare = await connect(t, url, { token: 'b', name: 'Bobby', data: { type: 'x' } })
  t.match(bare.peer, { name: 'Bobby', type: 'x' }, 'what the session leaves open, the client may say')
})

t.test('logs no token, and nothing of a session, and says so where the backend is at fault', async t => {
  const redis = await startRedis(t)
  const server = await startProcess(t, { SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_URL: redis.url, LOG_LEVEL: 'trace' })
  const backend = redis.client()
  await writeSession(backend, SECRET, { user: 'alice', private: 'S3cr3tField' })
  await writeSession(backend, `${SECRET}-faulty`, '{"user": "S3cr3tUser" "x"}')
  await writeSession(backend, `${SECRET}-rooms`, { user: 'S3cr3tUser', rooms: 'S3cr3tRoom' })
  const alice = await connect(t, server.url, { token: SECRET, user: 'alice' })
  await alice.barrier()
  await refused(t, server.url, { token: SECRET, user: 'bob' })
  await refused(t, server.url, { token: `${SECRET}-unknown` })
  const before = server.log.length
  await refused(t, server.url, { token: `${SECRET}-faulty` })
  await refused(t, server.url, { token: `${SECRET}-rooms` })
  await alice.close()
  await server.logged(line => line.msg === 'closed' && line['peer'] === alice.peer.id, 'the end of the connection')
  const faults = server.log.slice(before).filter(({ level }) => level >= 40)
  t.match(faults, [{ level: 40, err: { message: /faulty.*JSON/ } }, { level: 40, err: { message: /faulty.*rooms/ } }])
  await server.stop()
  t.notMatch(server.stdout + server.stderr, /S3cr3t/)
})
