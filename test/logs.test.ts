import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { connect, eventually, open, TestClient } from './helper.js'
import { openPipe } from './pipe.js'
import { run, runServer, SERVER, startProcess, temporaryFolder, type LogLine, type Program } from './process.js'
import { openRaw, upgradeRequest } from './raw.js'
import { startRedis } from './redis.js'
import { scrape } from './scrape.js'

const SECRET = 'S3cr3tToken'
const DEBUG = 20
const INFO = 30
const WARN = 40

/** Other shapes in which a text could stand in a log. */
const SHAPES = [SECRET, Buffer.from(SECRET).toString('base64').slice(0, -4), [...Buffer.from(SECRET)].join(','), encodeURIComponent(SECRET)]

/** The lines of connections, without those of the server's own start and end. */
const connectionLines = (server: Program): LogLine[] =>
  server.log.filter(({ msg }) => ['accepted', 'online', 'refused', 'closed'].includes(msg))

async function freePort (t: Test): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  t.comment(`port ${port}`)
  return port
}

t.test('one JSON line for each thing that happens to a connection', async t => {
  const server = await startProcess(t)
  const alice = await connect(t, server.url, { user: 'alice', rooms: ['a', 'b'] })
  alice.send({ type: 'message', data: 'one' })
  alice.send({ type: 'join', room: 'c' })
  alice.send({ type: 'close' })
  await alice.closed
  await server.logged(({ msg }) => msg === 'closed', 'the end of the connection')

  const lines = connectionLines(server)
  t.strictSame(lines.map(({ msg }) => msg), ['accepted', 'online', 'closed'])
  const [accepted, online, closed] = lines as [LogLine, LogLine, LogLine]
  t.match(accepted, { level: INFO, time: Number, host: '127.0.0.1' })
  t.match(online, { level: INFO, peer: alice.peer.id, user: 'alice', host: '127.0.0.1', rooms: 2 })
  t.match(closed, { level: INFO, peer: alice.peer.id, code: 1000, duration: Number, received: 3 })
  t.ok(closed['duration'] as number >= 0)
})

t.test('refusals have their reason, and the code with which they end', async t => {
  const server = await startProcess(t, { SYMPLE_AUTH_TIMEOUT: '0.2', SYMPLE_ALLOWED_ORIGINS: 'https://good.example' })
  const cases: Array<[first: string | null, status: number, code: number]> = [
    ['no JSON', 400, 4400],
    ['{"type":"auth","user":"a|b"}', 400, 4400],
    ['{"type":"message"}', 401, 4401],
    [null, 408, 4408]
  ]
  for (const [first, status, code] of cases) {
    const before = connectionLines(server).length
    const client = await open(t, server.url)
    if (first !== null) client.send(first)
    await client.closed
    await server.until(() => connectionLines(server).length >= before + 3, 'the end of the connection')
    const [, refused, closed] = connectionLines(server).slice(before)
    t.match(refused, { level: INFO, msg: 'refused', host: '127.0.0.1', status, reason: /.+/ })
    t.match(closed, { level: INFO, msg: 'closed', code, duration: Number, received: 0 })
  }
  await t.rejects(new TestClient(server.url, { origin: 'https://evil.example' }).opened())
  await server.logged(({ msg, status }) => msg === 'refused' && status === 403, 'the refusal')
  t.strictSame(connectionLines(server).filter(({ peer }) => peer !== undefined), [], 'none of them is a peer')
})

