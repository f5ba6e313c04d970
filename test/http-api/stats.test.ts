import Fastify from 'fastify'
import t from 'tap'
import type { Page } from '../../plugins/page.js'
import symple, { ConfigError, createServer } from '../../src/app.js'
import { connect, eventually, settle, startServer } from '../helper.js'
import { startRedis } from '../redis.js'

const CONSOLE_KEY = 'console-key-0123456789-0123456789'
const API_KEY = 'api-key-0123456789-0123456789-0123'

interface Stats {
  node: { id: string, pid: number, started: string }
  impediments: string[]
  interval: number
  span: number
  times: number[]
  series: Record<string, Array<number | null>>
}

/** What a request of one who has a key, or none, is answered with. */
async function ask (url: string, key?: string, method = 'GET'): Promise<{ status: number, body: unknown }> {
  const response = await fetch(url, { method, headers: key === undefined ? {} : { authorization: `Bearer ${key}` } })
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) as unknown : text }
}

t.test('without SYMPLE_CONSOLE_KEY there is no console, and nothing is sampled', async t => {
  for (const env of [{}, { SYMPLE_API_KEY: API_KEY }] as Array<Record<string, string>>) {
    const { server, origin } = await startServer(t, env)
    t.equal(server.history, null)
    for (const path of ['/console', '/api/stats', '/api/stats/rooms']) {
      t.equal((await ask(origin + path, API_KEY)).status, 404, path)
    }
  }
})

t.test('SYMPLE_CONSOLE_KEY has to be good, and is not repeated', async t => {
  for (const key of ['short', 'a key with spaces that is long enough', ',,,', `${CONSOLE_KEY},short`]) {
    const refused = await createServer({ env: { SYMPLE_CONSOLE_KEY: key } }).catch((error: unknown) => error)
    t.ok(refused instanceof ConfigError)
    t.match((refused as Error).message, /^SYMPLE_CONSOLE_KEY must be .* 32/)
    t.notMatch((refused as Error).message, key)
  }
  const within = await createServer({ env: { SYMPLE_CONSOLE_KEY: CONSOLE_KEY, SYMPLE_PATH: '/api/x' } }).catch((error: unknown) => error)
  t.match((within as Error).message, /^SYMPLE_PATH must not be within \/api/)
})

t.test('a key to the console opens what the console needs of the HTTP API, and that alone', async t => {
  const { origin, url } = await startServer(t, { SYMPLE_API_KEY: API_KEY, SYMPLE_CONSOLE_KEY: `${CONSOLE_KEY},${CONSOLE_KEY}2` })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const { id } = alice.peer
  const open = [
    'GET /api/stats', 'GET /api/stats/rooms', 'GET /api/nodes', 'GET /api/rooms', 'GET /api/rooms/lobby/peers', 'GET /api/peers',
    `GET /api/peers/${id}`, 'GET /api/users/alice/peers', 'POST /api/users/nobody/disconnect'
  ]
  for (const request of open) {
    const [method, path] = request.split(' ') as [string, string]
    for (const key of [CONSOLE_KEY, `${CONSOLE_KEY}2`, API_KEY]) t.equal((await ask(origin + path, key, method)).status, 200, request)
    for (const key of [undefined, `${CONSOLE_KEY}3`]) t.equal((await ask(origin + path, key, method)).status, 401, request)
  }
  for (const request of ['POST /api/messages', `PUT /api/peers/${id}/rooms/den`, `DELETE /api/peers/${id}/rooms/lobby`]) {
    const [method, path] = request.split(' ') as [string, string]
    t.match(await ask(origin + path, CONSOLE_KEY, method), { status: 403, body: { status: 403, detail: /SYMPLE_API_KEY/ } }, request)
  }
  t.equal((await ask(`${origin}/api/peers/${id}`, CONSOLE_KEY, 'DELETE')).status, 204)
  t.equal((await alice.closed).code, 4403)
})

