import t, { type Test } from 'tap'
import { connect, eventually, settle, startServer, type TestClient, type TestServer } from '../helper.js'
import { startRedis } from '../redis.js'

async function startNodes (t: Test, count: number, env: Record<string, string> = {}): Promise<TestServer[]> {
  const redis = await startRedis(t)
  const nodes: TestServer[] = []
  for (let i = 0; i < count; i++) nodes.push(await startServer(t, { SYMPLE_REDIS_URL: redis.url, ...env }))
  return nodes
}

/** Waits until all that these clients have sent has reached those of them whom it is for, on whatever node. */
async function settleAcross (nodes: TestServer[], clients: TestClient[]): Promise<void> {
  await settle(...clients)
  const total = (count: 'published' | 'received') =>
    nodes.reduce((sum, { server }) => sum + server.backplane.counts[count], 0)
  await eventually(() => total('received') === total('published'), 'all packets have come')
  await settle(...clients)
}

t.test('each form of address reaches the same peers, whatever node they are on', async t => {
  const nodes = await startNodes(t, 3)
  const [a, b, c] = nodes.map(({ url }) => url) as [string, string, string]
  const all = {
    alice: await connect(t, a, { user: 'alice', rooms: ['lobby', 'office'] }),
    phone: await connect(t, b, { user: 'alice' }),
    bob: await connect(t, b, { user: 'bob', rooms: ['lobby'] }),
    laptop: await connect(t, c, { user: 'bob', rooms: ['office'] }),
    carol: await connect(t, c, { user: 'carol', rooms: ['lobby', 'office', 'alice'] }),
    dave: await connect(t, b, { user: 'dave', rooms: ['elsewhere', 'bob'] })
  }
  type Name = keyof typeof all
  const clients = Object.values(all)
  await settleAcross(nodes, clients)
  const cases: Array<[sender: Name, to: unknown, recipients: Name[]]> = [
    ['alice', undefined, ['phone', 'bob', 'laptop', 'carol']],
    ['alice', null, ['phone', 'bob', 'laptop', 'carol']],
    ['phone', null, ['alice']],
    ['dave', null, []],
    ['alice', all.bob.address, ['bob']],
    ['alice', all.bob.peer.id, ['bob']],
    ['alice', `carol|${all.bob.peer.id}`, []],
    ['alice', all.dave.address, []],
    ['alice', all.dave.peer.id, []],
    ['bob', 'alice', ['alice']],
    ['alice', 'bob', ['bob', 'laptop']],
    ['dave', 'bob', []],
    ['carol', 'alice', ['alice']],
    ['alice', 'lobby', ['bob', 'carol']],
    ['alice', ['lobby', 'office'], ['bob', 'laptop', 'carol']],
    ['alice', ['alice'], ['phone']],
    ['alice', ['elsewhere', 'bob'], []],
    ['dave', ['bob'], []],
    ['alice', [], []],
    ['laptop', ['office', 'lobby'], ['alice', 'carol']]
  ]
  for (const [n, [sender, to, recipients]] of cases.entries()) {
    for (const client of clients) client.take()
    all[sender].send({ type: 'message', id: n, from: 'mallory|1', ...(to !== undefined && { to }) })
    await settleAcross(nodes, clients)
    const reached = Object.entries(all).filter(([, client]) => client.take().some(({ id }) => id === n))
    t.strictSame(reached.map(([name]) => name), recipients, `${sender} to ${JSON.stringify(to)}`)
  }
  for (const client of clients) {
    t.ok(client.frames.every(({ from }) => from !== 'mallory|1'), 'nobody says that it is another')
  }
})

t.test('a message comes once, though two peers share many rooms', async t => {
  const nodes = await startNodes(t, 2)
  const rooms = Array.from({ length: 50 }, (_, i) => `room ${i}`)
  const alice = await connect(t, nodes[0]!.url, { user: 'alice', rooms })
  const others = await Promise.all(Array.from({ length: 9 }, async (_, i) =>
    await connect(t, nodes[1]!.url, { user: `user ${i}`, rooms })))
  await settleAcross(nodes, [alice, ...others])
  for (const client of others) client.take()
  alice.send({ type: 'message', data: 1 })
  alice.send({ type: 'message', to: rooms, data: 2 })
  await settleAcross(nodes, [alice, ...others])
  for (const client of others) t.strictSame(client.take().map(({ data }) => data), [1, 2])
})

