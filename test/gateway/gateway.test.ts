import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import WebSocket, { WebSocketServer } from 'ws'
import symple, { type SymplePluginOptions } from '../../src/app.js'
import { connectionsOf } from '../connections.js'
import { eventually, settle, TestClient } from '../helper.js'
import { temporaryFolder } from '../process.js'
import { openRaw, RawSocket, upgradeRequest } from '../raw.js'
import { startRedis } from '../redis.js'
import { KEY, startGateway, type Gateway, type Order } from './gateway.js'

const HEADERS = { headers: KEY }
const ORDERS: Order[] = ['before', 'after', 'sibling', 'never']

/** The plugin as these tests mount it: nothing of whoever runs them, and no wait at the end. */
const MOUNT = { prefix: '/realtime', env: false, drainSeconds: 0 } as const

const redis = await startRedis(t)
const start = (t: Test, order: Order, options: Partial<Parameters<typeof startGateway>[1]> = {}) =>
  startGateway(t, { redisUrl: redis.url, order, mounts: [MOUNT], ...options })

/** A peer of the plugin, let in by the gateway. */
async function enter (t: Test, url: string, auth: object): Promise<TestClient> {
  const client = new TestClient(url, HEADERS)
  t.teardown(() => { client.ws.terminate() })
  await client.authenticate(auth)
  return client
}

/** The gateway's own tests, which know nothing of us. */
async function gatewaySuite (t: Test, { origin, ws }: Gateway, webSockets: boolean): Promise<void> {
  const text = async (path: string, init: RequestInit = HEADERS) => await (await fetch(origin + path, init)).text()
  const json = async (path: string, init?: RequestInit) => JSON.parse(await text(path, init)) as object

  t.strictSame(await json('/'), { gateway: 'home' })
  t.strictSame(await json('/healthz', {}), { gateway: 'healthy' }, 'its own probe')
  t.strictSame(await json('/metrics'), { gateway: 'metrics' })
  t.equal(await text('/greeting'), 'hello', 'its own config')

  const refused = await fetch(`${origin}/greeting`)
  t.equal(refused.status, 401, 'its own hook')
  t.strictSame(await refused.json(), { gateway: 'who are you?' })
  const failed = await fetch(`${origin}/fails`, HEADERS)
  t.equal(failed.status, 418, 'its own error handler')
  t.strictSame(await failed.json(), { gateway: 'it fails' })
  t.strictSame(await json('/nope'), { gateway: 'nothing here' }, 'its own 404')

  const shop = await fetch(`${origin}/`, { headers: { ...KEY, origin: 'https://shop.example', 'accept-encoding': 'gzip' } })
  t.equal(shop.headers.get('access-control-allow-origin'), 'https://shop.example', 'CORS')
  t.equal(shop.headers.get('x-frame-options'), 'SAMEORIGIN', 'helmet')
  t.equal(shop.headers.get('content-encoding'), 'gzip', 'compress')
  t.ok(shop.headers.get('x-ratelimit-limit'), 'rate limit')
  const statuses = []
  for (let i = 0; i < 3; i++) statuses.push((await fetch(`${origin}/limited`)).status)
  t.strictSame(statuses, [200, 200, 429])

  await text('/kept/key', { method: 'PUT', body: '"value"', headers: { ...KEY, 'content-type': 'application/json' } })
  t.equal(await text('/kept/key'), '"value"', 'its own Redis')

  const { paths } = await json('/docs.json', {}) as { paths: object }
  t.strictSame(Object.keys(paths).sort(), ['/', '/docs.json', '/fails', '/greeting', '/healthz', '/kept/{key}', '/limited', '/metrics'])

  if (!webSockets) return
  const echo = new WebSocket(`${ws}/own/echo`, HEADERS)
  await once(echo, 'open')
  echo.send('echo')
  t.equal(String((await once(echo, 'message'))[0]), 'echo', 'its own WebSocket')
  echo.close()
  await once(echo, 'close')
}

