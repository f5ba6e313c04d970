import t, { type Test } from 'tap'
import { connect, eventually, settle, startServer, type TestServer } from './helper.js'
import { startRedis } from './redis.js'

type Emit = (payload: unknown) => Promise<void>

async function startTwo (t: Test): Promise<{ nodes: [TestServer, TestServer], emit: Emit }> {
  const redis = await startRedis(t)
  const env = { SYMPLE_REDIS_URL: redis.url }
  const nodes: [TestServer, TestServer] = [await startServer(t, env), await startServer(t, env)]
  const client = redis.client()
  let emitted = 0
  return {
    nodes,
    /** Publishes, and waits until both nodes have handled it. */
    async emit (payload) {
      emitted++
      await client.publish('symple:broadcast', typeof payload === 'string' ? payload : JSON.stringify(payload))
      await eventually(() => nodes.every(({ server }) => server.symple.stats.emissions.received === emitted), 'received')
    }
  }
}

t.test('reaches whom a backend names, each once, on whichever node', async t => {
  const { nodes: [first, second], emit } = await startTwo(t)
  const alice = await connect(t, first.url, { user: 'alice', rooms: ['staff'] })
  const phone = await connect(t, second.url, { user: 'alice' })
  const bob = await connect(t, second.url, { user: 'bob', rooms: ['staff'] })
  const carol = await connect(t, first.url, { user: 'carol', rooms: ['alice'] })
  const all = { alice, phone, bob, carol }
  await settle(...Object.values(all))
  const cases: Array<[address: object, recipients: Array<keyof typeof all>]> = [
    [{ to: 'alice' }, ['alice', 'phone', 'carol']],
    [{ to: ['alice'] }, ['alice', 'phone', 'carol']],
    [{ to: 'staff' }, ['alice', 'bob']],
    [{ to: ['staff', 'alice', 'bob', 'staff'] }, ['alice', 'phone', 'bob', 'carol']],
    [{ to: phone.address }, ['phone']],
    [{ to: [phone.peer.id, bob.address] }, ['phone', 'bob']],
    [{ to: `bob|${phone.peer.id}` }, []],
    [{ rooms: ['staff', 'carol'] }, ['alice', 'bob', 'carol']],
    [{ to: null, rooms: ['bob'] }, ['bob']],
    [{ to: 'nobody' }, []],
    [{ to: [] }, []]
  ]
  for (const [n, [address, recipients]] of cases.entries()) {
    for (const client of Object.values(all)) client.take()
    const message = { type: 'event', name: 'order:paid', from: 'shop', data: { n }, ...address }
    await emit(message)
    await settle(...Object.values(all))
    for (const [name, client] of Object.entries(all)) {
      const expected = recipients.includes(name as keyof typeof all) ? [message] : []
      t.strictSame(client.take(), expected, `${name} of ${JSON.stringify(address)}`)
    }
  }
})

t.test('what makes no sense is logged and counted, and disturbs nothing', async t => {
  const { nodes: [first, second], emit } = await startTwo(t)
  const alice = await connect(t, first.url, { user: 'alice' })
  const malformed = [
    '', 'nonsense', '[]', 'null', '7', '{}', { to: 'alice' }, { type: 7, to: 'alice' }, { type: 'event' },
    { type: 'event', to: 7 }, { type: 'event', to: ['alice', 7] }, { type: 'event', to: '' }, { type: 'event', rooms: 'alice' },
    `${'['.repeat(10_000)}`
  ]
  for (const payload of malformed) await emit(payload)
  for (const { server } of [first, second]) {
    t.equal(server.symple.stats.emissions.malformed, malformed.length - 1, 'a string of rooms is one room')
  }
  alice.take()
  await emit({ type: 'message', to: 'alice', data: 'well' })
  t.match(await alice.next(), { type: 'message', data: 'well' })
})
