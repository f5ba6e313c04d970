import t from 'tap'
import { connect, eventually, settle, startServer, type Frame, type PeerObject, type TestClient } from './helper.js'

/** What a client was told of others, in short: `+` online, `-` offline. */
function tidings (frames: Frame[]): string[] {
  return frames.filter(({ type }) => type === 'presence').map(({ data }) => {
    const { online, user } = data as PeerObject
    return `${online ? '+' : '-'}${user}`
  })
}

async function told (...clients: TestClient[]): Promise<string[][]> {
  await settle(...clients)
  return clients.map(client => tidings(client.take()))
}

t.test('acknowledges join, then tells the newly visible of each other, once', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['den'], data: { mood: 'sunny' } })
  const carol = await connect(t, url, { user: 'carol', rooms: ['den'] })
  await told(bob, carol)
  alice.send({ type: 'join', room: 'den', id: 'j1' })
  t.strictSame(await alice.next(), { type: 'join:ok', room: 'den' })
  const [first, second] = [await alice.next(), await alice.next()]
  t.strictSame([first.from, second.from].sort(), [bob.address, carol.address])
  t.match([first, second].find(({ from }) => from === bob.address), { data: { ...bob.peer, mood: 'sunny', online: true } })
  for (const peer of [bob, carol]) {
    t.strictSame(await peer.next(), { type: 'presence', from: alice.address, data: alice.peer })
  }
  t.strictSame(await told(alice, bob, carol), [[], [], []])
})

t.test('tells nobody again of whom it sees already', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const other = await connect(t, url, { user: 'alice' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby', 'den'] })
  const carol = await connect(t, url, { user: 'carol', rooms: ['den'] })
  await told(alice, other, bob, carol)
  alice.send({ type: 'join', room: 'den' })
  t.strictSame(await told(alice, other, bob, carol), [['+carol'], [], [], ['+alice']])
  other.send({ type: 'join', room: 'den' })
  t.strictSame(await told(alice, other, bob, carol), [[], ['+bob', '+carol'], ['+alice'], ['+alice']])
})

t.test('acknowledges leave, then tells those who see each other no more', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby', 'den'] })
  const other = await connect(t, url, { user: 'alice', rooms: ['den'] })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby', 'den'] })
  const carol = await connect(t, url, { user: 'carol', rooms: ['den'], data: { mood: 'grim' } })
  await told(alice, other, bob, carol)
  alice.send({ type: 'leave', room: 'den' })
  t.strictSame(await alice.next(), { type: 'leave:ok', room: 'den' })
  t.strictSame(await alice.next(), {
    type: 'presence', from: carol.address, data: { ...carol.peer, online: false }
  })
  t.strictSame(await carol.next(), {
    type: 'presence', from: alice.address, data: { ...alice.peer, online: false }
  })
  t.strictSame(await told(alice, other, bob, carol), [[], [], [], []], 'bob is in the lobby too, the other one the same user')
  alice.send({ type: 'message', to: null })
  alice.send({ type: 'message', to: 'den' })
  alice.send({ type: 'message', to: ['den'] })
  alice.send({ type: 'message', to: 'carol' })
  await settle(alice, carol)
  t.strictSame(carol.take(), [], 'nothing reaches what it has left')
})

t.test('acknowledges a join or leave that changes nothing, every time, and says nothing else', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  await told(alice, bob)
  for (const [type, room] of [['join', 'lobby'], ['join', 'lobby'], ['leave', 'den'], ['join', 'alice'], ['leave', 'alice'], ['join', 'alice']]) {
    alice.send({ type, room })
    t.strictSame(await alice.next(), { type: `${type}:ok`, room })
  }
  await settle(alice, bob)
  t.strictSame([alice.take(), bob.take()], [[], []])
  for (const type of ['leave', 'leave']) alice.send({ type, room: 'lobby' })
  t.match([await alice.next(), await alice.next(), await alice.next()].map(({ type }) => type), ['leave:ok', 'presence', 'leave:ok'])
  t.strictSame(await told(alice, bob), [[], ['-alice']])
})