for (const order of ORDERS) {
  t.test(`@fastify/websocket ${order}`, async t => {
    t.test('the gateway\'s tests pass without the plugin', async t => {
      await gatewaySuite(t, await start(t, order, { mounts: [] }), order !== 'never')
    })

    t.test('and with it', async t => {
      await gatewaySuite(t, await start(t, order), order !== 'never')
    })

    t.test('the gateway gets one decorator', async t => {
      const [plain, mounted] = [await start(t, order, { mounts: [] }), await start(t, order)]
      const added = Object.keys(mounted.app).filter(name => !Object.keys(plain.app).includes(name))
      t.strictSame(added, ['symple'])
    })

    t.test('peers meet at the prefix', async t => {
      const { app, ws, origin } = await start(t, order)
      const alice = await enter(t, `${ws}/realtime`, { user: 'alice', rooms: ['lobby'] })
      const bob = await enter(t, `${ws}/realtime/?v=4`, { user: 'bob', rooms: ['lobby'] })
      await settle(alice, bob)
      t.strictSame(Object.keys(alice.roster), [bob.address])
      alice.send({ type: 'message', to: 'bob', data: 'hello' })
      t.match(await bob.find('message'), { from: alice.address, data: 'hello' })
      t.equal(app.symple.gauges.peers, 2)

      t.strictSame(await (await fetch(`${origin}/realtime/healthz`, HEADERS)).json(), { status: 'ok' })
      t.strictSame(await (await fetch(`${origin}/realtime/readyz`, HEADERS)).json(), { status: 'ready' })
      t.match(await (await fetch(`${origin}/realtime/metrics`, HEADERS)).text(), /^symple_peers 2$/m)
      const page = await fetch(`${origin}/realtime`, { headers: { ...KEY, 'accept-encoding': 'gzip', origin: 'https://shop.example' } })
      t.match(await page.text(), 'Symple server')
      t.equal(page.headers.get('access-control-allow-origin'), 'https://shop.example', 'as with all that the gateway serves')
      t.equal(page.headers.get('content-encoding'), 'gzip')
      t.equal((await fetch(`${origin}/realtime/healthz`)).status, 401)
    })

    t.test('our size limit holds', async t => {
      const { ws } = await start(t, order, { mounts: [{ ...MOUNT, maxMessageSize: 100 }] })
      const alice = await enter(t, `${ws}/realtime`, { user: 'alice' })
      alice.send({ type: 'message', to: 'x', data: 'x'.repeat(101) })
      t.match(await alice.find('error'), { status: 413 })
      t.equal((await alice.closed).code, 1009)
      const bob = await enter(t, `${ws}/realtime`, { user: 'bob' })
      bob.send('x'.repeat(100_000))
      t.equal((await bob.closed).code, 1009)
    })

    t.test('500 upgrades that the gateway or the plugin refuses leave no socket', async t => {
      const { app, port, ws } = await start(t, order, { mounts: [{ ...MOUNT, allowedOrigins: ['https://good.example'] }] })
      const requests = [
        upgradeRequest('/realtime'),
        upgradeRequest('/realtime', { ...KEY, Origin: 'https://evil.example' }),
        upgradeRequest('/realtime', { ...KEY, 'Sec-WebSocket-Version': '1' }),
        upgradeRequest('/realtime/healthz', KEY),
        upgradeRequest('/realtime/healthz')
      ]
      const wanted = [401, 403, 400, 404, 401]
      const answers = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
        const raw = new RawSocket(port)
        raw.write(requests[i % requests.length]!)
        await raw.until('\r\n\r\n')
        await raw.gone
        raw.socket.destroy()
        return Number(raw.text.slice(9, 12))
      }))
      t.strictSame(answers, answers.map((_, i) => wanted[i % wanted.length]))
      await eventually(async () => await connectionsOf(app.server) === 0, 'no socket is left')
      t.equal(app.symple.stats.connections, 0)
      await enter(t, `${ws}/realtime`, { user: 'alice' })
    })

    t.test('the gateway\'s rate limit counts upgrades', async t => {
      const { app, ws } = await start(t, order, { max: 2 })
      for (const user of ['alice', 'bob']) await enter(t, `${ws}/realtime`, { user })
      await t.rejects(new TestClient(`${ws}/realtime`, HEADERS).opened(), { message: 'Unexpected server response: 429' })
      await eventually(async () => await connectionsOf(app.server) === 2, 'no socket is left')
    })

    t.test('close() tells the peers, and waits for no stubborn one', async t => {
      const gateway = await start(t, order)
      const alice = await enter(t, `${gateway.ws}/realtime`, { user: 'alice' })
      const stubborn = await openRaw(t, gateway.port)
      await stubborn.authenticate({ user: 'stubborn' }, '/realtime', KEY)
      const refused = await openRaw(t, gateway.port)
      refused.write(upgradeRequest('/realtime'))
      await refused.until('who are you?')
      const closing = gateway.app.close()
      await stubborn.until('"shutdown"')
      const late = await openRaw(t, gateway.port)
      late.write(upgradeRequest('/realtime', KEY))
      await late.until('HTTP/1.1 503 ')
      await late.gone
      t.match(await alice.find('event'), { name: 'shutdown', message: 'Server shutting down' })
      t.strictSame(await alice.closed, { code: 1001, reason: 'Server shutting down' })
      // The library of the gateway would wait for 30 s.
      const started = performance.now()
      await closing
      t.ok(performance.now() - started < 20_000)
      await stubborn.gone
    })

    t.test('an upgrade that is refused while it drains leaves no socket until that is over', async t => {
      const gateway = await start(t, order, { mounts: [{ ...MOUNT, drainSeconds: 100_000 }] })
      const alice = await enter(t, `${gateway.ws}/realtime`, { user: 'alice' })
      const keptAlive = await openRaw(t, gateway.port)
      keptAlive.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
      await keptAlive.until('healthy')
      const closing = gateway.app.close()
      await alice.find('event')
      keptAlive.write(upgradeRequest('/realtime', KEY))
      const late = await openRaw(t, gateway.port)
      late.write(upgradeRequest('/realtime', KEY))
      for (const raw of [keptAlive, late]) {
        await raw.until('HTTP/1.1 503 ')
        await raw.until('"statusCode":503}')
        await raw.gone
      }
      t.equal(gateway.app.symple.gauges.peers, 1, 'it still drains')
      await alice.close()
      await closing
    })

    t.test('a hook of the gateway that never answers does not hold close()', async t => {
      let begun = () => {}
      const hanging = new Promise<void>(resolve => { begun = resolve })
      const { app, port } = await start(t, order, { onHang: () => { begun() } })
      const waiting = await openRaw(t, port)
      waiting.write(upgradeRequest('/realtime', { 'X-Hang': 'yes' }))
      await hanging
      await app.close()
      await waiting.gone
    })
  })
}