t.test('what one peer sends stays in order, by whatever address it goes', async t => {
  const nodes = await startNodes(t, 3)
  const alice = await connect(t, nodes[0]!.url, { user: 'alice', rooms: ['a', 'b'] })
  const bob = await connect(t, nodes[1]!.url, { user: 'bob', rooms: ['a'] })
  const carol = await connect(t, nodes[2]!.url, { user: 'carol', rooms: ['b'] })
  await settleAcross(nodes, [alice, bob, carol])
  for (const client of [bob, carol]) client.take()
  const forms = [undefined, 'a', ['b'], bob.address, 'carol', ['a', 'b'], bob.peer.id, 'bob']
  const expected: Record<'bob' | 'carol', number[]> = { bob: [], carol: [] }
  for (let n = 0; n < 900; n++) {
    const to = forms[n % forms.length]
    alice.send({ type: 'message', data: n, ...(to !== undefined && { to }) })
    if (to !== 'carol' && String(to) !== 'b') expected.bob.push(n)
    if (to === undefined || ['b', 'carol', 'a,b'].includes(String(to))) expected.carol.push(n)
  }
  await settleAcross(nodes, [alice, bob, carol])
  t.strictSame(bob.take().map(({ data }) => data), expected.bob)
  t.strictSame(carol.take().map(({ data }) => data), expected.carol)
})

t.test('a new peer gets the whole snapshot behind its welcome, and what it sends after a join reaches the room', async t => {
  const nodes = await startNodes(t, 3)
  const residents = await Promise.all(Array.from({ length: 12 }, async (_, i) =>
    await connect(t, nodes[i % 3]!.url, { user: `user ${i}`, rooms: ['hall'], data: { i } })))
  await settleAcross(nodes, residents)
  const late = await connect(t, nodes[1]!.url, { user: 'late', rooms: ['hall'] })
  for (let i = 0; i < residents.length; i++) t.equal((await late.next()).type, 'presence')
  t.strictSame(Object.keys(late.roster).sort(), residents.map(({ address }) => address).sort())

  const joiner = await connect(t, nodes[2]!.url, { user: 'joiner', rooms: ['yard'] })
  const inGarden = await connect(t, nodes[0]!.url, { user: 'gardener', rooms: ['garden'] })
  await settleAcross(nodes, [joiner, inGarden])
  joiner.take()
  // No peer of the joiner's node has been in that room: it must ask, and what follows must wait.
  for (const message of [{ type: 'join', room: 'garden' }, { type: 'presence', data: { mood: 'new' }, probe: true },
    { type: 'message', to: ['garden'], data: 'hello' }]) joiner.send(message)
  t.match(await inGarden.find('presence'), { from: joiner.address })
  t.match(await inGarden.next(), { type: 'presence', data: { mood: 'new' }, probe: true })
  t.match(await inGarden.next(), { type: 'message', data: 'hello' })
  t.strictSame(await joiner.next(), { type: 'join:ok', room: 'garden' })
  t.match(await joiner.next(), { type: 'presence', from: inGarden.address, data: { online: true } })
})

t.test('a message costs nothing where nobody is concerned', async t => {
  const nodes = await startNodes(t, 3)
  const alice = await connect(t, nodes[0]!.url, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, nodes[1]!.url, { user: 'bob', rooms: ['lobby'] })
  const carol = await connect(t, nodes[2]!.url, { user: 'carol', rooms: ['elsewhere'] })
  await settleAcross(nodes, [alice, bob, carol])
  const received = () => nodes.map(({ server }) => server.backplane.counts.received)
  const before = received()
  for (let n = 0; n < 50; n++) {
    alice.send({ type: 'message', to: ['lobby'], data: n })
    t.equal((await bob.find('message')).data, n)
  }
  t.strictSame(received().map((count, i) => count - before[i]!), [0, 50, 0])
})

t.test('a probe goes to no more peers than the limit says, on all nodes together', async t => {
  const nodes = await startNodes(t, 2, { SYMPLE_PROBE_LIMIT: '3' })
  const alice = await connect(t, nodes[0]!.url, { user: 'alice', rooms: ['lobby'] })
  const others = [await connect(t, nodes[0]!.url, { user: 'near', rooms: ['lobby'] })]
  for (const [user, probe] of [['b', true], ['c', true], ['d', undefined]] as const) {
    others.push(await connect(t, nodes[1]!.url, { user, rooms: ['lobby'] }))
    await settleAcross(nodes, [alice, ...others])
    for (const client of others) client.take()
    alice.send({ type: 'presence', data: {}, probe: true })
    for (const client of others) t.equal((await client.find('presence'))['probe'], probe, `${others.length} others`)
  }
})
