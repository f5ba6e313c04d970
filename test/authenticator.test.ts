import t from 'tap'
import { SympleError } from '../src/core/errors.js'
import { connect, eventually, open, type PeerObject } from './helper.js'
import { startHookedServer } from './hooked-server.js'

t.test('lets nothing reach a peer before its welcome, and loses nothing that it sent before', async t => {
  let grant: () => void = () => {}
  const asked = { alice: false }
  const { url } = await startHookedServer(t, async ({ user }) => {
    if (user === 'alice') {
      asked.alice = true
      await new Promise<void>(resolve => { grant = resolve })
    }
    return { user, name: undefined, rooms: ['lobby'], fixed: {} }
  })
  const bob = await connect(t, url, { user: 'bob' })
  const alice = await open(t, url)
  alice.send({ type: 'auth', user: 'alice' })
  alice.send({ type: 'join', room: 'den' })
  for (let i = 0; i < 100; i++) alice.send({ type: 'message', to: 'bob', i })
  await eventually(() => asked.alice, 'the authenticator was asked')
  for (const to of [null, 'alice', 'lobby']) bob.send({ type: 'message', to, early: true })
  await bob.barrier()
  t.strictSame(bob.take(), [])
  t.strictSame(alice.frames, [])
  grant()
  await alice.barrier()
  await bob.barrier()
  t.strictSame(alice.take().map(({ type }) => type), ['welcome', 'presence', 'join:ok'])
  const [presence, ...messages] = bob.take()
  t.match(presence, { type: 'presence', data: { user: 'alice', online: true } })
  t.strictSame(messages.map(({ i }) => i), Array.from({ length: 100 }, (_, i) => i))
})

t.test('refuses with 401 and 4401 what the authenticator refuses, and forgets what came behind', async t => {
  const { url } = await startHookedServer(t, async ({ user, token }) => {
    await new Promise(resolve => { setImmediate(resolve) })
    if (token !== 'good') throw new SympleError(401, 'Authentication refused')
    return { user, name: undefined, rooms: ['lobby'], fixed: {} }
  })
  const bob = await connect(t, url, { user: 'bob', token: 'good' })
  for (const token of [undefined, null, '', 'bad']) {
    const eve = await open(t, url)
    eve.send({ type: 'auth', user: 'eve', token, id: 7 })
    eve.send({ type: 'message', to: 'bob' })
    t.match(await eve.closed, { code: 4401 })
    t.strictSame(eve.frames, [{ type: 'error', status: 401, message: 'Authentication refused', id: 7 }])
  }
  await bob.barrier()
  t.strictSame(bob.take(), [])
})

t.test('lets nobody in where the authenticator fails, and answers with 503 and 1013', async t => {
  const { url, symple } = await startHookedServer(t, ({ user }) => {
    if (user === 'now') throw new Error('secret of the house')
    if (user === 'later') return Promise.reject(new TypeError('secret of the house'))
    return Promise.reject(new SympleError(503, 'Authentication unavailable'))
  })
  for (const user of ['now', 'later', 'unavailable']) {
    const client = await open(t, url)
    client.send({ type: 'auth', user })
    t.match(await client.closed, { code: 1013 })
    t.equal(client.frames.length, 1)
    const { retryAfter, ...error } = client.frames[0]!
    t.strictSame(error, { type: 'error', status: 503, message: 'Authentication unavailable' })
    t.type(retryAfter, 'number')
  }
  t.equal(symple.gauges.peers, 0)
})

t.test('lets the authenticator override what the client says of itself', async t => {
  const { url } = await startHookedServer(t, ({ rooms }) => ({
    user: 'alice', name: 'Alice', rooms: [...rooms, 'staff', 'alice'], fixed: { type: 'operator', status: 'on duty' }
  }))
  const client = await open(t, url)
  const welcome = await client.authenticate({
    user: 'eve', name: 'Eve', rooms: ['lobby'], data: { type: 'boss', status: 'away', mood: 'sunny' }
  })
  const peer: Partial<PeerObject> = { user: 'alice', name: 'Alice', type: 'operator', status: 'on duty', mood: 'sunny' }
  t.match(welcome, { peer })
  t.strictSame(welcome.rooms, ['alice', 'lobby', 'staff'])
})
