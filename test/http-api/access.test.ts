import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import symple, { createServer } from '../../src/app.js'
import { connect, eventually, settle, startServer } from '../helper.js'
import { startProcess } from '../process.js'
import { isolate, read, refuses } from '../read-config.js'
import { scrape } from '../scrape.js'
import { callerOf, KEY, problemOf, type Call } from './caller.js'

isolate(t)

const OTHER_KEY = 'another-key-~0123456789abcdefABCDEF+/=='

/** A request to each route. */
const REQUESTS = [
  'POST /api/messages', 'GET /api/rooms', 'GET /api/rooms/x/peers', 'GET /api/users/x/peers', 'POST /api/users/x/disconnect',
  'GET /api/peers', 'GET /api/peers/x', 'DELETE /api/peers/x', 'PUT /api/peers/x/rooms/y', 'DELETE /api/peers/x/rooms/y',
  'GET /api/nodes', 'HEAD /api/nodes'
]

const refusedKeys = async (origin: string) => (await scrape(origin)).samples.get('symple_api_keys_refused_total')

t.test('keys are not repeated, nor is their place given away', async t => {
  const error: unknown = await read({ SYMPLE_API_KEY: `${KEY},${OTHER_KEY},short` }).catch((error: unknown) => error)
  t.match(String(error), 'SYMPLE_API_KEY')
  for (const key of [KEY, OTHER_KEY, 'short']) t.notOk(String(error).includes(key))
  for (const path of ['/api', '/api/ws', '/API/']) {
    await refuses(t, 'SYMPLE_PATH', { SYMPLE_API_KEY: KEY, SYMPLE_PATH: path })
    t.equal((await read({ SYMPLE_PATH: path })).path, path)
  }
  t.equal((await read({ SYMPLE_API_KEY: KEY, SYMPLE_PATH: '/apiary' })).path, '/apiary')
  await t.rejects(createServer({ env: false, apiKey: ['short'] }), { message: /^apiKey must be a key/ })
})

t.test('without a key there is none', async t => {
  const { origin } = await startServer(t)
  const call = callerOf(origin)
  for (const request of [...REQUESTS, 'GET /api', 'GET /api/docs', 'GET /api/docs/', 'GET /api/docs/json']) {
    t.equal((await call(request)).status, 404, request)
  }
})

t.test('each route wants a key', async t => {
  const { origin } = await startServer(t, { SYMPLE_API_KEY: `${KEY},${OTHER_KEY}` })
  const call = callerOf(origin)
  for (const request of REQUESTS) {
    for (const authorization of [undefined, '', 'Bearer', 'Bearer ', `Basic ${KEY}`, KEY, `Bearer ${KEY} ${KEY}`]) {
      const headers = authorization === undefined ? {} : { authorization }
      const answer = await call(request, { key: null, headers })
      t.equal(answer.status, 401, `${request} ${authorization ?? ''}`)
      t.equal(answer.headers.get('www-authenticate'), 'Bearer realm="symple"')
    }
    for (const key of ['x', `${KEY}x`, KEY.slice(0, -1), KEY.toUpperCase(), `${KEY},${OTHER_KEY}`]) {
      const answer = await call(request, { key })
      t.equal(answer.status, 401, `${request} ${key}`)
      t.equal(answer.headers.get('www-authenticate'), 'Bearer realm="symple", error="invalid_token"')
      t.notMatch(answer.text, key.slice(0, 20))
    }
    for (const authorization of [`Bearer ${KEY}`, `bearer ${OTHER_KEY}`, `BEARER  ${KEY}`]) {
      t.not((await call(request, { key: null, headers: { authorization } })).status, 401, `${request} ${authorization}`)
    }
  }
  problemOf(t, await call('GET /api/nodes', { key: null }), 401)
  problemOf(t, await call('GET /api/nodes', { key: 'x' }), 401)
  // Who has no key is not listened to: the body is not read.
  problemOf(t, await call('POST /api/messages', { key: null, body: 'x'.repeat(2 ** 21) }), 401)
})

