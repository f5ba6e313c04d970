import t, { type Test } from 'tap'
import { connect, eventually, open, settle, startServer, TestClient, type TestServer } from './helper.js'
import { openRaw, frame } from './raw.js'
import { moved, scrape } from './scrape.js'

interface Watched extends TestServer {
  /** What a step has moved, the histograms' buckets and the bytes left out. */
  changes (step: () => Promise<unknown>): Promise<Record<string, number>>
}

const UNCOUNTABLE = /_(bytes|bytes_total|seconds_sum|bucket|seconds_bucket)(\{|$)/

async function watch (t: Test, env: Record<string, string> = {}): Promise<Watched> {
  const server = await startServer(t, env)
  return {
    ...server,
    async changes (step) {
      const before = await scrape(server.origin)
      await step()
      const changes = Object.entries(moved(before, await scrape(server.origin)))
      return Object.fromEntries(changes.filter(([name]) => !UNCOUNTABLE.test(name)))
    }
  }
}

/** Waits until the server has no connection. */
async function empty ({ server }: TestServer): Promise<void> {
  await eventually(() => server.symple.gauges.connections === 0, 'no connection is left')
}

t.test('connections, peers, users, rooms, close codes', async t => {
  const watched = await watch(t)
  const { url, changes } = watched
  let alice: TestClient
  t.strictSame(await changes(async () => { alice = await open(t, url) }), {
    symple_open_connections: 1, symple_connections_total: 1
  })
  t.strictSame(await changes(async () => await alice.authenticate({ user: 'alice', rooms: ['a', 'b'] })), {
    symple_peers: 1,
    symple_users: 1,
    symple_rooms: 2,
    'symple_authentications_total{outcome="ok"}': 1,
    'symple_messages_received_total{type="auth"}': 1
  })
  t.strictSame(await changes(async () => await connect(t, url, { user: 'alice', rooms: ['b'] })), {
    symple_open_connections: 1,
    symple_connections_total: 1,
    symple_peers: 1,
    'symple_authentications_total{outcome="ok"}': 1,
    'symple_messages_received_total{type="auth"}': 1
  })
  t.strictSame(await changes(async () => {
    alice.send({ type: 'close' })
    await alice.closed
    await eventually(() => watched.server.symple.gauges.connections === 1, 'the server knows')
  }), {
    symple_open_connections: -1,
    symple_peers: -1,
    symple_rooms: -1,
    'symple_connections_closed_total{code="1000"}': 1,
    symple_message_handling_seconds_count: 1,
    'symple_messages_received_total{type="close"}': 1
  })
})

t.test('close codes of clients: their own are one', async t => {
  const watched = await watch(t)
  for (const [code, label] of [[1000, '1000'], [1001, '1001'], [3000, 'other'], [3999, 'other'], [4999, 'other']] as const) {
    const changes = await watched.changes(async () => {
      const client = await connect(t, watched.url, { user: 'alice' })
      client.ws.close(code)
      await client.closed
      await empty(watched)
    })
    t.equal(changes[`symple_connections_closed_total{code="${label}"}`], 1, `${code}`)
  }
  const changes = await watched.changes(async () => {
    (await openRaw(t, watched.port).then(async raw => await raw.authenticate({ user: 'bob' }))).reset()
    await eventually(() => watched.server.symple.stats.closes.has(1006), 'the server knows')
  })
  t.equal(changes['symple_connections_closed_total{code="1006"}'], 1)
})

t.test('authentications by outcome, and the codes of refusals', async t => {
  const watched = await watch(t, { SYMPLE_AUTH_TIMEOUT: '0.3' })
  const { url } = watched
  const attempts: Record<string, [code: number, attempt: (client: TestClient) => unknown]> = {
    refused: [4401, client => { client.send({ type: 'message' }) }],
    malformed: [4400, client => { client.send('no JSON') }],
    timeout: [4408, () => {}],
    abandoned: [1006, client => { client.ws.terminate() }]
  }
  for (const [outcome, [code, attempt]] of Object.entries(attempts)) {
    const changes = await watched.changes(async () => {
      const client = await open(t, url)
      attempt(client)
      await client.closed
      await empty(watched)
    })
    t.match(changes, {
      symple_connections_total: 1,
      [`symple_authentications_total{outcome="${outcome}"}`]: 1,
      [`symple_connections_closed_total{code="${code}"}`]: 1
    }, outcome)
    t.equal(Object.keys(changes).filter(name => name.startsWith('symple_auth')).length, 1)
  }
})

t.test('messages by type, deliveries, drops', async t => {
  const { url, changes } = await watch(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const others = await Promise.all(['bob', 'carol', 'dave'].map(user => connect(t, url, { user, rooms: ['lobby'] })))
  await settle(alice, ...others)

  const received = (type: string) => `symple_messages_received_total{type="${type}"}`
  const dropped = (reason: string) => `symple_messages_dropped_total{reason="${reason}"}`
  const deliveries = 'symple_deliveries_total'
  const cases: Array<[message: object | string, wanted: Record<string, number>]> = [
    [{ type: 'message' }, { [received('message')]: 1, [deliveries]: 3 }],
    [{ type: 'event', to: 'bob' }, { [received('event')]: 1, [deliveries]: 1 }],
    [{ type: 'command', to: ['lobby'] }, { [received('command')]: 1, [deliveries]: 3 }],
    [{ type: 'presence' }, { [received('presence')]: 1, [deliveries]: 3 }],
    [{ type: 'join', room: 'a' }, { [received('join')]: 1, symple_rooms: 1 }],
    [{ type: 'leave', room: 'a' }, { [received('leave')]: 1, symple_rooms: -1 }],
    [{ type: 'constructor' }, { [received('unknown')]: 1, [dropped('unknown_type')]: 1 }],
    [{ type: 'auth' }, { [received('unknown')]: 1, [dropped('unknown_type')]: 1 }],
    [{ type: 7 }, { [received('invalid')]: 1, [dropped('invalid')]: 1 }],
    ['{', { [received('invalid')]: 1, [dropped('invalid')]: 1 }],
    [{ type: 'message', to: 7 }, { [received('message')]: 1, [dropped('invalid')]: 1 }],
    [{ type: 'join', room: '' }, { [received('join')]: 1, [dropped('invalid')]: 1 }],
    [{ type: 'message', to: 'nobody' }, { [received('message')]: 1, [dropped('no_recipient')]: 1 }],
    [{ type: 'message', to: ['lobby', 'elsewhere'] }, {
      [received('message')]: 1, [deliveries]: 3, [dropped('not_member')]: 1
    }],
    [{ type: 'message', to: ['nowhere', 'elsewhere', 'bob'] }, { [received('message')]: 1, [dropped('not_member')]: 1 }],
    [{ type: 'message', to: [] }, { [received('message')]: 1, [dropped('no_recipient')]: 1 }],
    [{ type: 'presence', data: { x: 'x'.repeat(9000) } }, {
      [received('presence')]: 1, [dropped('too_large')]: 1, 'symple_limits_exceeded_total{limit="data_size"}': 1
    }]
  ]
  const idle = await changes(async () => await alice.barrier())
  for (const [message, wanted] of cases) {
    const all = await changes(async () => {
      alice.send(message)
      await alice.barrier()
    })
    // Without what the barrier itself counts, and what the histograms do.
    for (const [name, value] of Object.entries(idle)) all[name] = (all[name] ?? 0) - value
    const counted = Object.entries(all).filter(([name, value]) => value !== 0 && !/_(sum|count)$/.test(name))
    t.same(Object.fromEntries(counted), wanted, JSON.stringify(message).slice(0, 60))
  }
})

t.test('bytes in and out are those of the messages and of the frames', async t => {
  const { origin, port } = await startServer(t)
  const before = await scrape(origin)
  const raw = await openRaw(t, port)
  await raw.authenticate({ user: 'ü' })
  const changes = moved(before, await scrape(origin))
  t.equal(changes['symple_received_bytes_total'], Buffer.byteLength('{"type":"auth","user":"ü"}'))
  t.equal(changes['symple_sent_bytes_total'], raw.text.length - raw.text.indexOf('\r\n\r\n') - 4)
})

t.test('recipients and handling time', async t => {
  const { url, origin } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  for (const user of ['bob', 'carol', 'dave']) await connect(t, url, { user, rooms: ['lobby'] })
  await alice.barrier()
  const before = await scrape(origin)
  alice.send({ type: 'message' })
  alice.send({ type: 'message', to: 'bob' })
  alice.send({ type: 'message', to: 'nobody' })
  await alice.barrier()
  const changes = moved(before, await scrape(origin))
  const recipients = Object.entries(changes).filter(([name]) => name.startsWith('symple_message_recipients'))
  const buckets = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, '+Inf'].map(bound => [bucket(bound), 3] as const)
  t.strictSame(Object.fromEntries(recipients), {
    [bucket(0)]: 1,
    [bucket(1)]: 2,
    [bucket(2)]: 2,
    ...Object.fromEntries(buckets),
    symple_message_recipients_sum: 4,
    symple_message_recipients_count: 3
  })
  t.equal(changes['symple_message_handling_seconds_count'], 4, 'the barrier is a message too')
  t.equal(changes['symple_message_handling_seconds_bucket{le="+Inf"}'], 4)
  t.ok(changes['symple_message_handling_seconds_sum']! > 0)
})

t.test('bytes that wait for a client that does not read', async t => {
  const { url, port, server, origin } = await startServer(t, { SYMPLE_RATE_LIMIT: '0', SYMPLE_MAX_BUFFERED: '0' })
  const slow = await openRaw(t, port)
  await slow.authenticate({ user: 'slow', rooms: ['lobby'] })
  slow.socket.pause()
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  await eventually(async () => {
    for (let i = 0; i < 20; i++) alice.send({ type: 'message', data: 'x'.repeat(60_000) })
    await alice.barrier()
    return server.symple.gauges.unsent > 1_000_000
  }, 'bytes wait')
  t.ok((await scrape(origin)).samples.get('symple_outbox_bytes')! > 1_000_000)
  slow.socket.resume()
  await eventually(async () => (await scrape(origin)).samples.get('symple_outbox_bytes') === 0, 'all has left')
  slow.write(frame('{"type":"close"}'))
  await slow.gone
})

function bucket (bound: number | string): string {
  return `symple_message_recipients_bucket{le="${bound}"}`
}
