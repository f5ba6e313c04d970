import t from 'tap'
import { connect, open, settle, startServer, type TestClient } from './helper.js'
import { startHookedServer } from './hooked-server.js'

/** Waits for rest, and forgets what came until then. */
async function calm (...clients: TestClient[]): Promise<void> {
  await settle(...clients)
  for (const client of clients) client.take()
}

t.test('gives a newcomer one frame for each visible peer, and them one of it, however many rooms they share', async t => {
  const { url } = await startServer(t)
  const rooms = ['a', 'b', 'c']
  const bob = await connect(t, url, { user: 'bob', rooms, data: { mood: 'sunny' } })
  const other = await connect(t, url, { user: 'alice', rooms: ['a'] })
  const stranger = await connect(t, url, { user: 'stranger', rooms: ['d'] })
  await calm(bob, other, stranger)
  const alice = await connect(t, url, { user: 'alice', name: 'Alice', rooms, data: { status: 'busy' } })
  await settle(alice, bob, other, stranger)
  const snapshot = alice.take().sort((a, b) => a.from! < b.from! ? -1 : 1)
  t.strictSame(snapshot, [
    { type: 'presence', from: other.address, data: other.peer }, { type: 'presence', from: bob.address, data: bob.peer }
  ])
  for (const client of [bob, other]) {
    t.strictSame(client.take(), [{ type: 'presence', from: alice.address, data: alice.peer }])
  }
  t.strictSame(stranger.take(), [])
})

t.test('tells once those who saw it that a peer has gone, however it goes', async t => {
  const { url } = await startServer(t)
  const rooms = ['a', 'b']
  const bob = await connect(t, url, { user: 'bob', rooms })
  const goodbyes: Array<(client: TestClient) => void> = [
    client => { client.send({ type: 'close' }) },
    client => { client.ws.close(1000) },
    client => { client.ws.close(4000, 'bye') },
    client => { client.ws.terminate() }
  ]
  for (const goodbye of goodbyes) {
    const alice = await connect(t, url, { user: 'alice', rooms, data: { status: 'busy' } })
    alice.send({ type: 'presence', data: { status: 'leaving' } })
    await calm(alice, bob)
    goodbye(alice)
    t.strictSame(await bob.next(), {
      type: 'presence', from: alice.address, data: { ...alice.peer, status: 'leaving', online: false }
    })
    await bob.barrier()
    t.strictSame(bob.take(), [])
  }
})

t.test('answers a polite close with code 1000, after all that went before, and hears nothing after it', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  await calm(alice, bob)
  alice.send({ type: 'join', room: 'den' })
  alice.send({ type: 'message', n: 1 })
  alice.send({ type: 'close' })
  alice.send({ type: 'message', n: 2 })
  t.match(await alice.closed, { code: 1000 })
  t.strictSame(alice.take(), [{ type: 'join:ok', room: 'den' }])
  await bob.barrier()
  t.match(bob.take(), [{ type: 'message', n: 1 }, { type: 'presence', data: { online: false } }])
})

t.test('publishes what a client says of itself, and forces what it can\'t say', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', name: 'Alice', rooms: ['lobby'], data: { status: 'busy' } })
  await calm(alice, bob)
  alice.send('{"type":"presence","id":"p1","from":"bob|x","token":"T0ken","status":7,"data":{"id":"x","user":"bob",' +
    '"host":"6.6.6.6","online":false,"token":"T0ken","__proto__":{"admin":true},"mood":"sunny","name":"Al"}}')
  const { host, ...rest } = alice.peer
  const published = { id: rest.id, user: 'alice', name: 'Al', online: true, host, mood: 'sunny' }
  t.strictSame(await bob.next(), { type: 'presence', id: 'p1', from: alice.address, status: 7, data: published })
  const carol = await connect(t, url, { user: 'carol', rooms: ['lobby'] })
  await settle(alice, bob, carol)
  t.strictSame(carol.roster[alice.address], published, 'the snapshot has it, and nothing of what was before')
  t.notMatch(JSON.stringify([bob.frames, carol.frames, alice.frames]), 'T0ken')
})

t.test('sends what is stored where a presence has no data', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'], data: { status: 'busy' } })
  await calm(alice, bob)
  for (const data of [{ status: 'away' }, undefined, null, {}, undefined]) alice.send({ type: 'presence', data })
  await settle(alice, bob)
  t.strictSame(bob.take().map(({ data }) => (data as { status?: string }).status), ['away', 'away', 'away', undefined, undefined])
  t.strictSame(bob.roster[alice.address], { id: alice.peer.id, user: 'alice', name: 'alice', online: true, host: '127.0.0.1' })
})

t.test('keeps the name of a peer where a presence has none that is valid', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', name: 'Alice', rooms: ['lobby'] })
  await calm(alice, bob)
  for (const name of ['', 7, null, {}, 'a\n', 'x'.repeat(257), '\ud800', undefined]) {
    alice.send({ type: 'presence', data: { name, mood: 'sunny' } })
    t.match(await bob.next(), { data: { name: 'Alice', mood: 'sunny' } })
  }
  alice.send({ type: 'presence', data: { name: 'A|ice' } })
  t.match(await bob.next(), { data: { name: 'A|ice' } })
  alice.send({ type: 'presence', data: { name: '' } })
  t.match(await bob.next(), { data: { name: 'A|ice' } })
})