t.test('neither tokens nor messages are logged, at any level', async t => {
  const server = await startProcess(t, { LOG_LEVEL: 'trace' })
  const headers = {
    Authorization: `Bearer ${SECRET}`, Cookie: `session=${SECRET}`, 'Sec-WebSocket-Protocol': SECRET, 'X-Token': SECRET
  }
  const url = `${server.url}?token=${SECRET}&access_token=${SECRET}`
  const wsHeaders = { Authorization: headers.Authorization, Cookie: headers.Cookie }
  const alice = new TestClient(url, { headers: wsHeaders })
  t.teardown(() => { alice.ws.terminate() })
  await alice.authenticate({
    user: 'alice', token: SECRET, rooms: ['lobby'], data: { token: SECRET, password: SECRET, nested: { token: SECRET } }
  })
  const bob = await connect(t, server.url, { user: 'bob', rooms: ['lobby'] })
  const messages = [
    { type: 'message', data: SECRET, token: SECRET },
    { type: 'message', to: SECRET, id: SECRET },
    { type: 'command', to: { token: SECRET } },
    { type: 'presence', token: SECRET, data: { token: SECRET, mood: SECRET } },
    { type: 'presence', data: SECRET },
    { type: SECRET, token: SECRET },
    { type: 'join', room: `|${SECRET}` },
    `{"type":"message","data":"${SECRET}`,
    SECRET,
    Buffer.from([0xff, ...Buffer.from(SECRET)])
  ]
  for (const message of messages) alice.send(message)
  await alice.barrier()
  await bob.barrier()
  // Closes can carry a text too.
  bob.ws.close(4000, SECRET)
  await bob.closed

  const refusals = [{ type: 'auth', user: `|${SECRET}`, token: SECRET }, { type: 'auth', user: 'x', token: [SECRET] },
    { type: 'message', token: SECRET }, SECRET, { type: 'auth', user: 'x', data: SECRET }]
  for (const first of refusals) {
    const client = await open(t, url)
    client.send(first)
    await client.closed
  }

  t.comment('over HTTP: what is found, what is not, what is refused, and what is no HTTP')
  for (const path of ['/', '/healthz', '/nope', '/%zz', `/${SECRET}`]) {
    await fetch(`${server.origin}${path}?token=${SECRET}`, { headers: { Authorization: headers.Authorization } })
    await fetch(`${server.origin}${path}?token=${SECRET}`, {
      method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body: `{"token":"${SECRET}`
    })
    const raw = await openRaw(t, server.port)
    raw.write(upgradeRequest(`${path}?token=${SECRET}`, { ...headers, 'Sec-WebSocket-Version': '1' }))
    await raw.gone
  }
  for (const nonsense of [`GET /?token=${SECRET} HTTP/1.1\r\nbroken\r\n\r\n`, `${SECRET}\r\n\r\n`]) {
    const raw = await openRaw(t, server.port)
    raw.write(nonsense)
    await raw.gone
  }
  const broken = await openRaw(t, server.port)
  await broken.upgrade(`/?token=${SECRET}`, { ...headers })
  broken.write(Buffer.concat([Buffer.from([0xff, 0x00]), Buffer.from(SECRET)]))
  await broken.gone
  broken.socket.destroy()

  const opened = 8
  await server.until(() => server.log.filter(({ msg }) => msg === 'closed').length >= opened - 1, 'all ends')
  await server.stop()
  t.ok(server.log.some(({ level }) => level === 10), 'it logged at the level trace')
  t.ok(server.log.filter(({ level }) => level === DEBUG).length >= messages.length - 3)
  for (const shape of SHAPES) {
    t.strictSame(server.stdout.split('\n').filter(line => line.includes(shape)), [])
    t.notMatch(server.stderr, shape)
  }
})

t.test('neither tokens nor the password of Redis are logged while Redis can\'t be reached', async t => {
  const env = { SYMPLE_REDIS_URL: `redis://user:${SECRET}@127.0.0.1:${await freePort(t)}`, SYMPLE_AUTHENTICATION: 'true' }
  const server = await startProcess(t, { ...env, LOG_LEVEL: 'trace' })
  const client = await open(t, server.url)
  client.send({ type: 'auth', user: 'alice', token: SECRET })
  t.match(await client.next(), { type: 'error', status: 503 })
  t.equal((await client.closed).code, 1013)
  const { samples } = await scrape(server.origin)
  t.equal(samples.get('symple_authentications_total{outcome="unavailable"}'), 1)
  t.equal(samples.get('symple_ready'), 0)
  t.notMatch(await (await fetch(`${server.origin}/readyz`)).text(), SECRET)
  await server.logged(({ msg }) => msg === 'closed', 'the end of the connection')
  t.strictSame(connectionLines(server).map(({ msg }) => msg), ['accepted', 'refused', 'closed'])
  t.strictSame(await server.stop(), { code: 0, signal: null })
  for (const shape of SHAPES) t.notMatch(server.stdout + server.stderr, shape)
})

