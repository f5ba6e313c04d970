import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect, eventually, TestClient, type Frame } from './helper.js'
import { run, runServer, SERVER, startProcess, temporaryFolder, type LogLine, type ServerProcess } from './process.js'
import { openRaw, upgradeRequest } from './raw.js'

const SHUTDOWN = { type: 'event', name: 'shutdown', subtype: 'shutdown', message: 'Server shutting down' }

const isShutdown = (frame: Frame) => frame.type === 'event' && frame.name === 'shutdown'

t.test('a configuration that can\'t be honoured: one line that names the variable, and exit code 1', async t => {
  const cases: Array<[variable: string, env: Record<string, string>]> = [
    ['PORT', { PORT: 'x' }],
    ['SYMPLE_PORT', { SYMPLE_PORT: '70000' }],
    ['SYMPLE_PATH', { SYMPLE_PATH: 'ws' }],
    ['SYMPLE_HOST', { SYMPLE_HOST: 'no.such.host.invalid' }],
    ['SYMPLE_HOST', { SYMPLE_HOST: '203.0.113.1' }],
    ['SYMPLE_TRUST_PROXY', { SYMPLE_TRUST_PROXY: 'everybody' }],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }],
    ['SYMPLE_RATE_LIMIT', { SYMPLE_RATE_LIMIT: '-1' }],
    ['SYMPLE_COMPRESSION', { SYMPLE_COMPRESSION: 'maybe' }],
    ['SYMPLE_ALLOWED_ORIGINS', { SYMPLE_ALLOWED_ORIGINS: 'example.com' }],
    ['SYMPLE_AUTHENTICATION', { SYMPLE_AUTHENTICATION: 'true' }],
    ['SYMPLE_REDIS_URL', { SYMPLE_REDIS_URL: 'http://127.0.0.1' }],
    ['SYMPLE_SSL_KEY', { SYMPLE_SSL_ENABLED: 'true' }],
    ['SYMPLE_SSL_CERT', { SYMPLE_SSL_ENABLED: 'true', SYMPLE_SSL_KEY: process.execPath }],
    // The first of them is named.
    ['SYMPLE_PORT', { SYMPLE_PORT: 'x', SYMPLE_RATE_LIMIT: 'x' }]
  ]
  for (const [variable, env] of cases) {
    t.test(JSON.stringify(env), async t => {
      const server = runServer(t, { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: '0', ...env })
      t.strictSame(await server.exited, { code: 1, signal: null })
      t.match(server.stderr, /^symple-server: .+\n$/, 'one line')
      t.match(server.stderr, variable)
      t.equal(server.stdout, '', 'it did not listen')
    })
  }
})

t.test('says where the playground is, if there is one', async t => {
  const server = await startProcess(t, { SYMPLE_PATH: '/ws' })
  const line = await server.logged(({ msg }) => msg.startsWith('Playground'), 'the address')
  t.equal(line.msg, `Playground: open http://localhost:${server.port}/ws in two tabs`)
  const page = await fetch(`http://localhost:${server.port}/ws`, { headers: { accept: 'text/html' } })
  t.match(page.headers.get('content-type'), 'text/html')
  const quiet = await startProcess(t, { NODE_ENV: 'production' })
  t.strictSame(await quiet.stop(), { code: 0, signal: null })
  t.notMatch(quiet.stdout, 'Playground')
})

t.test('a port that is taken: one line that names it, and exit code 1', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { taken.close() })
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const server = runServer(t, { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: String(port) })
  t.strictSame(await server.exited, { code: 1, signal: null })
  t.match(server.stderr, /^symple-server: .+\n$/, 'one line')
  t.match(server.stderr, 'EADDRINUSE')
  t.match(server.stderr, `:${port} `)
  t.match(server.stderr, 'SYMPLE_PORT')
})

