import t from 'tap'
import { connect, eventually, settle, type Frame, type TestClient } from '../helper.js'
import { Couriers, gather, rest, sees, startNodes } from './cast.js'

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

/** The numbers of what came from a sender, of frames that have one. */
function sequence (frames: Frame[], sender: TestClient): unknown[] {
  return frames.filter(({ from, n }) => from === sender.address && n !== undefined).map(({ n }) => n)
}

t.test('keeps the order in which each sender sent, whatever the way and the node', async t => {
  const { urls } = await startNodes(t, 3)
  const couriers = await Couriers.start(t, urls)
  const cast = await gather(t, urls, couriers, {
    alice: [0, ['lobby', 'den']], bob: [1, ['lobby', 'den']], bob2: [2, ['lobby', 'den']], carol: [2, ['lobby', 'den']]
  })
  const { alice, bob, bob2, carol } = cast
  const ways = [null, 'bob', ['lobby'], ['den', 'lobby'], undefined, 'den', 'lobby']
  for (let n = 0; n < 2000; n++) {
    for (const sender of [alice!, carol!]) {
      const type = ['message', 'event', 'command', 'presence'][n % 4]
      sender.send({ type, to: ways[n % ways.length], n, data: { pad: '-'.repeat(n % 100 === 0 ? 5000 : n % 7) } })
    }
  }
  await rest(cast, couriers)
  for (const receiver of [bob!, bob2!]) {
    const frames = receiver.take()
    for (const sender of [alice!, carol!]) t.strictSame(sequence(frames, sender), numbers(2000))
  }
})

t.test('keeps the order between what is for one peer and what is for a room', async t => {
  const { urls } = await startNodes(t, 2)
  const alice = await connect(t, urls[0]!, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, urls[1]!, { user: 'bob', rooms: ['lobby'] })
  await sees([alice, bob])
  bob.take()
  const ways = [bob.address, bob.peer.id, 'bob', 'lobby', ['lobby'], null]
  for (let n = 0; n < 1200; n++) alice.send({ type: 'message', to: ways[n % ways.length], n })
  await bob.find(({ n }) => n === 1199)
  t.strictSame(sequence(bob.frames, alice), numbers(1200))
})

t.test('reaches with what follows a join at once those who were there, after they heard of the joiner', async t => {
  const { urls } = await startNodes(t, 2)
  for (let i = 0; i < 20; i++) {
    const bob = await connect(t, urls[1]!, { user: 'bob', rooms: [`den${i}`] })
    const alice = await connect(t, urls[0]!, { user: 'alice' })
    alice.send({ type: 'join', room: `den${i}` })
    for (let n = 0; n < 10; n++) alice.send({ type: 'message', to: n % 2 === 0 ? null : [`den${i}`], n })
    alice.send({ type: 'leave', room: `den${i}` })
    alice.send({ type: 'message', n: 10 })
    alice.send({ type: 'join', room: `den${i}` })
    alice.send({ type: 'message', n: 11 })
    await bob.find(({ n }) => n === 11)
    const story = bob.frames.slice(1).map(({ type, data, n }) => type === 'presence' ? (data as { online: boolean }).online : n)
    t.strictSame(story, [true, ...numbers(10), false, true, 11])
    const [welcome, ...rest] = alice.frames
    t.equal(welcome!.type, 'welcome')
    t.strictSame(rest.map(({ type, data }) => type === 'presence' ? (data as { online: boolean }).online : type),
      ['join:ok', true, 'leave:ok', false, 'join:ok', true])
    await Promise.all([alice.close(), bob.close()])
  }
})

t.test('gives the snapshot right behind the welcome, with the peers of other nodes', async t => {
  const { urls } = await startNodes(t, 3)
  const others: TestClient[] = []
  for (let i = 0; i < 12; i++) {
    others.push(await connect(t, urls[i % 3]!, { user: `user${i}`, rooms: [i % 2 === 0 ? 'lobby' : 'den', 'hall'], data: { i } }))
  }
  await sees(others)
  const rounds = { stopped: false }
  const chatter = (async () => {
    for (let n = 0; !rounds.stopped; n++) {
      for (const other of others) other.send({ type: 'message', n })
      await settle(...others)
    }
  })()
  for (const [user, count] of [['newcomer', 12], ['user0', 12]] as const) {
    for (const url of urls) {
      const client = await connect(t, url, { user, rooms: ['lobby', 'den'] })
      await client.barrier()
      const expected = others.filter(other => other.address !== client.address).map(({ address }) => address)
      const snapshot = client.frames.slice(1, 1 + count)
      t.strictSame(snapshot.map(({ type }) => type), Array(count).fill('presence'))
      t.strictSame(snapshot.map(({ from }) => from).sort(), expected.sort())
      for (const { data, from } of snapshot) {
        const i = others.findIndex(({ address }) => address === from)
        t.match(data, { online: true, i })
      }
      await client.close()
      await eventually(() => others.every(({ roster }) => !(client.address in roster)), 'all know that it has gone')
    }
  }
  rounds.stopped = true
  await chatter
})