t.test('why Redis can\'t be used from the start: once, at the level of warnings, and when it can at last', async t => {
  const redis = await startRedis(t, { args: ['--requirepass', 'of-before'] })
  const admin = redis.client({ password: 'of-before' })
  await admin.call('ACL', 'SETUSER', 'deaf', 'on', `>${SECRET}`, '~*', '&*', '+@all', '-@pubsub')
  await admin.call('ACL', 'SETUSER', 'mute', 'on', `>${SECRET}`, '~*', '&*', '+@all', '-publish')
  const port = await freePort(t)
  const place = `127.0.0.1:${redis.port}`
  const cases: Array<[url: string, reason: RegExp, mend?: () => Promise<unknown>]> = [
    [`redis://deaf:${SECRET}@${place}`, /^NOPERM .*subscribe/, async () => await admin.call('ACL', 'SETUSER', 'deaf', '+@pubsub')],
    [`redis://mute:${SECRET}@${place}`, /^NOPERM .*publish/, async () => await admin.call('ACL', 'SETUSER', 'mute', '+publish')],
    [`redis://:${SECRET}@${place}`, /^WRONGPASS /, async () => await admin.config('SET', 'requirepass', SECRET)],
    [`redis://${place}`, /^NOAUTH /, async () => await admin.config('SET', 'requirepass', '')],
    [`redis-cluster://:${SECRET}@${place}`, /cluster support disabled/],
    [`redis-cluster://:${SECRET}@127.0.0.1:${port}`, /^no answer$/],
    [`redis://:${SECRET}@127.0.0.1:${port}`, /ECONNREFUSED/, async () => await startRedis(t, { port })],
    ['redis://redis.invalid', /ENOTFOUND|EAI_AGAIN/]
  ]
  for (const [url, reason, mend] of cases) {
    const server = await startProcess(t, { SYMPLE_REDIS_URL: url, SYMPLE_REDIS_TIMEOUT: '0.5', LOG_LEVEL: 'trace' })
    const complaints = () => server.log.filter(({ msg }) => msg === 'other nodes can not be reached')
    t.match(complaints(), [{ level: WARN, reason }], `${url}: before it listens`)
    const attempts = () => server.log.filter(({ msg }) => msg === 'Redis connection failed').length
    if (attempts() > 0) await server.until(() => attempts() >= 8, 'more attempts')
    t.equal(complaints().length, 1, 'not for each attempt')
    if (mend !== undefined) {
      await mend()
      await server.logged(({ msg }) => msg === 'other nodes can be reached', 'the end of it')
      t.equal(complaints().length, 1)
    }
    await server.stop()
    for (const shape of SHAPES) t.notMatch(server.stdout + server.stderr, shape)
  }
})

t.test('a Redis that stands still from the start does not answer, and that is all there is to say', async t => {
  const redis = await startRedis(t)
  redis.pause()
  const server = await startProcess(t, { SYMPLE_REDIS_URL: redis.url, SYMPLE_REDIS_TIMEOUT: '0.5', LOG_LEVEL: 'debug' })
  await server.until(() => server.log.filter(({ msg }) => msg === 'Redis connection failed').length >= 4, 'more attempts')
  t.match(server.log.filter(({ level }) => level === WARN), [{ msg: 'other nodes can not be reached', reason: 'no answer' }])
  redis.resume()
  await server.logged(({ msg }) => msg === 'other nodes can be reached', 'the end of it')
  await server.stop()
})