t.test('an uncaught error: what was logged last is there, and exit code 1', async t => {
  const planted = encodeURIComponent('process.on("SIGUSR2", () => { throw new Error("planted") })')
  const server = await startProcess(t, { NODE_OPTIONS: `--import=data:text/javascript,${planted}` })
  t.strictSame(await server.stop('SIGUSR2'), { code: 1, signal: null })
  t.match(server.log.find(line => line.level === 60), { msg: 'unexpected error', err: { message: 'planted' } })
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} under load: all are told at once, then closed with 1001`, async t => {
    const server = await startProcess(t, { SYMPLE_DRAIN_SECONDS: '1', SYMPLE_RATE_LIMIT: '0' })
    const clients = await loadedClients(t, server, 200)
    server.child.kill(signal)
    const ends = await Promise.all(clients.map(client => client.closed))
    t.strictSame(ends, ends.map(() => ({ code: 1001, reason: SHUTDOWN.message })))
    const notices = clients.map(client => client.frames.filter(isShutdown))
    const times = notices.map(([notice]) => notice!['retryAfter'] as number)
    t.strictSame(notices, times.map(retryAfter => [{ ...SHUTDOWN, retryAfter }]), 'each is told once')
    t.ok(times.every(time => time >= 1 && time <= 6), 'and when to come back')
    t.ok(new Set(times).size > 10, 'not all at once')
    t.strictSame(await server.exited, { code: 0, signal: null })
    t.equal(server.stderr, '')
    const closed = server.log.filter(({ msg, code }) => msg === 'closed' && code === 1001)
    t.equal(closed.length, clients.length)
  })
}

t.test('while it drains, HTTP answers and upgrades are refused', async t => {
  const server = await startProcess(t, { SYMPLE_DRAIN_SECONDS: '0' })
  t.equal((await fetch(`${server.origin}/readyz`)).status, 200)
  const keptAlive = await openRaw(t, server.port)
  keptAlive.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  await keptAlive.until('{"status":"ok"}')
  // It ignores the close; so the drain lasts until it is cut, which is longer than all of this takes.
  const rude = await openRaw(t, server.port)
  await rude.authenticate({ user: 'rude' })

  server.child.kill('SIGTERM')
  await rude.until('"shutdown"')
  const ready = await fetch(`${server.origin}/readyz`)
  t.equal(ready.status, 503)
  t.strictSame(await ready.json(), { status: 'unavailable', reasons: ['draining'] })
  t.equal((await fetch(`${server.origin}/healthz`)).status, 200)
  t.match(await (await fetch(`${server.origin}/metrics`)).text(), /^symple_ready 0$/m)
  keptAlive.write('GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n')
  await keptAlive.until('"draining"')

  const late = await openRaw(t, server.port)
  late.write(upgradeRequest())
  await late.gone
  t.match(late.text, /^HTTP\/1\.1 503 /)
  await t.rejects(new TestClient(server.url).opened(), { message: 'Unexpected server response: 503' })
  t.equal(server.child.exitCode, null, 'all that was while it drained')
  t.strictSame(await server.exited, { code: 0, signal: null })
})

t.test('clients that ignore the close, and those that are no peers yet, do not hold it', async t => {
  const server = await startProcess(t, { SYMPLE_AUTH_TIMEOUT: '60' })
  await (await openRaw(t, server.port)).authenticate({ user: 'rude', rooms: ['lobby'] })
  const connected = await openRaw(t, server.port)
  const asking = await openRaw(t, server.port)
  asking.write('GET / HTTP/1.1\r\nHost: a\r\nX-Half: ')
  const upgraded = await openRaw(t, server.port)
  await upgraded.upgrade()
  const uploading = await openRaw(t, server.port)
  uploading.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf')
  const polite = await connect(t, server.url, { user: 'polite' })

  server.child.kill('SIGTERM')
  t.strictSame(await polite.closed, { code: 1001, reason: SHUTDOWN.message })
  // The process gives itself the drain and 5 s: past that it would say so and exit with 1.
  t.strictSame(await server.exited, { code: 0, signal: null })
  t.notMatch(server.stdout, 'killed by timeout')
  await Promise.all([connected, asking, upgraded, uploading].map(raw => raw.gone))
})

t.test('what was queued for a peer reaches it before the close', async t => {
  const server = await startProcess(t, { SYMPLE_DRAIN_SECONDS: '0', SYMPLE_RATE_LIMIT: '0' })
  const alice = await connect(t, server.url, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, server.url, { user: 'bob', rooms: ['lobby'] })
  bob.ws.pause()
  const data = 'x'.repeat(32_000)
  const COUNT = 60
  for (let i = 0; i < COUNT; i++) alice.send({ type: 'message', to: 'bob', i, data })
  await alice.barrier()
  server.child.kill('SIGTERM')
  await server.logged(line => line.msg === 'draining', 'the drain')
  bob.ws.resume()
  t.equal((await bob.closed).code, 1001)
  const frames = bob.frames.filter(frame => frame.type === 'message' || isShutdown(frame))
  t.ok(isShutdown(frames.pop()!), 'the notice comes last')
  t.strictSame(frames.map(frame => frame['i']), Array.from({ length: COUNT }, (_, i) => i))
  t.strictSame(await server.exited, { code: 0, signal: null })
})

t.test('a second signal ends it at once, with exit code 1', async t => {
  const server = await startProcess(t, { SYMPLE_DRAIN_SECONDS: '600' })
  const alice = await connect(t, server.url, { user: 'alice' })
  server.child.kill('SIGTERM')
  await alice.find(isShutdown)
  server.child.kill('SIGTERM')
  t.strictSame(await server.exited, { code: 1, signal: null })
})

t.test('SIGQUIT drains, too; SIGUSR2 and faults are left to Node', async t => {
  const quit = await startProcess(t)
  t.strictSame(await quit.stop('SIGQUIT'), { code: 0, signal: null })
  t.match(quit.log.find(({ msg }) => msg === 'shutting down'), { signal: 'SIGQUIT' })
  const reporting = await startProcess(t, { NODE_OPTIONS: '--report-on-signal --report-filename=stderr' })
  reporting.child.kill('SIGUSR2')
  await eventually(() => reporting.stderr.includes('"Signal"') || reporting.child.exitCode !== null, 'a report')
  t.strictSame(await reporting.stop(), { code: 0, signal: null })
  t.match(reporting.log.filter(({ msg }) => msg === 'shutting down'), [{ signal: 'SIGTERM' }])
  const broken = await startProcess(t)
  t.strictSame(await broken.stop('SIGSEGV'), { code: null, signal: 'SIGSEGV' }, 'there is no way back from a fault')
})

t.test('SIGHUP ends nothing where there is no terminal that could be gone, as with nohup', async t => {
  const server = await startProcess(t)
  const alice = await connect(t, server.url, { user: 'alice' })
  server.child.kill('SIGHUP')
  // Of two signals the lower is handled first, and the second of two that end the server ends it with 1.
  t.strictSame(await server.stop(), { code: 0, signal: null })
  t.equal((await alice.closed).code, 1001)
  t.match(server.log.filter(({ msg }) => msg === 'shutting down'), [{ signal: 'SIGTERM' }])
})

t.test('a terminal that is closed ends the server that runs in it, in good order', {
  skip: process.platform !== 'linux' && 'script has other options there'
}, async t => {
  const folder = temporaryFolder(t)
  const log = (): LogLine[] => {
    const file = join(folder, 'log')
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1).map(line => JSON.parse(line) as LogLine) : []
  }
  const env = { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: '0', SYMPLE_DRAIN_SECONDS: '0' }
  // Its standard error is the terminal.
  const terminal = run(t, 'script', ['-qec', `exec '${process.execPath}' '${SERVER}' > log`, '/dev/null'], env, folder)
  const find = (start: string) => log().find(({ msg }) => msg.startsWith(start))
  await eventually(() => find('Server listening') !== undefined, 'it listens')
  const origin = find('Server listening')!.msg.replace(/^.*http:/, 'ws:')
  const alice = await connect(t, origin, { user: 'alice' })
  terminal.child.kill('SIGKILL')
  await alice.find(isShutdown)
  t.equal((await alice.closed).code, 1001)
  await eventually(() => find('shutting down') !== undefined, 'its log is written')
  t.match(find('shutting down'), { signal: 'SIGHUP' })
  await eventually(async () => await fetch(origin.replace('ws:', 'http:')).then(() => false, () => true), 'it is gone')
})

/** Clients in pairs that answer each other without end, and whose messages flow. */
async function loadedClients (t: Test, server: ServerProcess, count: number): Promise<TestClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, (_, i) =>
    connect(t, server.url, { user: `user-${i}`, rooms: [`pair-${i >> 1}`] })))
  const answers = clients.map(() => 0)
  for (const [i, client] of clients.entries()) {
    client.ws.on('message', data => {
      const { type, from } = JSON.parse(String(data)) as Frame
      if (type !== 'message') return
      answers[i]!++
      client.send({ type: 'message', to: from, data: 'on and on' })
    })
    client.send({ type: 'message', to: `user-${i ^ 1}` })
  }
  await eventually(() => answers.every(number => number >= 5), 'messages flow')
  return clients
}