t.test('keys that are refused are counted, and logged now and then; no key is logged', async t => {
  const server = await startProcess(t, { SYMPLE_API_KEY: KEY, LOG_LEVEL: 'trace' })
  const call = callerOf(server.origin)
  const alice = await connect(t, server.url, { user: 'alice' })
  for (let i = 0; i < 5; i++) await call('GET /api/rooms', { key: OTHER_KEY })
  await call('GET /api/rooms', { key: null })
  await call('GET /api/rooms')
  await call(`GET /api/nope?token=${KEY}`)
  await call('POST /api/messages', { body: '{"broken' })
  await call(`DELETE /api/peers/${alice.peer.id}`)
  t.equal(await refusedKeys(server.origin), 5)
  const { samples } = await scrape(server.origin)
  t.equal(samples.get('symple_api_requests_total{route="GET /rooms",status="2xx"}'), 1)
  t.equal(samples.get('symple_api_requests_total{route="GET /rooms",status="4xx"}'), 6)
  t.equal(samples.get('symple_api_requests_total{route="DELETE /peers/:id",status="2xx"}'), 1)
  t.equal(samples.get('symple_api_requests_total{route="POST /messages",status="4xx"}'), 1)
  t.equal([...samples.keys()].filter(name => name.startsWith('symple_api_requests_total')).length, 4)
  await server.stop()
  t.match(server.log.filter(({ msg }) => msg === 'HTTP API: key refused'), [{ level: 40, host: '127.0.0.1', refused: 1 }])
  t.equal(server.log.filter(({ msg }) => msg === 'HTTP API: key refused').length, 1)
  for (const secret of [KEY, OTHER_KEY]) t.notOk((server.stdout + server.stderr).includes(secret))
})

t.test('all errors are problem details', async t => {
  const { origin } = await startServer(t, { SYMPLE_API_KEY: KEY })
  const call = callerOf(origin)
  const post = async (body: unknown, headers = {}) => await call('POST /api/users/x/disconnect', { body, headers })

  for (const request of ['GET /api', 'GET /api/', 'GET /api/nope', 'POST /api/rooms', 'PATCH /api/peers/x', 'GET /api/peers/a/b']) {
    t.notMatch(problemOf(t, await call(request), 404).detail, /nope/)
    problemOf(t, await call(request, { key: null }), 404)
  }
  problemOf(t, await call('GET /api/rooms/%zz/peers'), 400)
  problemOf(t, await call('GET /api/rooms/%C3%28/peers'), 400)
  problemOf(t, await post('{"reason":'), 400)
  t.equal((await post('null')).status, 200)
  t.match(problemOf(t, await post('{"reason":'), 400).detail, /not valid JSON/)
  for (const poisoned of ['{"__proto__":{"reason":"x"}}', '{"a":[{"constructor":{"prototype":{}}}]}']) {
    t.match(problemOf(t, await post(poisoned), 400).detail, /^The body must not hold the key "__proto__"/)
  }
  t.match(problemOf(t, await post('[]'), 400).errors, [{ field: 'body' }])
  t.match(problemOf(t, await post({ reason: 5 }), 400).errors, [{ field: 'reason', detail: 'reason must be string' }])
  t.match(problemOf(t, await post({ reason: 'é'.repeat(62) }), 400).errors, [{ field: 'reason' }])
  problemOf(t, await post('reason=x', { 'content-type': 'application/x-www-form-urlencoded' }), 415)
  problemOf(t, await post({ reason: 'x'.repeat(2 ** 20) }), 413)
  for (const name of ['a|b', 'a\u0007', 'x'.repeat(257), 'é'.repeat(129)]) {
    const path = encodeURIComponent(name)
    t.match(problemOf(t, await call(`GET /api/rooms/${path}/peers`), 400).errors, [{ field: 'room' }])
    t.match(problemOf(t, await call(`GET /api/users/${path}/peers`), 400).errors, [{ field: 'user' }])
    t.match(problemOf(t, await call(`PUT /api/peers/x/rooms/${path}`), 400).errors, [{ field: 'room' }])
  }
  t.equal((await call(`GET /api/rooms/${encodeURIComponent('é'.repeat(128))}/peers`)).status, 200)

  // What is not of the API answers as ever.
  t.strictSame((await call('GET /nope')).body, { status: 404, message: 'Not found' })
  t.strictSame((await call('GET /apix')).body, { status: 404, message: 'Not found' })
  t.strictSame((await call('GET /%zz')).body, { status: 400, message: 'The address is not valid' })
})