t.test('never overrides what a session or hook has set', async t => {
  const { url } = await startHookedServer(t, ({ user, rooms }) => {
    return { user, name: user === 'alice' ? 'Alice' : undefined, rooms, fixed: user === 'alice' ? { type: 'operator' } : {} }
  })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'], name: 'Eve', data: { type: 'boss' } })
  await calm(alice, bob)
  for (const to of [undefined, 'bob']) {
    alice.send({ type: 'presence', to, data: { name: 'Eve', type: 'boss', mood: 'sunny' } })
    t.match(await bob.next(), { data: { name: 'Alice', type: 'operator', mood: 'sunny' } })
  }
  alice.send({ type: 'presence', data: {} })
  t.match(await bob.next(), { data: { name: 'Alice', type: 'operator' } })
})

t.test('routes a presence with "to" as any other frame, treats its data the same, and stores nothing', async t => {
  const { url } = await startServer(t)
  const rooms = ['lobby']
  const alice = await connect(t, url, { user: 'alice', rooms, data: { status: 'busy' } })
  const bob = await connect(t, url, { user: 'bob', rooms })
  const carol = await connect(t, url, { user: 'carol', rooms })
  const dave = await connect(t, url, { user: 'dave', rooms: ['elsewhere'] })
  await calm(alice, bob, carol, dave)
  for (const to of ['bob', bob.address, bob.peer.id]) {
    const said = { id: 'x', user: 'eve', host: 'x', online: false, token: 'T0ken', status: 'away', name: 'A' }
    alice.send({ type: 'presence', to, token: 'T0ken', data: said })
    t.strictSame(await bob.next(), {
      type: 'presence', to, from: alice.address, data: { ...alice.peer, status: 'away', name: 'A' }
    })
  }
  for (const to of ['dave', dave.address, ['elsewhere'], []]) alice.send({ type: 'presence', to, data: { status: 'away' } })
  await settle(alice, bob, carol, dave)
  t.strictSame([bob.take(), carol.take(), dave.take()], [[], [], []])
  const erin = await connect(t, url, { user: 'erin', rooms })
  t.strictSame((await erin.find(({ from }) => from === alice.address)).data, alice.peer)
  alice.send({ type: 'presence', to: 'bob' })
  t.strictSame((await bob.find(({ from }) => from === alice.address)).data, alice.peer)
})

t.test('takes "to": null as absent: such a presence is published', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  alice.send({ type: 'presence', to: null, data: { status: 'away' } })
  await alice.barrier()
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  t.match(await bob.next(), { type: 'presence', data: { status: 'away' } })
})

t.test('refuses data that is no object with 400 and data of more than 8 KiB with 413; neither is routed or stored', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'], data: { status: 'busy' } })
  await calm(alice, bob)
  const sized = (bytes: number) => ({ x: 'é'.repeat(100) + '-'.repeat(bytes - 208) })
  for (const to of [undefined, 'bob']) {
    for (const data of ['', 'x', 0, 7, true, false, [], [{}]]) {
      alice.send({ type: 'presence', to, data, id: 'p' })
      t.match(await alice.next(), { type: 'error', status: 400, id: 'p' })
    }
    alice.send({ type: 'presence', to, data: sized(8193), id: 'p' })
    t.match(await alice.next(), { type: 'error', status: 413, message: /./, id: 'p' })
  }
  const carol = await connect(t, url, { user: 'carol', rooms: ['lobby'] })
  t.match(await carol.find(({ from }) => from === alice.address), { data: alice.peer })
  await settle(alice, bob, carol)
  t.strictSame(bob.take().filter(({ from }) => from === alice.address), [])
  alice.send({ type: 'presence', data: sized(8192) })
  t.match(await bob.next(), { type: 'presence', data: sized(8192) })
})

t.test('shows the last presence to those who come, join and watch, and in the offline that follows', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const carol = await connect(t, url, { user: 'carol' })
  for (let n = 0; n < 50; n++) alice.send({ type: 'presence', data: { n, [`only${n}`]: true } })
  await calm(alice, bob, carol)
  carol.send({ type: 'join', room: 'lobby' })
  const expected = { ...alice.peer, n: 49, only49: true }
  t.strictSame((await carol.find(({ from }) => from === alice.address)).data, expected)
  t.strictSame(bob.roster[alice.address], expected)
  const dave = await open(t, url)
  await dave.authenticate({ user: 'dave', rooms: ['lobby'] })
  t.strictSame((await dave.find(({ from }) => from === alice.address)).data, expected)
  alice.send({ type: 'leave', room: 'lobby' })
  t.strictSame((await dave.find(({ from }) => from === alice.address)).data, { ...expected, online: false })
})
