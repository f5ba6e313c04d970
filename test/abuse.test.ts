import t, { type Test } from 'tap'
import { connect, eventually, open, settle, startServer, TestClient } from './helper.js'
import { openRaw, upgradeRequest, type RawSocket } from './raw.js'

/** What an upgrade gets that says it comes from somewhere, by way of a proxy. */
async function knock (t: Test, port: number, from?: string): Promise<RawSocket> {
  const raw = await openRaw(t, port)
  raw.write(upgradeRequest('/', from === undefined ? {} : { 'X-Forwarded-For': from }))
  await raw.until('\r\n\r\n')
  return raw
}

const statusOf = (raw: RawSocket) => Number(/^HTTP\/1\.1 (\d+) /.exec(raw.text)![1])

async function statuses (t: Test, port: number, ...addresses: Array<string | undefined>): Promise<number[]> {
  const found: number[] = []
  for (const from of addresses) found.push(statusOf(await knock(t, port, from)))
  return found
}

t.test('refuses upgrades from an address that are too many in a time with 429, and says when to come back', async t => {
  const { port, origin, server } = await startServer(t, {
    SYMPLE_IP_CONNECTION_RATE: '2', SYMPLE_IP_RATE_SECONDS: '1000', SYMPLE_TRUST_PROXY: 'true'
  })
  t.strictSame(await statuses(t, port, '192.0.2.1', '::ffff:192.0.2.1', '192.0.2.1', '192.0.2.2'), [101, 101, 429, 101])
  t.strictSame(await statuses(t, port, '2001:db8::1', '2001:db8::2:3', '2001:db8::4', '2001:db8:0:1::4'), [101, 101, 429, 101])
  t.strictSame(await statuses(t, port, 'garbage', 'other garbage', 'more'), [101, 101, 429], 'what is no address is one')
  const refused = await knock(t, port, '192.0.2.1')
  await refused.gone
  const [, header] = /\r\nretry-after: (\d+)\r\n/.exec(refused.text) ?? []
  t.ok(Number(header) > 400 && Number(header) <= 500, `Retry-After: ${header}`)
  const body = JSON.parse(refused.text.slice(refused.text.indexOf('{'))) as object
  t.match(body, { status: 429, message: 'Too many new connections from this address', retryAfter: Number })
  t.equal(server.symple.stats.limits.ip_connection_rate, 4)
  t.equal((await fetch(`${origin}/healthz`)).status, 200, 'plain HTTP is not counted')
})

t.test('counts the address of the proxy itself where it is not trusted', async t => {
  const { port } = await startServer(t, { SYMPLE_IP_CONNECTION_RATE: '2' })
  t.strictSame(await statuses(t, port, '192.0.2.1', '192.0.2.2', '192.0.2.3'), [101, 101, 429])
})

t.test('limits connections from an address at a time, and those that do not authenticate', async t => {
  const { port, url } = await startServer(t, { SYMPLE_IP_MAX_CONNECTIONS: '3', SYMPLE_IP_MAX_UNAUTHENTICATED: '2' })
  const alice = await connect(t, url, { user: 'alice' })
  const silent = await open(t, url)
  const other = await open(t, url)
  t.strictSame(await statuses(t, port, undefined), [429])
  await other.close()
  const bob = await connect(t, url, { user: 'bob' })
  t.strictSame(await statuses(t, port, undefined), [429])
  await silent.close()
  const carol = await connect(t, url, { user: 'carol' })
  for (const client of [alice, bob, carol]) await client.barrier()
})

t.test('refuses an address from which too many attempts to authenticate were refused', async t => {
  const { port, url } = await startServer(t, { SYMPLE_IP_AUTH_FAILURES: '2', SYMPLE_IP_RATE_SECONDS: '1000' })
  const waiting = await open(t, url)
  for (let i = 0; i < 5; i++) await (await connect(t, url, { user: 'alice' })).close()
  for (let i = 0; i < 2; i++) {
    const client = await open(t, url)
    client.send({ type: 'message' })
    t.match(await client.closed, { code: 4401 })
  }
  t.strictSame(await statuses(t, port, undefined), [429])
  waiting.send({ type: 'auth', user: 'alice', id: 'a' })
  t.match(await waiting.closed, { code: 4429 })
  t.match(waiting.frames, [{ type: 'error', status: 429, message: /failed/, retryAfter: Number, id: 'a' }])
})

t.test('takes so many connections a second, and asks others to come back at different times', async t => {
  const { port, url, server } = await startServer(t, { SYMPLE_ACCEPT_RATE: '3' })
  const alice = await connect(t, url, { user: 'alice' })
  const knocks = await Promise.all(Array.from({ length: 40 }, async () => await knock(t, port)))
  const refused = knocks.filter(raw => statusOf(raw) === 503)
  t.ok(refused.length > 20, `${refused.length} refused`)
  t.equal(server.symple.stats.limits.accept_rate, refused.length)
  const times = new Set(refused.map(({ text }) => /\r\nretry-after: (\d+)\r\n/.exec(text)![1]))
  t.ok(times.size > 2, [...times].join())
  await alice.barrier()
  await eventually(async () => statusOf(await knock(t, port)) === 101, 'there is a place again')
})