t.test('what a route has no use for is refused by name, never ignored', async t => {
  const { origin, url } = await startServer(t, { SYMPLE_API_KEY: KEY, SYMPLE_CONSOLE_KEY: OTHER_KEY })
  const call = callerOf(origin)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const { id } = alice.peer
  const faults = async (request: string, body?: unknown) => {
    const { detail, errors } = problemOf(t, await call(request, { body }), 400)
    t.equal(errors?.[0]?.detail, detail)
    return errors?.map(({ field, detail }) => `${field}: ${detail}`)
  }

  t.comment('a reason in the other place')
  t.strictSame(await faults(`DELETE /api/peers/${id}`, { reason: 'x' }), ['reason: reason must stand in the query, not in the body'])
  t.strictSame(await faults('POST /api/users/alice/disconnect?reason=x'), ['reason: reason must stand in the body, not in the query'])

  t.comment('names that nobody knows, on each route')
  const known = ['GET /api/stats', 'GET /api/stats/rooms', ...REQUESTS.filter(request => !request.startsWith('HEAD'))]
  for (const request of known) {
    const [fault, ...more] = await faults(`${request.replace('/x', `/${id}`)}?limt=3&nope`) ?? []
    t.match(fault, /^limt: limt is not known here: the query takes (nothing|[a-z, ]+)$/, request)
    t.match(more, [/^nope: /], request)
  }
  t.strictSame(await faults('GET /api/peers?limt=3'), ['limt: limt is not known here: the query takes limit, cursor'])
  t.equal((await call('HEAD /api/nodes?limt=3')).status, 400)
  const bodies = { 'POST /api/users/alice/disconnect': 'reason', [`DELETE /api/peers/${id}`]: 'nothing', [`PUT /api/peers/${id}/rooms/x`]: 'nothing' }
  for (const [request, takes] of Object.entries(bodies)) {
    t.strictSame(await faults(request, { reasn: 'x' }), [`reasn: reasn is not known here: the body takes ${takes}`], request)
    if (takes === 'nothing') for (const body of [[], 'text', 5]) t.strictSame(await faults(request, JSON.stringify(body)), ['body: body must be empty'])
  }
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`name-${i}`, i]))
  t.equal((await faults('POST /api/users/alice/disconnect', many))?.length, 10)
  t.match(await faults('POST /api/messages', { type: 'message', to: { all: true, except: 'bob' } }), [/^to: .* but holds except$/])

  await settle(alice)
  t.equal(alice.ws.readyState, alice.ws.OPEN)
  t.strictSame(alice.take().filter(({ type }) => type !== 'presence'), [], 'nothing was done')
  // An empty body is none.
  t.equal((await call(`PUT /api/peers/${id}/rooms/x`, { body: {} })).status, 204)
})

t.test('a fault of the server is logged, and told to nobody', async t => {
  const { server, origin } = await startServer(t, { SYMPLE_API_KEY: KEY })
  server.symple.nodes = async () => { throw new TypeError('a secret of the house') }
  const answer = await callerOf(origin)('GET /api/nodes')
  t.strictSame(problemOf(t, answer, 500).detail, 'Something went wrong here')
  t.notMatch(answer.text, 'secret')
})