t.test('sets from to the sender on its own node, whatever it says', async t => {
  const { urls } = await startNodes(t, 2)
  const alice = await connect(t, urls[0]!, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, urls[1]!, { user: 'bob', rooms: ['lobby'] })
  await sees([alice, bob])
  bob.take()
  for (const type of ['message', 'command', 'event', 'presence']) {
    for (const from of [undefined, null, '', 'bob|x', 7, { user: 'bob' }, bob.address, bob.peer.id]) {
      for (const to of [undefined, 'bob', ['lobby'], bob.peer.id]) {
        alice.send({ type, to, from, token: 'x', nested: { from } })
        const frame = await bob.next()
        t.strictSame([frame.type, frame.from], [type, alice.address])
      }
    }
  }
})

t.test('hands presence on as on one node: published to all, kept for those who come later, on any node', async t => {
  const { urls } = await startNodes(t, 3)
  const alice = await connect(t, urls[0]!, { user: 'alice', rooms: ['lobby'], data: { mood: 'new' } })
  const bob = await connect(t, urls[1]!, { user: 'bob', rooms: ['lobby'] })
  await sees([alice, bob])
  bob.take()
  const { mood, ...peer } = alice.peer as typeof alice.peer & { mood: string }
  t.equal(mood, 'new')
  alice.send({ type: 'presence', probe: true, extra: 1, token: 'x', data: { status: 'away', id: 'x', user: 'x', online: false, token: 'x' } })
  t.strictSame(await bob.next(), { type: 'presence', probe: true, extra: 1, from: alice.address, data: { ...peer, status: 'away' } })
  alice.send({ type: 'presence', to: 'bob', data: { status: 'for bob' } })
  t.strictSame((await bob.next()).data, { ...peer, status: 'for bob' })
  alice.send({ type: 'presence' })
  t.strictSame((await bob.next()).data, { ...peer, status: 'away' })
  const carol = await connect(t, urls[2]!, { user: 'carol', rooms: ['lobby'] })
  await carol.barrier()
  t.strictSame(carol.roster[alice.address], { ...peer, status: 'away' })
  await alice.close()
  await eventually(() => !(alice.address in bob.roster) && !(alice.address in carol.roster), 'both know')
  t.strictSame(bob.frames.at(-1), { type: 'presence', from: alice.address, data: { ...peer, status: 'away', online: false } })
})

t.test('counts the peers of other nodes among those whom a probe would reach', async t => {
  const { urls } = await startNodes(t, 3, { SYMPLE_PROBE_LIMIT: '3' })
  const alice = await connect(t, urls[0]!, { user: 'alice', rooms: ['lobby', 'den'] })
  const others: TestClient[] = []
  for (let i = 0; i < 3; i++) others.push(await connect(t, urls[i]!, { user: 'bob', rooms: ['lobby', 'den'] }))
  await sees([alice, ...others])
  const published = async () => {
    alice.send({ type: 'presence', probe: true, mark: 1 })
    return await Promise.all(others.map(async other => (await other.find(({ mark }) => mark === 1))['probe']))
  }
  t.strictSame(await published(), [true, true, true])
  const fourth = await connect(t, urls[2]!, { user: 'dave', rooms: ['den'] })
  await sees([alice, fourth])
  t.strictSame(await published(), [undefined, undefined, undefined])
  alice.send({ type: 'presence', probe: true, to: ['lobby'], mark: 2 })
  for (const other of others) t.equal((await other.find(({ mark }) => mark === 2))['probe'], true, 'to no more than three')
})

t.test('hands on what two publish at once in the order of each, and ends with the last of each', async t => {
  const { urls } = await startNodes(t, 3)
  const alice = await connect(t, urls[0]!, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, urls[1]!, { user: 'bob', rooms: ['lobby'] })
  const carol = await connect(t, urls[2]!, { user: 'carol', rooms: ['lobby'] })
  await sees([alice, bob, carol])
  for (let n = 0; n < 500; n++) {
    for (const sender of [alice, bob]) sender.send({ type: 'presence', n, data: { n } })
  }
  await eventually(() => [alice, bob].every(({ address }) => carol.roster[address]!['n'] === 499), 'the last of both')
  for (const sender of [alice, bob]) {
    const published = carol.frames.filter(({ n, from }) => n !== undefined && from === sender.address)
    t.strictSame(published.map(({ n, data }) => [n, (data as { n: number }).n]), numbers(500).map(n => [n, n]))
  }
})