t.test('a flood of clients that never authenticate keeps nobody out, and no more of them are there than may be', async t => {
  const LIMIT = 100
  const { port, url, server } = await startServer(t, { SYMPLE_MAX_UNAUTHENTICATED: String(LIMIT) })
  const { symple } = server
  const witness = await connect(t, url, { user: 'witness', rooms: ['lobby'] })
  const flood: RawSocket[] = []
  for (let round = 0; round < 10; round++) {
    const honest = new TestClient(url)
    t.teardown(() => { honest.ws.terminate() })
    flood.push(...await Promise.all(Array.from({ length: 50 }, async () => await knock(t, port))))
    await honest.authenticate({ user: `honest-${round}`, rooms: ['lobby'] })
    const silent = () => symple.gauges.connections - symple.gauges.peers
    await eventually(() => silent() <= LIMIT, 'those who were ended are gone')
  }
  await witness.barrier()
  t.equal(Object.keys(witness.roster).length, 10)
  await Promise.all(flood.slice(0, 400).map(async raw => await raw.gone))
  t.match(flood[0]!.text, '"status":503', 'they are told')
  t.ok(symple.stats.limits.unauthenticated >= 400)
  t.equal(symple.stats.auths.evicted, symple.stats.limits.unauthenticated)
})

t.test('takes no message that names too many', async t => {
  const { url, server } = await startServer(t, { SYMPLE_MAX_RECIPIENTS: '3' })
  const [alice, bob] = [await connect(t, url, { user: 'alice', rooms: ['a'] }), await connect(t, url, { user: 'bob', rooms: ['a'] })]
  for (const type of ['message', 'command', 'event', 'presence']) {
    alice.send({ type, to: ['a', 'b', 'c'] })
    t.equal((await bob.find(type)).from, alice.address)
    alice.send({ type, to: ['a', 'b', 'c', 'd'], id: type })
    t.match(await alice.find('error'), { status: 400, message: 'to must not name more than 3', id: type })
  }
  await settle(alice, bob)
  t.strictSame(bob.take(), [])
  t.equal(server.symple.stats.limits.recipients, 4)

  const { url: roomy } = await startServer(t)
  const carol = await connect(t, roomy, { user: 'carol', rooms: ['a'] })
  const names = (count: number) => Array.from({ length: count }, (_, i) => `room-${i}`)
  carol.send({ type: 'message', to: names(513), id: 'x' })
  t.match(await carol.next(), { status: 400, id: 'x' }, '512 unless configured')
  carol.send({ type: 'message', to: names(512) })
  await carol.barrier()
  t.strictSame(carol.take(), [])
})

t.test('limits how often a peer changes what others see of it, and leaves everything else alone', async t => {
  const { url, server } = await startServer(t, { SYMPLE_PRESENCE_RATE: '6', SYMPLE_RATE_SECONDS: '1000' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  for (const [type, room] of [['join', 'a'], ['leave', 'a'], ['join', 'a'], ['leave', 'a'], ['join', 'b']]) alice.send({ type, room })
  alice.send({ type: 'presence', data: { n: 1 } })
  await settle(alice, bob)
  t.strictSame(alice.take().filter(({ type }) => type !== 'presence').map(({ type }) => type),
    ['join:ok', 'leave:ok', 'join:ok', 'leave:ok', 'join:ok'])
  bob.take()

  alice.send({ type: 'presence', data: { n: 2 }, id: 'p' })
  t.match(await alice.next(), { type: 'error', status: 429, message: 'Presence changes too often', id: 'p', retryAfter: Number })
  for (const type of ['join', 'leave']) alice.send({ type, room: type === 'join' ? 'c' : 'lobby' })
  await settle(alice, bob)
  t.strictSame([alice.take(), bob.take()], [[], []], 'dropped, and it is not told again')
  t.match(bob.roster[alice.address], { n: 1 })
  t.equal(server.symple.stats.limits.presence_rate, 3)
  t.equal(server.symple.stats.drops.rate_limited, 3)

  t.comment('what does not change anything goes on')
  alice.send({ type: 'join', room: 'b' })
  alice.send({ type: 'leave', room: 'nowhere' })
  t.match([await alice.next(), await alice.next()], [{ type: 'join:ok' }, { type: 'leave:ok' }])
  alice.send({ type: 'presence', to: bob.peer.id, data: { n: 3 } })
  alice.send({ type: 'message', n: 4 })
  t.match([await bob.next(), await bob.next()], [{ type: 'presence', data: { n: 3 } }, { type: 'message', n: 4 }])

  for (let i = 0; i < 20; i++) alice.send({ type: 'presence', data: { i } })
  t.match(await alice.closed, { code: 4429 })
  t.match(await bob.next(), { type: 'presence', data: { online: false, n: 1 } })
})

t.test('what clients do when they connect is far from that limit', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice' })
  for (let i = 0; i < 256; i++) alice.send({ type: 'join', room: `room-${i}` })
  for (let i = 0; i < 100; i++) alice.send({ type: 'presence', probe: true, data: { i } })
  await alice.barrier()
  t.equal(alice.take().filter(({ type }) => type === 'join:ok').length, 256)
})

t.test('turns each of these limits off with 0', async t => {
  const { url } = await startServer(t, { SYMPLE_PRESENCE_RATE: '0', SYMPLE_MAX_RECIPIENTS: '0', SYMPLE_MAX_UNAUTHENTICATED: '0', SYMPLE_RATE_LIMIT: '0' })
  await open(t, url)
  const alice = await connect(t, url, { user: 'alice' })
  for (let i = 0; i < 1000; i++) alice.send({ type: i % 2 === 0 ? 'join' : 'leave', room: 'a' })
  alice.send({ type: 'message', to: Array.from({ length: 3000 }, (_, i) => `room-${i}`) })
  await alice.barrier()
  t.equal(alice.take().filter(({ type }) => type.endsWith(':ok')).length, 1000)
})