/** A gateway that does all in ways of its own, with two servers. */
async function startGateway (t: Test): Promise<{ origin: string, call: (mount: string) => Call }> {
  const gateway = Fastify()
  t.teardown(() => gateway.close())
  gateway.setErrorHandler(async (_error, _request, reply) => await reply.code(418).send({ gateway: 'error' }))
  gateway.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ gateway: 'nothing here' }))
  gateway.setValidatorCompiler(() => () => { throw new Error('a validator that knows other schemas') })
  gateway.setSerializerCompiler(() => () => '"of the gateway"')
  gateway.removeAllContentTypeParsers()
  gateway.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => { done(null, { raw: body }) })
  await gateway.register(helmet)
  await gateway.register(swagger, { openapi: { openapi: '3.0.0', info: { title: 'Gateway', version: '1' } } })
  await gateway.register(swaggerUi, { routePrefix: '/docs' })
  gateway.get('/own', { schema: { response: { 200: { type: 'object' } } } }, async () => ({ gateway: true }))
  gateway.post('/own', async ({ body }) => body)
  const mount = { env: false, drainSeconds: 0, probes: false, metrics: false } as const
  await gateway.register(symple, { ...mount, prefix: '/realtime', apiKey: KEY })
  await gateway.register(symple, { ...mount, prefix: '/second', decorator: 'second', apiKey: [OTHER_KEY] })
  await gateway.register(symple, { ...mount, prefix: '/third', decorator: 'third' })
  const origin = await gateway.listen({ host: '127.0.0.1', port: 0 })
  return { origin, call: mount => callerOf(origin + mount) }
}

t.test('in a gateway', async t => {
  const { origin, call } = await startGateway(t)
  const alice = await connect(t, `${origin.replace('http', 'ws')}/realtime`, { user: 'alice', rooms: ['lobby'] })
  const first = call('/realtime')
  const second = call('/second')

  t.test('it is under the prefix, and its own', async t => {
    t.strictSame((await first('GET /api/rooms?limit=5')).body, { rooms: [{ name: 'lobby', members: 1 }], cursor: null })
    t.strictSame((await second('GET /api/rooms', { key: OTHER_KEY })).body, { rooms: [], cursor: null })
    problemOf(t, await second('GET /api/rooms'), 401)
    t.strictSame((await first('POST /api/messages', { body: { type: 'message', to: 'lobby', data: 1 } })).body, { accepted: 1 })
    t.match(await alice.find('message'), { data: 1 })
    t.match(problemOf(t, await first('GET /api/rooms?limit=0'), 400).errors, [{ field: 'limit' }])
    problemOf(t, await first('GET /api/nope'), 404)
    problemOf(t, await first('POST /api/messages', { body: '{' }), 400)
  })

  t.test('each is documented at its own place', async t => {
    for (const [mount, call] of [['/realtime', first], ['/second', second]] as const) {
      const { body } = await call('GET /api/docs/json')
      const { info, paths } = body as { info: object, paths: object }
      t.match(info, { title: 'Symple HTTP API' })
      t.ok(Object.keys(paths).every(path => path.startsWith(`${mount}/api/`)))
      t.match((await call('GET /api/docs/')).headers.get('content-security-policy'), /^default-src 'none'/)
    }
  })

  t.test('the gateway is as it was', async t => {
    const gateway = call('')
    t.equal((await gateway('GET /own')).body, 'of the gateway')
    t.strictSame((await gateway('POST /own', { body: { a: 1 } })).body, { raw: '{"a":1}' })
    t.strictSame((await gateway('GET /nope')).body, { gateway: 'nothing here' })
    t.strictSame((await gateway('GET /third/api/rooms')).body, { gateway: 'nothing here' })
    const { info, paths } = (await gateway('GET /docs/json')).body as { info: object, paths: object }
    t.match(info, { title: 'Gateway' })
    t.ok('/own' in paths)
    t.strictSame(Object.keys(paths).filter(path => path.includes('/api/')), [])
    t.notMatch((await gateway('GET /docs/')).headers.get('content-security-policy'), /default-src 'none'/)
  })
  await eventually(() => alice.ws.readyState === alice.ws.OPEN, 'a peer that is still there')
})