t.test('the gateway\'s WebSocket plugin compresses', async t => {
  const { ws } = await start(t, 'before', { websocket: { options: { perMessageDeflate: { threshold: 0 } } } })
  const [alice, bob] = [
    await enter(t, `${ws}/realtime`, { user: 'alice', rooms: ['lobby'] }),
    await enter(t, `${ws}/realtime`, { user: 'bob', rooms: ['lobby'] })
  ]
  t.match(alice.ws.extensions, 'permessage-deflate')
  for (let i = 0; i < 10; i++) alice.send({ type: 'message', to: 'bob', i, data: 'x'.repeat(1000) })
  for (let i = 0; i < 10; i++) t.equal((await bob.find('message'))['i'], i)
})

t.test('injectWS of the gateway\'s WebSocket plugin reaches us', async t => {
  for (const order of ['before', 'after'] as const) {
    const { app } = await start(t, order)
    const socket = { remoteAddress: '192.0.2.1' } as Socket
    const ws = await app.injectWS('/realtime', { headers: KEY, socket })
    ws.send(JSON.stringify({ type: 'auth', user: 'alice' }))
    t.match(JSON.parse(String((await once(ws, 'message'))[0])), { type: 'welcome', peer: { user: 'alice', host: '192.0.2.1' } }, order)
    ws.terminate()
  }
})

