import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { connectionsOf } from './connections.js'
import { connect, eventually, open, startServer, TestClient } from './helper.js'
import { frame, openRaw, RawSocket, upgradeRequest } from './raw.js'

/** Sends a request for an upgrade and waits until the server has ended the connection; what it said. */
async function refused (t: Test, port: number, request: string): Promise<string> {
  const raw = await openRaw(t, port)
  raw.write(request)
  await raw.gone
  raw.socket.destroy()
  return raw.text
}

/** What browsers send when somebody types an address. */
const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

t.test('who comes to the path of the WebSocket without one gets a word about what this is', async t => {
  const { origin } = await startServer(t)
  for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
    const response = await fetch(`${origin}/`, { headers })
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), 'text/plain')
    t.equal(response.headers.get('vary'), 'accept')
    t.match(await response.text(), /Symple server.*symple\/4.*WebSocket/)
  }
})

t.test('a browser gets the playground, which may do nothing but what is in it', async t => {
  const { origin } = await startServer(t, { SYMPLE_PATH: '/a/ws' })
  const response = await fetch(`${origin}/a/ws?any=thing`, { headers: BROWSER })
  const html = await response.text()
  t.equal(response.status, 200)
  t.match(html, /^<!doctype html>.*<title>Symple playground</s)
  t.notMatch(html, /\b(src|href)="(?!data:|")/, 'it needs nothing else')
  const headers = Object.fromEntries(response.headers)
  t.match(headers, {
    'content-type': 'text/html; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
    vary: 'accept'
  })
  const policy = headers['content-security-policy']!.split('; ')
  t.match(policy, ['default-src \'none\'', /^script-src 'sha256-[^']{44}'$/, /^style-src 'sha256-[^']{44}'$/])
  for (const name of ['base-uri', 'form-action', 'frame-ancestors', 'trusted-types']) t.ok(policy.includes(`${name} 'none'`))
  t.ok(policy.includes('connect-src \'self\''))
  t.notMatch(policy.join(), /unsafe|\*|https?:/)

  t.comment('what it has already is not sent again')
  const { etag } = headers
  for (const tag of [etag!, `W/${etag}`, `"x", ${etag}`]) {
    const again = await fetch(`${origin}/a/ws`, { headers: { ...BROWSER, 'if-none-match': tag } })
    t.strictSame([again.status, await again.text()], [304, ''], tag)
  }
  const other = await fetch(`${origin}/a/ws`, { headers: { ...BROWSER, 'if-none-match': '"x"' } })
  t.strictSame([other.status, await other.text() === html], [200, true])
})

t.test('SYMPLE_PLAYGROUND: without it, browsers too get text', async t => {
  const cases: Array<[env: Record<string, string>, type: string]> = [
    [{ NODE_ENV: 'production' }, 'text/plain'],
    [{ NODE_ENV: 'production', SYMPLE_PLAYGROUND: 'true' }, 'text/html'],
    [{ SYMPLE_PLAYGROUND: 'false' }, 'text/plain']
  ]
  for (const [env, type] of cases) {
    const { origin } = await startServer(t, env)
    const response = await fetch(`${origin}/`, { headers: BROWSER })
    t.match(response.headers.get('content-type'), type, JSON.stringify(env))
  }
})

t.test('probes and metrics', async t => {
  const { server, origin } = await startServer(t)
  for (const [path, status] of [['/healthz', 'ok'], ['/readyz', 'ready']]) {
    const response = await fetch(origin + path)
    t.equal(response.status, 200)
    t.strictSame(await response.json(), { status })
  }
  const metrics = await fetch(`${origin}/metrics`)
  t.equal(metrics.status, 200)
  t.match(metrics.headers.get('content-type'), 'text/plain; version=0.0.4')
  t.match(await metrics.text(), /^symple_ready 1$/m)

  t.comment('draining is a reason not to be ready; it is none not to be alive')
  const alice = await connect(t, `${origin.replace('http', 'ws')}/`, { user: 'alice' })
  const drained = server.symple.drain(0)
  const ready = await fetch(`${origin}/readyz`)
  t.equal(ready.status, 503)
  t.strictSame(await ready.json(), { status: 'unavailable', reasons: ['draining'] })
  t.equal((await fetch(`${origin}/healthz`)).status, 200)
  t.match(await (await fetch(`${origin}/metrics`)).text(), /^symple_ready 0$/m)
  await alice.closed
  await drained
})

t.test('SYMPLE_PATH is where the WebSocket is, and nowhere else', async t => {
  const { url, origin, port } = await startServer(t, { SYMPLE_PATH: '/a/ws' })
  t.equal(url, `ws://127.0.0.1:${port}/a/ws`)
  await connect(t, url, { user: 'alice' })
  await connect(t, `${url}?v=4`, { user: 'bob' })
  t.match(await (await fetch(`${origin}/a/ws`)).text(), 'Symple server')
  t.equal((await fetch(`${origin}/healthz`)).status, 200)
  t.equal((await fetch(`${origin}/`)).status, 404)
  for (const path of ['/', '/a', '/a/ws/', '/a/ws/b', '/A/WS']) {
    await t.rejects(new TestClient(origin.replace('http', 'ws') + path).opened(), /404/, path)
  }
})

t.test('an upgrade anywhere else is refused, and its socket destroyed', async t => {
  const { server, port } = await startServer(t)
  for (const path of ['/nope', '/healthz', '/readyz', '/metrics', '/index.html', '//']) {
    t.match(await refused(t, port, upgradeRequest(path)), /^HTTP\/1\.1 404 /, path)
  }
  for (const path of ['/%', '/%zz', '/%c0%80', '/nope/%ff']) {
    t.match(await refused(t, port, upgradeRequest(path)), /^HTTP\/1\.1 400 /, path)
  }
  await eventually(async () => await connectionsOf(server.server) === 0, 'no socket is left')
  t.equal(server.symple.stats.connections, 0)
})

