import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import { connect as connectTls } from 'node:tls'
import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { createIdentity, tlsVariables } from './certificate.js'
import { sees } from './cluster/cast.js'
import { readiness, ready } from './cluster/nodes.js'
import { connect, open, settle, startServer, TestClient } from './helper.js'
import { startProcess } from './process.js'
import { openRaw } from './raw.js'
import { freePort, startRedis } from './redis.js'
import { writeSession } from './session-server.js'

const identity = createIdentity()
const { cert: ca } = identity

const tls = (t: Test) => tlsVariables(t, identity)

/** A client over TLS that accepts no other certificate than the test's. */
async function enter (t: Test, url: string, auth: object): Promise<TestClient> {
  const client = await open(t, url, { ca })
  await client.authenticate(auth)
  return client
}

t.test('messages, broadcasts and presence work over wss', async t => {
  const { url } = await startServer(t, tls(t))
  t.match(url, /^wss:/)
  const alice = await enter(t, url, { user: 'alice', rooms: ['lobby'] })
  const bob = await enter(t, url, { user: 'bob', rooms: ['lobby'] })
  const carol = await enter(t, url, { user: 'carol', rooms: ['lobby'] })
  await settle(alice, bob, carol)
  t.strictSame(Object.keys(alice.roster).sort(), [bob.address, carol.address].sort())
  t.equal(alice.peer.host, '127.0.0.1')

  alice.send({ type: 'message', to: 'bob', data: 'for Bob' })
  t.match(await bob.find('message'), { from: alice.address, data: 'for Bob' })
  alice.send({ type: 'message', data: 'for all' })
  for (const client of [bob, carol]) t.match(await client.find('message'), { from: alice.address, data: 'for all' })
  await settle(alice, bob, carol)
  t.strictSame(carol.take().filter(frame => frame.type === 'message'), [])

  bob.send({ type: 'close' })
  t.equal((await bob.closed).code, 1000)
  t.match(await alice.find(({ data }) => (data as { online?: boolean })?.online === false), { from: bob.address })
})

t.test('big frames arrive whole, to one and to many', async t => {
  const { url } = await startServer(t, tls(t))
  const alice = await enter(t, url, { user: 'alice', rooms: ['lobby'] })
  const others = await Promise.all(['bob', 'carol', 'dave'].map(user => enter(t, url, { user, rooms: ['lobby'] })))
  // Several TLS records each.
  const text = 'zü€'.repeat(10_000)
  t.equal(Buffer.byteLength(text), 60_000)
  alice.send({ type: 'message', data: text })
  for (const client of others) t.ok((await client.find('message')).data === text)
  alice.send(Buffer.from(JSON.stringify({ type: 'message', to: 'bob', data: text })))
  t.ok((await others[0]!.find('message')).data === text)
})

t.test('many messages arrive in order, the big among them too', async t => {
  const { url } = await startServer(t, { ...tls(t), SYMPLE_RATE_LIMIT: '0' })
  const senders = await Promise.all(['a', 'b', 'c'].map(user => enter(t, url, { user, rooms: ['lobby'] })))
  const readers = await Promise.all(['x', 'y'].map(user => enter(t, url, { user, rooms: ['lobby'] })))
  const COUNT = 1000
  for (let i = 0; i < COUNT; i++) {
    for (const sender of senders) sender.send({ type: 'message', i, data: 'z'.repeat(i % 100 === 0 ? 60_000 : i % 50) })
  }
  await settle(...senders, ...readers)
  const order = Array.from({ length: COUNT }, (_, i) => i)
  for (const reader of readers) {
    for (const sender of senders) {
      const got = reader.frames.filter(({ type, from }) => type === 'message' && from === sender.address)
      t.strictSame(got.map(frame => frame['i']), order)
      t.ok(got.every(({ data }, i) => (data as string).length === (i % 100 === 0 ? 60_000 : i % 50)))
    }
  }
})

t.test('HTTP answers over TLS', async t => {
  const { port } = await startServer(t, tls(t))
  const request = httpsRequest({ host: '127.0.0.1', port, path: '/healthz', ca }).end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  response.resume()
  t.equal(response.statusCode, 200)
})