t.test('what else listens for upgrades keeps its own, and sees none of ours', async t => {
  const { app, ws } = await start(t, 'never')
  // It destroys whatever is not at its path.
  const other = new WebSocketServer({ server: app.server, path: '/other' })
  other.on('connection', socket => { socket.send('from the other') })
  const alice = await enter(t, `${ws}/realtime`, { user: 'alice' })
  const client = new WebSocket(`${ws}/other`)
  t.equal(String((await once(client, 'message'))[0]), 'from the other')
  client.close()
  await alice.barrier()
  await t.rejects(new TestClient(`${ws}/nope`).opened(), { message: 'Unexpected server response: 400' })
  other.close()
})

t.test('an upgrade that nobody listens for is plain HTTP, as without the plugin', async t => {
  for (const mounts of [[], [MOUNT]]) {
    const { port } = await start(t, 'never', { mounts })
    for (const [path, answer] of [['/healthz', '{"gateway":"healthy"}'], ['/nope', '{"gateway":"nothing here"}']] as const) {
      const raw = await openRaw(t, port)
      raw.write(upgradeRequest(path, KEY))
      await raw.until(answer)
      raw.socket.destroy()
    }
  }
})

t.test('an upgrade that comes when ours are gone, and others are not, does not hold close()', async t => {
  const app = Fastify()
  await app.register(symple, MOUNT)
  let proceed = () => {}
  const others = new Promise<void>(resolve => { proceed = resolve })
  const reached = new Promise<void>(resolve => {
    app.register(async scope => {
      scope.addHook('preClose', async () => {
        resolve()
        await others
      })
    })
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const other = new WebSocketServer({ server: app.server, path: '/other' })
  other.on('connection', socket => { socket.on('message', data => { socket.send(String(data)) }) })
  const client = new WebSocket(`ws://127.0.0.1:${port}/other`)
  await once(client, 'open')
  const closing = app.close()
  await reached
  client.send('still there')
  t.equal(String((await once(client, 'message'))[0]), 'still there')
  client.close()
  const late = await openRaw(t, port)
  late.write(upgradeRequest('/realtime'))
  await late.until('HTTP/1.1 503 ')
  await late.gone
  t.match(late.text, /^HTTP\/1\.1 503 /)
  proceed()
  await closing
})

t.test('a hook may write before the answer, and answer in pieces, or at once', async t => {
  for (const hosted of [true, false]) {
    const app = Fastify()
    t.teardown(() => app.close())
    if (hosted) await app.register(websocket)
    app.addHook('onRequest', async (request, reply) => {
      reply.raw.writeEarlyHints({ link: '</style.css>; rel=preload' })
      const { refusal } = request.headers
      if (refusal === 'at once') return await reply.code(403).send('no')
      await new Promise(setImmediate)
    })
    app.addHook('onRequest', (request, reply, done) => {
      if (request.headers['refusal'] === undefined) return done()
      reply.hijack()
      reply.raw.writeHead(403, { 'content-type': 'text/plain' })
      reply.raw.write('first')
      setImmediate(() => { reply.raw.end('second') })
    })
    await app.register(symple, MOUNT)
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const ends = new Map<Socket, number>()
    app.server.on('connection', (socket: Socket) => {
      const end = socket.end.bind(socket) as (...args: unknown[]) => Socket
      Object.assign(socket, {
        end: (...args: unknown[]) => {
          ends.set(socket, (ends.get(socket) ?? 0) + 1)
          return end(...args)
        }
      })
    })
    const alice = await new TestClient(`ws://127.0.0.1:${port}/realtime`).opened()
    await alice.authenticate({ user: 'alice' })
    t.equal(ends.size, 0)
    for (const [refusal, last] of [['in pieces', 'second'], ['at once', 'no']] as const) {
      const raw = await openRaw(t, port)
      raw.write(upgradeRequest('/realtime', { refusal }))
      await raw.gone
      t.match(raw.text, 'HTTP/1.1 103 ')
      t.match(raw.text, 'HTTP/1.1 403 ')
      t.match(raw.text, last, `${refusal}, ${String(hosted)}`)
    }
    t.strictSame([...ends.values()], [1, 1], 'each is ended once')
  }
})

t.test('options of the router that make other addresses the same', async t => {
  const { ws } = await start(t, 'never', {
    fastify: { routerOptions: { caseSensitive: false, ignoreTrailingSlash: true }, rewriteUrl: ({ url }) => url!.replace('/v1/', '/') }
  })
  for (const path of ['/REALTIME', '/v1/realtime', '/realtime/']) await enter(t, ws + path, { user: 'alice' })
})

t.test('two instances know nothing of each other', async t => {
  for (const order of [...ORDERS, 'between'] as const) {
    const { app, ws } = await start(t, order, {
      mounts: [{ ...MOUNT, prefix: '/a', dynamicRooms: false }, { ...MOUNT, prefix: '/b', decorator: 'second', maxConnections: 1 }]
    })
    const alice = await enter(t, `${ws}/a`, { user: 'alice', rooms: ['lobby'] })
    const bob = await enter(t, `${ws}/b`, { user: 'bob', rooms: ['lobby'] })
    const carol = await enter(t, `${ws}/a`, { user: 'carol', rooms: ['lobby'] })
    await settle(alice, bob, carol)
    t.strictSame(Object.keys(alice.roster), [carol.address], order)
    t.strictSame(bob.roster, {})
    alice.send({ type: 'join', room: 'x', id: 1 })
    t.match(await alice.find(({ id }) => id === 1), { message: 'Dynamic rooms disabled' })
    bob.send({ type: 'join', room: 'x' })
    await bob.find('join:ok')
    t.equal(app.symple.gauges.peers, 2)
    t.equal(app.getDecorator<typeof app.symple>('second').gauges.peers, 1)
    await app.close()
    for (const client of [alice, bob, carol]) t.equal((await client.closed).code, 1001)
  }
})

t.test('options of the service reach it', async t => {
  const users: unknown[] = []
  const authenticate: SymplePluginOptions['authenticate'] = (...args) => {
    users.push(args.length)
    throw new Error('nobody comes in')
  }
  const { ws } = await start(t, 'before', { mounts: [{ ...MOUNT, authenticate }] })
  const client = await new TestClient(`${ws}/realtime`, HEADERS).opened()
  client.send({ type: 'auth', user: 'alice' })
  t.match(await client.next(), { type: 'error' })
  await client.closed
  t.equal(users.length, 1)
})

t.test('a gateway on a Unix socket, whose clients have no address', async t => {
  const path = join(temporaryFolder(t), 'socket')
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(symple, MOUNT)
  await app.listen({ path })
  const alice = await enter(t, `ws+unix://${path}:/realtime`, { user: 'alice' })
  t.equal(alice.peer.host, '')
})

t.test('logs go to the gateway\'s logger', async t => {
  const lines: Array<{ msg: string, level: number }> = []
  const logger = pino({ level: 'debug', base: { service: 'gateway' } }, { write: line => { lines.push(JSON.parse(line) as typeof lines[0]) } })
  const { ws } = await start(t, 'before', { logger, mounts: [MOUNT] })
  await enter(t, `${ws}/realtime`, { user: 'alice' })
  t.match(lines.find(({ msg }) => msg === 'online'), { service: 'gateway', user: 'alice' })
  t.match(lines.find(({ msg }) => msg.includes('maxPayload')), { level: 40, wanted: 131072 }, 'a trap that the gateway has set itself')

  lines.length = 0
  const quiet = await start(t, 'never', { logger, mounts: [{ ...MOUNT, logLevel: 'warn' }] })
  await enter(t, `${quiet.ws}/realtime`, { user: 'alice' })
  t.strictSame(lines.filter(({ msg }) => msg === 'online'), [])
})