t.test('a Redis that comes back with another password', async t => {
  const redis = await startRedis(t)
  const server = await startProcess(t, { SYMPLE_REDIS_URL: redis.url, SYMPLE_REDIS_TIMEOUT: '0.5' })
  const complaint = async (reason: RegExp) =>
    await server.logged(line => line.msg === 'other nodes can not be reached' && reason.test(String(line['reason'])), String(reason))
  await redis.kill()
  await complaint(/^connection closed$/)
  await complaint(/ECONNREFUSED/)
  const other = await startRedis(t, { port: redis.port, args: ['--requirepass', SECRET] })
  await complaint(/^NOAUTH /)
  await other.client({ password: SECRET }).config('SET', 'requirepass', '')
  await server.until(() => server.log.filter(({ msg }) => msg === 'other nodes can be reached').length === 2, 'the end of it')
  const reasons = server.log.filter(({ level }) => level === WARN).map(line => line['reason'])
  t.equal(new Set(reasons).size, reasons.length, `each once: ${reasons.join()}`)
  await server.stop()
})

t.test('DEBUG=symple:* logs drops, with reason and peer; without it they are not logged', async t => {
  for (const [env, wanted] of [[{ DEBUG: 'symple:*' }, 1], [{ LOG_LEVEL: 'debug' }, 1], [{}, 0]] as const) {
    const server = await startProcess(t, env)
    const alice = await connect(t, server.url, { user: 'alice' })
    alice.send({ type: 'message', to: 'nobody' })
    await alice.barrier()
    await server.stop()
    const drops = server.log.filter(({ msg }) => msg === 'dropped')
    t.equal(drops.length, wanted, JSON.stringify(env))
    for (const line of drops) t.match(line, { level: DEBUG, peer: alice.peer.id, reason: 'no_recipient' })
  }
})

t.test('LOG_LEVEL is the least level that is logged', async t => {
  for (const level of ['warn', 'error', 'fatal', 'silent']) {
    const port = await freePort(t)
    const server = runServer(t, { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: String(port), SYMPLE_DRAIN_SECONDS: '0', LOG_LEVEL: level })
    await eventually(async () => await fetch(`http://127.0.0.1:${port}/healthz`).then(({ ok }) => ok, () => false), 'it listens')
    const alice = await connect(t, `ws://127.0.0.1:${port}/`, { user: 'alice' })
    alice.send({ type: 'close' })
    await alice.closed
    t.strictSame(await server.stop(), { code: 0, signal: null })
    t.equal(server.stdout, '', level)
  }
})

t.test('each line is there, whole and in order, however many come at once', async t => {
  const server = await startProcess(t)
  const clients = await Promise.all(Array.from({ length: 200 }, async (_, i) => await connect(t, server.url, { user: `üser-${i}` })))
  await Promise.all(clients.map(client => client.close()))
  await server.stop()
  const lines = connectionLines(server)
  for (const { peer } of clients) {
    const ours = lines.filter(line => line['peer'] === peer.id)
    t.match(ours, [{ msg: 'online', user: peer.user }, { msg: 'closed' }])
    t.equal(ours.length, 2)
  }
  t.equal(lines.filter(({ msg }) => msg === 'accepted').length, clients.length)
})

t.test('whoever reads the log goes: the server stays, and ends when it is told to', async t => {
  for (const visitors of [0, 200]) {
    const pipe = openPipe(t)
    const server = run(t, 'sh', ['-c', 'exec "$0" "$1" > "$2"', process.execPath, SERVER, pipe.path], {
      SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: '0', SYMPLE_DRAIN_SECONDS: '0'
    }, temporaryFolder(t))
    let port: string | undefined
    await eventually(() => {
      port = /listening at .*127\.0\.0\.1:(\d+)/.exec(pipe.read().join())?.[1]
      return port !== undefined
    }, 'that it listens')
    pipe.leave()
    // What is written first fails.
    for (let i = 0; i < visitors; i++) await (await connect(t, `ws://127.0.0.1:${port}/`, { user: 'alice' })).close()
    t.strictSame(await server.stop(), { code: 0, signal: null })
    t.equal(server.stderr, '')
  }
})
