import type { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { connect, eventually, type TestClient } from './helper.js'
import { startProcess } from './process.js'
import { startRedis } from './redis.js'
import { scrape } from './scrape.js'
import { gather, startNodes, Couriers, type Cast } from './cluster/cast.js'

const CHANNEL = 'symple:broadcast'

/** Two nodes with clients on both, and a backend that emits. */
async function setScene (
  t: Test
): Promise<{ cast: Cast, emit: Emit, backend: Redis, origins: string[], urls: string[] }> {
  const { nodes, urls, redis } = await startNodes(t, 2)
  const couriers = await Couriers.start(t, urls)
  const cast = await gather(t, urls, couriers, {
    alice: [0, ['lobby', 'staff']],
    alice2: [1, []],
    bob: [1, ['lobby', 'staff', 'alice']],
    carol: [0, ['staff']],
    dave: [1, []]
  })
  const backend = redis.client()
  return { cast, backend, emit: emitter(cast, backend), origins: nodes.map(({ origin }) => origin), urls }
}

type Emit = (fields: object) => Promise<string[]>

/** Emits a message. @returns who got it, as often as they got it */
function emitter (cast: Cast, backend: Redis): Emit {
  let emitted = 0
  return async fields => {
    const id = `e${++emitted}`
    await backend.publish(CHANNEL, JSON.stringify({ type: 'event', id, ...fields }))
    await emissionsArrived(cast, backend, id)
    return Object.entries(cast).flatMap(([name, client]) =>
      client.take().filter(frame => frame.id === id).map(() => name))
  }
}

/** Waits until all that was emitted before has reached all: emissions stay in order. */
async function emissionsArrived (cast: Cast, backend: Redis, id: string): Promise<void> {
  const clients = Object.values(cast)
  await backend.publish(CHANNEL, JSON.stringify({ type: 'mark', mark: id, to: clients.map(({ peer }) => peer.id) }))
  await eventually(() => clients.every(({ frames }) => frames.some(({ mark }) => mark === id)), 'the mark')
}

t.test('reaches whom it names, on whichever node, once each', async t => {
  const { cast, emit } = await setScene(t)
  const address = (name: string) => cast[name]!.address
  const id = (name: string) => cast[name]!.peer.id
  const cases: Array<[fields: object, recipients: string[]]> = [
    [{ to: address('bob') }, ['bob']],
    [{ to: address('carol') }, ['carol']],
    [{ to: id('bob') }, ['bob']],
    [{ to: id('alice') }, ['alice']],
    [{ to: 'dave' }, ['dave']],
    [{ to: 'alice' }, ['alice', 'alice2', 'bob']],
    [{ to: 'bob' }, ['bob']],
    [{ to: 'lobby' }, ['alice', 'bob']],
    [{ to: 'staff' }, ['alice', 'bob', 'carol']],
    [{ to: ['lobby'] }, ['alice', 'bob']],
    [{ to: ['lobby', 'staff', 'alice', address('bob'), id('bob'), 'bob'] }, ['alice', 'alice2', 'bob', 'carol']],
    [{ to: ['dave', 'dave', address('dave')] }, ['dave']],
    [{ to: [] }, []],
    [{ to: [], rooms: ['lobby'] }, []],
    // Without `to` it is `rooms`.
    [{ rooms: ['lobby'] }, ['alice', 'bob']],
    [{ to: null, rooms: ['dave', 'lobby'] }, ['alice', 'bob', 'dave']],
    [{ rooms: [] }, []],
    [{ to: 'dave', rooms: ['lobby'] }, ['dave']],
    // Not there.
    [{ to: 'nobody' }, []],
    [{ to: `eve|${id('bob')}` }, []],
    [{ to: 'bob|nothing' }, []],
    [{ to: `bob|${id('dave')}` }, []],
    [{ to: ['nobody', '|', 'LOBBY', '__proto__', 'dave'] }, ['dave']]
  ]
  for (const [fields, recipients] of cases) t.strictSame(await emit(fields), recipients, JSON.stringify(fields))
})

t.test('reaches no one else who has taken the id of a peer for a name, whichever node the peer is on, or was', async t => {
  const { cast, emit, urls } = await setScene(t)
  const { id } = cast['bob']!.peer
  for (const [i, url] of urls.entries()) cast[`thief${i}`] = await connect(t, url, { user: id, rooms: [id] })
  t.strictSame(await emit({ to: id }), ['bob'])
  t.strictSame(await emit({ rooms: [id, 'carol'] }), ['bob', 'carol'])
  await cast['bob']!.close()
  delete cast['bob']
  t.strictSame(await emit({ to: id }), [])
  t.strictSame(await emit({ to: cast['thief0']!.address }), ['thief0'])
})

t.test('hands on every field as it is, from too', async t => {
  const { cast, backend } = await setScene(t)
  const { bob } = cast
  for (const from of [undefined, null, 'shop', 'alice|forged', { id: 7 }]) {
    for (const type of ['message', 'presence', 'error', 'anything']) {
      const message = { type, to: 'bob', ...(from !== undefined && { from }), token: 'x', data: { deep: [[{}]], text: 'é😀\0"' } }
      await backend.publish(CHANNEL, JSON.stringify(message))
      t.strictSame(await bob!.next(), message)
    }
  }
})

t.test('reaches a peer from its welcome on, and no more when it has gone', async t => {
  const { urls, redis } = await startNodes(t, 1)
  const backend = redis.client()
  const alice = await connect(t, urls[0]!, { user: 'alice' })
  await backend.publish(CHANNEL, JSON.stringify({ type: 'event', to: 'alice', n: 1 }))
  t.match(await alice.next(), { n: 1 })
  alice.send({ type: 'join', room: 'den' })
  await alice.find('join:ok')
  await backend.publish(CHANNEL, JSON.stringify({ type: 'event', to: 'den', n: 2 }))
  t.match(await alice.next(), { n: 2 })
  alice.send({ type: 'leave', room: 'den' })
  await alice.find('leave:ok')
  await backend.publish(CHANNEL, JSON.stringify({ type: 'event', to: 'den', n: 3 }))
  await backend.publish(CHANNEL, JSON.stringify({ type: 'event', to: 'alice', n: 4 }))
  t.match(await alice.next(), { n: 4 })
})

t.test('stays in the order in which it was emitted', async t => {
  const { cast, backend } = await setScene(t)
  const { alice, bob } = cast
  for (let n = 0; n < 500; n++) {
    backend.publish(CHANNEL, JSON.stringify({ type: 'event', n, to: n % 2 === 0 ? 'lobby' : [alice!.address, bob!.peer.id] }))
  }
  for (const client of [alice!, bob!]) {
    await client.find(({ n }) => n === 499)
    const order = client.frames.flatMap(({ n }) => n === undefined ? [] : [n])
    t.strictSame(order, Array.from({ length: 500 }, (_, n) => n))
  }
})

t.test('is logged, without its content, and counted where it makes no sense, and nothing more', async t => {
  const redis = await startRedis(t)
  const server = await startProcess(t, { SYMPLE_REDIS_URL: redis.url })
  const alice: TestClient = await connect(t, server.url, { user: 'alice' })
  const backend = redis.client()
  const malformed = [
    '', 'S3cr3t', '{"type":"S3cr3t', 'null', '7', '"S3cr3t"', '[]', '[{"type":"event","to":"alice"}]', '{}',
    ...[{ to: 'alice' }, { type: 7, to: 'alice' }, { type: null, to: 'alice' }, { type: ['event'], to: 'alice' }],
    ...[undefined, 7, true, {}, '', [''], [7], ['alice', null], [['alice']]].map(to => ({ type: 'event', to, S3cr3t: 1 })),
    ...[7, {}, [7], ['']].map(rooms => ({ type: 'event', rooms })),
    `{"type":"event","to":"alice","data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  ].map(payload => typeof payload === 'string' ? payload : JSON.stringify(payload))
  for (const payload of malformed) await backend.publish(CHANNEL, payload)
  await backend.publish(CHANNEL, Buffer.from([0xff, 0xfe, 0x00]))
  await backend.publish(CHANNEL, JSON.stringify({ type: 'event', to: 'alice', n: 1 }))
  t.match(await alice.next(), { type: 'event', n: 1 }, 'none of them came, and the server lives')
  const { samples } = await scrape(server.origin)
  t.equal(samples.get('symple_emissions_malformed_total'), malformed.length + 1)
  t.equal(samples.get('symple_emissions_total'), malformed.length + 2)
  const warnings = () => server.log.filter(({ msg }) => msg === 'malformed emission')
  // Lines of the log are written in batches.
  await server.until(() => warnings().length > malformed.length, 'the warnings')
  t.equal(warnings().length, malformed.length + 1)
  for (const warning of warnings()) t.match(warning, { level: 40, reason: /./ })
  t.notMatch(server.stdout, /S3cr3t/)
})