t.test('what a node does is sampled, and told in parts', async t => {
  const { origin, url, server } = await startServer(t, { SYMPLE_CONSOLE_KEY: CONSOLE_KEY, SYMPLE_MAX_ROOMS_PER_PEER: '3' })
  const stats = async (query = '') => (await ask(`${origin}/api/stats${query}`, CONSOLE_KEY)).body as Stats
  const total = ({ series }: Stats, name: string) => series[name]!.reduce<number>((sum, value) => sum + (value ?? 0), 0)

  const [alice, bob] = [await connect(t, url, { user: 'alice', rooms: ['lobby'] }), await connect(t, url, { user: 'bob', rooms: ['lobby'] })]
  await server.symple.addVirtualPeer({ user: 'bot', rooms: [] }, () => {})
  for (let n = 0; n < 10; n++) alice.send({ type: 'message', to: ['lobby'], data: n })
  alice.send({ type: 'message', to: ['elsewhere'] })
  for (const room of ['a', 'b', 'c']) alice.send({ type: 'join', room })
  await settle(alice, bob)
  let all = await stats()
  await eventually(async () => {
    all = await stats()
    return total(all, 'deliveries') >= 10
  }, 'a sample')
  const last = (name: string) => all.series[name]!.at(-1)
  t.match(all, { node: { id: server.backplane.node, pid: process.pid, started: /^\d{4}-/ }, impediments: [], interval: 3, span: 900 })
  t.strictSame(['connections', 'peers', 'virtuals', 'users', 'rooms'].map(last), [2, 2, 1, 3, 3])
  t.strictSame(['auth.ok', 'opened', 'dropped.not_member', 'exceeded.rooms_per_peer'].map(name => total(all, name)), [2, 2, 1, 1])
  t.ok(total(all, 'received') >= 16 && total(all, 'bytesIn') > 300 && total(all, 'bytesOut') > total(all, 'bytesIn'))
  const timed = all.series['p99']!.findIndex(value => value !== null)
  t.ok(all.series['p50']![timed]! > 0 && all.series['p99']![timed]! >= all.series['p50']![timed]!)
  t.ok(last('rss')! > last('heap')! && last('cpu')! >= 0 && last('busy')! >= 0 && last('busy')! <= 1 && last('delay')! >= 0)
  for (const values of Object.values(all.series)) t.equal(values.length, all.times.length)

  t.comment('a node that is known is told what is new alone')
  const known = `${all.node.id}:${all.times.at(-1)}`
  let rest = await stats(`?after=other:1,${known}`)
  await eventually(async () => {
    rest = await stats(`?after=other:1,${known}`)
    return rest.times.length > 0
  }, 'another sample')
  t.equal(rest.times.length, 1)
  t.ok(rest.times[0]! > all.times.at(-1)!)
  t.strictSame(rest.series['deliveries'], [0])
  t.strictSame(rest.series['p99'], [null], 'nothing was handled')
  t.ok((await stats('?after=other:9999999999999')).times.length > 1, 'of another node nothing is known')
  for (const after of ['x', 'x:', ':1', 'x:1,', 'x'.repeat(2000)]) {
    t.match(await ask(`${origin}/api/stats?after=${after}`, CONSOLE_KEY), { status: 400, body: { detail: /after/ } }, after.slice(0, 9))
  }
})

t.test('a node says of itself what the others are told', async t => {
  const redis = await startRedis(t)
  for (const env of [{}, { SYMPLE_REDIS_URL: redis.url }] as Array<Record<string, string>>) {
    const { origin } = await startServer(t, { SYMPLE_CONSOLE_KEY: CONSOLE_KEY, ...env })
    await eventually(async () => (await ask(`${origin}/api/nodes`, CONSOLE_KEY)).status === 200, 'nodes')
    const { node } = (await ask(`${origin}/api/stats`, CONSOLE_KEY)).body as Stats
    const { nodes } = (await ask(`${origin}/api/nodes`, CONSOLE_KEY)).body as { nodes: Array<Stats['node']> }
    t.match(nodes.find(({ id }) => id === node.id), node)
  }
})

t.test('the largest rooms come first', async t => {
  const { origin, server: { symple } } = await startServer(t, { SYMPLE_CONSOLE_KEY: CONSOLE_KEY })
  const sizes = [3, 9, 1, 4, 9, 2]
  for (const [i, size] of sizes.entries()) {
    for (let n = 0; n < size; n++) await symple.addVirtualPeer({ user: `u${n}`, rooms: [`room-${i}`] }, () => {})
  }
  const largest = async (query: string) => await ask(`${origin}/api/stats/rooms${query}`, CONSOLE_KEY)
  const rooms = (...places: number[]) => ({ rooms: places.map(i => ({ name: `room-${i}`, members: sizes[i]! })) })
  t.strictSame((await largest('')).body, rooms(1, 4, 3, 0, 5, 2))
  t.strictSame((await largest('?limit=3')).body, rooms(1, 4, 3))
  t.strictSame((await largest('?limit=1')).body, rooms(1))
  t.equal((await largest('?limit=0')).status, 400)
})

t.test('a gateway that takes addresses with a slash at the end for those without has the page, too', async t => {
  const slash = { ignoreTrailingSlash: true }
  for (const options of [slash, { routerOptions: slash }, { routerOptions: {} }]) {
    const gateway = Fastify(options)
    t.teardown(() => gateway.close())
    await gateway.register(symple, { prefix: '/realtime', env: false, consoleKey: CONSOLE_KEY, drainSeconds: 0 })
    const origin = await gateway.listen({ host: '127.0.0.1', port: 0 })
    for (const slash of ['', '/']) {
      const { status, url } = await fetch(`${origin}/realtime/console${slash}`)
      t.match([status, url], [200, `${origin}/realtime/console`])
    }
  }
})

t.test('the page is below the path of the WebSocket, and finds the HTTP API from there', async t => {
  const places = [['/', '/console', 'api'], ['/ws', '/ws/console', '../api'], ['/a/b/', '/a/b/console', '../../api']] as const
  for (const [path, place, api] of places) {
    const { origin, server } = await startServer(t, { SYMPLE_PATH: path, SYMPLE_CONSOLE_KEY: CONSOLE_KEY })
    const response = await fetch(origin + place)
    const html = await response.text()
    t.equal(response.status, 200)
    t.match(response.headers.get('content-security-policy'), /^default-src 'none'; script-src 'sha256-[^']{44}'; /)
    t.match(html, `<meta name="symple-api" content="${api}">`)
    t.equal(new URL(api, origin + place).pathname, '/api')
    t.notMatch(html, CONSOLE_KEY)
    t.type(server.console?.page satisfies Page | undefined, 'object')
    const slashed = await fetch(`${origin}${place}/?any=thing`)
    t.match([slashed.redirected, slashed.url, slashed.status], [true, origin + place, 200])
  }
})
