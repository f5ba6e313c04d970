import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { connect, startServer, TestClient } from './helper.js'
import { run, runServer, startProcess, temporaryFolder } from './process.js'

/** The host that a client behind these proxies is told it has. */
async function hostOf (t: Test, trustProxy: string, forwardedFor: string): Promise<string> {
  const { url } = await startServer(t, { SYMPLE_TRUST_PROXY: trustProxy })
  const client = new TestClient(url, { headers: { 'X-Forwarded-For': forwardedFor } })
  t.teardown(() => { client.ws.terminate() })
  await client.authenticate({ user: 'alice' })
  return client.peer.host
}

t.test('X-Forwarded-For counts only where SYMPLE_TRUST_PROXY says so', async t => {
  const forwardedFor = '203.0.113.7, 198.51.100.2'
  const cases: Record<string, string> = {
    '': '127.0.0.1',
    no: '127.0.0.1',
    0: '127.0.0.1',
    '10.0.0.0/8': '127.0.0.1',
    1: '203.0.113.7',
    Yes: '203.0.113.7',
    2: '203.0.113.7',
    '127.0.0.1': '198.51.100.2',
    loopback: '198.51.100.2',
    '127.0.0.0/8, 198.51.100.2': '203.0.113.7'
  }
  for (const [trustProxy, host] of Object.entries(cases)) {
    t.equal(await hostOf(t, trustProxy, forwardedFor), host, `SYMPLE_TRUST_PROXY=${trustProxy}`)
  }
  t.equal(await hostOf(t, '2', '192.0.2.9, 203.0.113.7, 198.51.100.2'), '203.0.113.7', 'no more hops than are trusted')
})

t.test('what is no address in X-Forwarded-For is nobody\'s, whoever is trusted', async t => {
  const cases: Record<string, string> = {
    'evil|x': '127.0.0.1',
    '<script>': '127.0.0.1',
    unknown: '127.0.0.1',
    '203.0.113.999': '127.0.0.1',
    ['x'.repeat(9000)]: '127.0.0.1',
    ' ': '127.0.0.1',
    '::FFFF:203.0.113.7': '203.0.113.7',
    '2001:db8::7': '2001:db8::7',
    // As some proxies write it.
    '203.0.113.7:4711': '203.0.113.7',
    '[2001:db8::7]:4711': '2001:db8::7',
    '[2001:db8::7]': '2001:db8::7'
  }
  for (const [forwardedFor, host] of Object.entries(cases)) {
    t.equal(await hostOf(t, 'true', forwardedFor), host, forwardedFor.slice(0, 30))
  }
})

t.test('.env is read from the working directory', async t => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, '.env'), [
    'SYMPLE_PATH=/from-dotenv',
    'SYMPLE_DYNAMIC_ROOMS=off # a comment',
    'LOG_LEVEL="warn"',
    'SYMPLE_MAX_CONNECTIONS='
  ].join('\n'))
  const env = { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: '0', LOG_LEVEL: 'info' }
  const server = await startProcess(t, env, folder)
  t.comment('it listens: what the environment sets wins, and what is set to nothing counts as not set')
  const alice = await connect(t, `${server.origin.replace('http', 'ws')}/from-dotenv`, { user: 'alice' })
  alice.send({ type: 'join', room: 'lobby' })
  t.match(await alice.next(), { type: 'error', status: 400, message: 'Dynamic rooms disabled' })
})

t.test('a bad value in .env is refused like any other', async t => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, '.env'), 'SYMPLE_RATE_LIMIT=much\n')
  const server = runServer(t, {}, { cwd: folder })
  t.strictSame(await server.exited, { code: 1, signal: null })
  t.match(server.stderr, /^symple-server: SYMPLE_RATE_LIMIT .+\n$/)
})

t.test('a .env that can\'t be read stops the process', async t => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, '.env'))
  const server = runServer(t, {}, { cwd: folder })
  t.strictSame(await server.exited, { code: 1, signal: null })
  t.match(server.stderr, /^symple-server: \.env .+\n$/)
})

t.test('npm start runs the compiled server', async t => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  // Without `prestart`: a build would change files under the tests that run beside this one.
  const npm = run(t, 'npm', ['start', '--silent', '--ignore-scripts'], { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: '0' }, root)
  const { pid } = await npm.logged(line => line.msg.startsWith('Server listening'), '"Server listening"')
  process.kill(Number(pid), 'SIGTERM')
  t.strictSame(await npm.exited, { code: 0, signal: null })
})