t.test('plain HTTP and ws against the port fail, and leave nothing', async t => {
  const { server, port, origin, url } = await startServer(t, tls(t))
  await t.rejects(fetch(`${origin.replace('https', 'http')}/healthz`))
  await t.rejects(new TestClient(url.replace('wss', 'ws')).opened())
  const raw = await openRaw(t, port)
  raw.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await raw.gone
  t.notMatch(raw.text, 'HTTP', 'not a word in plain text')
  t.comment('the server is none the worse for it')
  await enter(t, url, { user: 'alice' })
  t.equal(server.symple.gauges.connections, 1)
})

t.test('a client that does not know the certificate refuses it', async t => {
  const { url } = await startServer(t, tls(t))
  await t.rejects(new TestClient(url).opened(), { code: /SELF_SIGNED/ })
  await t.rejects(new TestClient(url, { ca: createIdentity().cert }).opened())
})

t.test('old versions of TLS are refused', async t => {
  const { port } = await startServer(t, tls(t))
  const socket = connectTls({ port, host: '127.0.0.1', ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' })
  t.teardown(() => { socket.destroy() })
  const [error] = await once(socket, 'error')
  t.type(error, Error)
})

t.test('over rediss, nodes hear each other and find sessions; a Redis that they don\'t know, they don\'t speak to', async t => {
  const files = tls(t)
  const tlsPort = await freePort()
  const redis = await startRedis(t, {
    args: ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', '--tls-cert-file', files['SYMPLE_SSL_CERT']!,
      '--tls-key-file', files['SYMPLE_SSL_KEY']!, '--tls-ca-cert-file', files['SYMPLE_SSL_CERT']!]
  })
  const env = { SYMPLE_REDIS_URL: `rediss://127.0.0.1:${tlsPort}`, SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_TIMEOUT: '2' }
  const trusting = { ...env, NODE_EXTRA_CA_CERTS: files['SYMPLE_SSL_CERT']! }
  const nodes = await Promise.all([startProcess(t, trusting), startProcess(t, trusting)])
  const backend = redis.client()
  const clients = await Promise.all(['alice', 'bob'].map(async (user, i) => {
    await ready(nodes[i]!)
    await writeSession(backend, `token-${user}`, { user, rooms: ['lobby'] })
    return await connect(t, nodes[i]!.url, { token: `token-${user}` })
  }))
  await sees(clients)
  clients[0]!.send({ type: 'message', to: 'bob', data: 'from node to node' })
  t.match(await clients[1]!.find('message'), { from: clients[0]!.address, data: 'from node to node' })

  const wary = await startProcess(t, env)
  t.match(await readiness(wary), { status: 503, reasons: ['Redis can not be reached'] })
  const client = await open(t, wary.url)
  client.send({ type: 'auth', token: 'token-alice' })
  t.match(await client.next(), { type: 'error', status: 503 })
})

t.test('a shutdown over TLS tells the peers, and waits for no half handshake', async t => {
  const server = await startProcess(t, tls(t))
  t.match(server.url, /^wss:/)
  const silent = await openRaw(t, server.port)
  const halfway = await openRaw(t, server.port)
  // The beginning of a ClientHello.
  halfway.write(Buffer.from('16030100c8010000c40303', 'hex'))
  const alice = await enter(t, server.url, { user: 'alice' })
  server.child.kill('SIGTERM')
  await alice.find('event')
  t.equal((await alice.closed).code, 1001)
  t.strictSame(await server.exited, { code: 0, signal: null })
  await Promise.all([silent.gone, halfway.gone])
})

t.test('who closes the instance itself has the drain take its time over TLS as well', async t => {
  // Twice as long as a handshake may take that is under way.
  const { url, server } = await startServer(t, { ...tls(t), SYMPLE_DRAIN_SECONDS: '3' })
  const clients = await Promise.all(Array.from({ length: 8 }, async (_, i) => await enter(t, url, { user: `user${i}` })))
  await server.close()
  t.strictSame(await Promise.all(clients.map(async ({ closed }) => (await closed).code)), clients.map(() => 1001))
})