t.test('can neither join nor leave the personal room: a room that bears a user\'s name is another one', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob' })
  const other = await connect(t, url, { user: 'bob' })
  const eve = await connect(t, url, { user: 'eve' })
  const mallory = await connect(t, url, { user: 'mallory', rooms: ['bob'] })
  await told(bob, other, eve, mallory)
  eve.send({ type: 'join', room: 'bob' })
  t.strictSame(await eve.next(), { type: 'join:ok', room: 'bob' })
  t.strictSame(await told(bob, other, eve, mallory), [[], [], ['+mallory'], ['+eve']])
  bob.send({ type: 'leave', room: 'bob' })
  bob.send({ type: 'join', room: 'bob' })
  bob.send({ type: 'message', to: null })
  await settle(bob, other, eve, mallory)
  t.match(other.take(), [{ type: 'message', from: bob.address }])
  t.strictSame([eve.take(), mallory.take()], [[], []])
  eve.send({ type: 'leave', room: 'bob' })
  t.strictSame(await told(bob, other, eve, mallory), [[], [], ['-mallory'], ['-eve']])
})

t.test('handles frames in order: a broadcast behind a join reaches the new room, one behind a leave does not', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['den'] })
  for (let n = 0; n < 20; n++) {
    alice.send({ type: 'message', to: null, n: `before ${n}` })
    alice.send({ type: 'join', room: 'den' })
    alice.send({ type: 'message', to: null, n: `within ${n}` })
    alice.send({ type: 'leave', room: 'den' })
    alice.send({ type: 'message', to: null, n: `after ${n}` })
  }
  await settle(alice, bob)
  t.strictSame(bob.take().map(({ type, n, data }) => n ?? `${type} ${(data as PeerObject).online}`),
    Array.from({ length: 20 }, (_, n) => ['presence true', `within ${n}`, 'presence false']).flat())
})

t.test('refuses a room that is no name with 400, keeps the connection, and changes nothing', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice' })
  const rooms = [undefined, null, '', 0, 7, true, {}, [], ['den'], 'a|b', '|', 'a\nb', '\0', '\x7f', '\x85', 'x'.repeat(257), 'é'.repeat(129), '\ud800', 'a\udfff']
  for (const type of ['join', 'leave']) {
    for (const room of rooms) {
      alice.send({ type, room, id: 'j' })
      t.match(await alice.next(), { type: 'error', status: 400, message: /./, id: 'j' }, `${type} ${JSON.stringify(room)}`)
    }
  }
  await alice.barrier()
  t.strictSame(alice.take(), [])
})

t.test('takes rooms by their exact names', async t => {
  const { url } = await startServer(t)
  const names = ['den', 'Den', ' den', 'den ', 'é', 'e\u0301', '__proto__', 'constructor', '0', 'x'.repeat(256), '☃'.repeat(85), '😀', 'a:b/c*']
  const bobs = await Promise.all(names.map((name, i) => connect(t, url, { user: `bob${i}`, rooms: [name] })))
  const alice = await connect(t, url, { user: 'alice' })
  for (const [i, room] of names.entries()) {
    alice.send({ type: 'join', room })
    t.strictSame(await alice.next(), { type: 'join:ok', room })
    t.match(await alice.next(), { type: 'presence', from: bobs[i]!.address })
    alice.send({ type: 'message', to: [room], room })
    t.match(await bobs[i]!.find('message'), { room })
  }
  await settle(alice, ...bobs)
  t.strictSame(bobs.map(bob => bob.take()), names.map(() => []))
  t.strictSame(alice.take(), [])
})

t.test('forbids join and leave, and those alone, where dynamic rooms are off', async t => {
  const { url } = await startServer(t, { SYMPLE_DYNAMIC_ROOMS: 'false' })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  await told(alice, bob)
  for (const type of ['join', 'leave']) {
    for (const room of ['den', 'lobby', 'alice', '', 7]) {
      alice.send({ type, room, id: 'r' })
      t.strictSame(await alice.next(), { type: 'error', status: 400, message: 'Dynamic rooms disabled', id: 'r' })
    }
  }
  alice.send({ type: 'message', to: ['lobby'] })
  t.match(await bob.next(), { type: 'message' })
})

t.test('forgets the rooms of a connection that ended', async t => {
  const { url, server } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby', 'den'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  alice.send({ type: 'join', room: 'den' })
  await alice.barrier()
  alice.ws.terminate()
  await eventually(() => Object.keys(bob.roster).length === 0, 'alice is gone')
  const again = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  t.strictSame(again.frames[0]!.rooms, ['alice', 'lobby'])
  t.not(again.peer.id, alice.peer.id)
  bob.send({ type: 'message', to: ['den'] })
  await settle(bob, again)
  t.strictSame(tidings(again.take()), ['+bob'])
  again.ws.terminate()
  bob.ws.terminate()
  await eventually(() => server.symple.gauges.rooms === 0, 'the rooms are gone')
  t.match(server.symple.gauges, { connections: 0, peers: 0, users: 0, rooms: 0, unsent: 0 })
})