t.test('who offers another protocol gets plain HTTP', async t => {
  const { server, port } = await startServer(t)
  const offer = { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABkAAQCAAAAAAIAAAAA' }
  for (const path of ['/', '/healthz', '/readyz', '/metrics']) {
    const raw = await openRaw(t, port)
    raw.write(upgradeRequest(path, offer))
    await raw.gone
    t.match(raw.text, /^HTTP\/1\.1 200 /, path)
    t.match(raw.text, /\r\n\r\n./s, 'with its body')
  }
  await eventually(async () => await connectionsOf(server.server) === 0, 'no socket is left')
})

t.test('an upgrade that is no WebSocket\'s is refused, and its socket destroyed', async t => {
  const { server, port } = await startServer(t)
  const cases: Record<string, Record<string, string>> = {
    'no version': { 'Sec-WebSocket-Version': '' },
    'another version': { 'Sec-WebSocket-Version': '99' },
    'no key': { 'Sec-WebSocket-Key': '' },
    'a short key': { 'Sec-WebSocket-Key': 'abc' },
    'two keys': { 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA==' },
    'subprotocols without names': { 'Sec-WebSocket-Protocol': ',,' }
  }
  for (const [what, headers] of Object.entries(cases)) {
    t.match(await refused(t, port, upgradeRequest('/', headers)), /^HTTP\/1\.1 400 /, what)
  }
  for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const answer = await refused(t, port, upgradeRequest().replace('GET', method))
    t.notMatch(answer, /^HTTP\/1\.1 101 /, method)
    t.match(answer, /^HTTP\/1\.1 [24]/, method)
  }
  await eventually(async () => await connectionsOf(server.server) === 0, 'no socket is left')
  t.equal(server.symple.stats.connections, 0)
})

t.test('500 refused upgrades leave nothing', async t => {
  const { server, port, url } = await startServer(t, { SYMPLE_ALLOWED_ORIGINS: 'https://good.example' })
  const requests = [
    () => upgradeRequest('/nope'),
    () => upgradeRequest('/healthz'),
    () => upgradeRequest('/%zz'),
    () => upgradeRequest('/', { 'Sec-WebSocket-Version': '1' }),
    () => upgradeRequest('/', { Origin: 'https://evil.example' })
  ]
  const attempts = Array.from({ length: 500 }, (_, i) => refused(t, port, requests[i % requests.length]!()))
  await Promise.all(attempts)
  await eventually(async () => await connectionsOf(server.server) === 0, 'no socket is left')
  const nothing = { connections: 0, peers: 0, virtuals: 0, remotes: 0, users: 0, rooms: 0, unsent: 0 }
  t.strictSame(server.symple.gauges, nothing)
  t.equal(server.symple.stats.limits.origin, 100)
  await connect(t, url, { user: 'alice' })
})

t.test('a refused client that reads nothing and keeps its side open is gone all the same', async t => {
  const { server, port } = await startServer(t)
  const raw = new RawSocket(port)
  t.teardown(() => { raw.socket.destroy() })
  await raw.connected()
  raw.socket.pause()
  raw.write(upgradeRequest('/nope'))
  await eventually(async () => await connectionsOf(server.server) === 0, 'no socket is left')
})

t.test('other methods', async t => {
  const { origin } = await startServer(t)
  for (const path of ['/', '/healthz', '/readyz', '/metrics']) {
    const head = await fetch(origin + path, { method: 'HEAD' })
    t.equal(head.status, 200, `HEAD ${path}`)
    t.equal(await head.text(), '')
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const response = await fetch(origin + path, { method })
      t.equal(response.status, 404, `${method} ${path}`)
    }
  }
})

t.test('origins', async t => {
  const { port, url } = await startServer(t, { SYMPLE_ALLOWED_ORIGINS: 'https://good.example, http://b.example:8080' })
  const allowed = ['https://good.example', 'http://b.example:8080', `http://127.0.0.1:${port}`]
  for (const origin of allowed) await open(t, url, { origin })
  await open(t, url)
  const others = ['https://evil.example', 'http://good.example', 'https://good.example:444', 'https://good.example.x']
  for (const origin of others) await t.rejects(new TestClient(url, { origin }).opened(), /403/, origin)
})

t.test('what comes after the request in the same packet is not lost', async t => {
  const { port } = await startServer(t)
  const raw = await openRaw(t, port)
  const auth = frame(JSON.stringify({ type: 'auth', user: 'alice' }))
  raw.write(Buffer.concat([Buffer.from(upgradeRequest()), auth]))
  await raw.until('"type":"welcome"')
  t.match(raw.text, /^HTTP\/1\.1 101 /)
})

t.test('an upgrade while it shuts down gets 503, and its socket is destroyed', async t => {
  const { server, port, url } = await startServer(t)
  const rude = await openRaw(t, port)
  await rude.authenticate({ user: 'rude' })
  const closing = server.close()
  await rude.until('"shutdown"')
  const client = new WebSocket(url)
  const [, response] = await once(client, 'unexpected-response') as [unknown, IncomingMessage]
  t.equal(response.statusCode, 503)
  client.on('error', () => {})
  client.terminate()
  t.match(await refused(t, port, upgradeRequest()), /^HTTP\/1\.1 503 /)
  t.match(await refused(t, port, upgradeRequest('/nope')), /^HTTP\/1\.1 /)
  rude.socket.destroy()
  await closing
  t.equal(await connectionsOf(server.server), 0)
})
