import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { Redis } from 'ioredis'
import { collectDefaultMetrics, Registry } from 'prom-client'
import t, { type Test } from 'tap'
import symple, {
  ConfigError, createServer, type ServerOptions, type ServiceOptions, type SymplePluginOptions
} from '../src/app.js'
import { readOptions } from '../src/read-options.js'
import type { Config } from '../plugins/config.js'
import { schema, type Variables } from '../plugins/schema.js'
import { isServerVariable, optionOf, type ServerSettings, type Settings } from '../plugins/settings.js'
import { createIdentity, tlsVariables } from './certificate.js'
import { eventually } from './helper.js'
import { ec, pem } from './issuer.js'
import { isolate, PASSWORD } from './read-config.js'
import { startRedis } from './redis.js'
import { scrape } from './scrape.js'

isolate(t)

// The interfaces, which people read, say what the schema says, which holds: this file does not compile otherwise.
type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${Lowercase<A>}${Pascal<B>}` : Lowercase<S>
type Pascal<S extends string> = S extends `${infer A}_${infer B}` ? `${Capitalize<Lowercase<A>>}${Pascal<B>}` : Capitalize<Lowercase<S>>
type OptionOf<V> = V extends `SYMPLE_${infer N}` ? Camel<N> : V extends 'LOG_LEVEL' ? 'logLevel' : never
type Derived = { [V in keyof Variables as OptionOf<V>]-?: NonNullable<Variables[V]> }
type List = string | readonly string[]
type ListName = 'allowedOrigins' | 'apiKey' | 'consoleKey' | 'jwtAlgorithms' | 'jwtIssuer' | 'jwtAudience'
type Lists = Record<ListName, List> & { trustProxy: boolean | List }
type Wanted = Omit<Derived, keyof Lists> & Lists
type Same<A, B> = { [K in keyof A]: A[K] } extends B ? { [K in keyof B]: B[K] } extends A ? true : false : false
const same: Same<Wanted, Settings & ServerSettings> = true

const config = async (options: ServerOptions): Promise<Config> => (await readOptions({ env: false, ...options })).config

/** The one line with which options are refused. */
async function refusal (t: Test, options: object): Promise<string> {
  const error = await readOptions(options).then(() => undefined, (error: unknown) => error)
  t.ok(error instanceof ConfigError, JSON.stringify(options))
  return (error as ConfigError).message
}

const SECRET = 's'.repeat(64)

/** An option that differs from its default, for each of them. */
const VALUES: Required<Omit<ServerOptions, 'env' | 'redis' | 'registry' | 'probes' | 'metrics' | keyof ServiceOptions | 'sslEnabled' | 'sslKey' | 'sslCert' | 'authentication'>> = {
  port: 1,
  host: '::1',
  path: '/ws',
  playground: false,
  trustProxy: ['10.0.0.0/8', 'loopback'],
  logLevel: 'warn',
  sessionTtl: 2,
  sessionCheck: 3,
  jwtSecret: SECRET,
  jwtPublicKey: pem(ec()),
  jwtJwksUrl: 'https://a.example/keys',
  jwtAlgorithms: ['HS384', 'HS512'],
  jwtIssuer: ['a', 'b'],
  jwtAudience: 'c',
  jwtUserClaim: 'u',
  jwtNameClaim: 'n',
  jwtRoomsClaim: 'r',
  jwtDataClaim: 'd',
  jwtLeeway: 22,
  dynamicRooms: false,
  redisUrl: 'redis://b',
  redisHost: 'a',
  redisPort: 4,
  redisProtocol: 'rediss',
  redisTimeout: 5,
  redisPrefix: 'p',
  redisRequired: false,
  nodeTtl: 6,
  apiKey: ['a'.repeat(32), 'b'.repeat(32)],
  consoleKey: 'c'.repeat(32),
  authTimeout: 7,
  hookTimeout: 20,
  maxNameLength: 8,
  maxDataSize: 9,
  maxRoomsPerPeer: 10,
  probeLimit: 11,
  maxMessageSize: 12,
  rateLimit: 13,
  rateSeconds: 14,
  refreshInterval: 21,
  presenceRate: 21,
  maxRecipients: 22,
  maxConnections: 15,
  maxUnauthenticated: 23,
  acceptRate: 24,
  ipConnectionRate: 25,
  ipAuthFailures: 26,
  ipRateSeconds: 27,
  ipMaxConnections: 28,
  ipMaxUnauthenticated: 29,
  maxBuffered: 16,
  allowedOrigins: ['https://a.example', 'https://b.example'],
  pingInterval: 17,
  pingTimeout: 18,
  drainSeconds: 19,
  compression: true,
  tracing: true
}

t.test('each variable has an option, and each option does what its variable does', async t => {
  t.ok(same)
  const options = new Map(Object.keys(schema.properties).map(name => [optionOf(name), name]))
  t.strictSame(Object.keys(schema.properties).filter(name => optionOf(name) === undefined), ['PORT', 'DEBUG', 'NODE_ENV', 'REDIS_URL'])
  for (const [option, value] of Object.entries(VALUES)) {
    const variable = options.get(option)!
    // Some of them tell only with another.
    const beside = {
      ...(/^redis(?!Url|Host)|^nodeTtl|^jwt/.test(option) && { redisHost: 'x' }),
      ...(option.startsWith('jwt') && { authentication: true }),
      ...(/^jwt(?!Secret|PublicKey|JwksUrl)/.test(option) && { jwtSecret: SECRET })
    }
    const given = await config({ [option]: value, ...beside })
    t.strictSame(given, await config({ env: { [variable]: String(value) }, ...beside }), option)
    t.notSame(given, await config(beside), option)
  }
  const env = tlsVariables(t, createIdentity())
  const tls = { sslEnabled: true, sslKey: env['SYMPLE_SSL_KEY'], sslCert: env['SYMPLE_SSL_CERT'] }
  t.strictSame(await config(tls), await config({ env }))
  t.equal((await config({ authentication: true, redisHost: 'a' })).authentication, true)
})

t.test('options win over variables, and over those that win over their own', async t => {
  const env = { PORT: '1', SYMPLE_MAX_BUFFERED: '1', DEBUG: 'symple:*', REDIS_URL: 'redis://env', SYMPLE_DYNAMIC_ROOMS: 'off' }
  const wins = await config({ env, port: 2, maxBuffered: 2, logLevel: 'warn', redisHost: 'option', dynamicRooms: true })
  t.match(wins, { port: 2, logLevel: 'warn', dynamicRooms: true, limits: { maxBuffered: 2 }, redis: { url: { nodes: [{ host: 'option' }] } } })
  t.match(await config({ env, port: undefined }), { port: 1, logLevel: 'debug', redis: { url: { nodes: [{ host: 'env' }] } } })
  t.match(await config({ env, redisUrl: 'redis://option' }), { redis: { url: { nodes: [{ host: 'option' }] } } })
  t.equal((await config({ env, redisUrl: '' })).redis, undefined, 'an empty text: none')
  t.equal((await config({ env, redis: false })).redis, undefined)
})

t.test('the environment of the process is read, unless other variables are given, or none', async t => {
  process.env['SYMPLE_PATH'] = '/from-process'
  t.teardown(() => { delete process.env['SYMPLE_PATH'] })
  t.equal((await readOptions({})).config.path, '/from-process')
  t.equal((await readOptions({ env: false })).config.path, '/')
  t.equal((await readOptions({ env: { SYMPLE_PATH: '/given' } })).config.path, '/given')
})

t.test('an error names what was wrong as it was given', async t => {
  t.match(await refusal(t, { port: 70_000 }), /^port must be <= 65535/)
  t.match(await refusal(t, { env: { SYMPLE_PORT: '70000' } }), /^SYMPLE_PORT must be <= 65535/)
  t.match(await refusal(t, { path: 'ws' }), /^path must be a path/)
  t.match(await refusal(t, { logLevel: 'loud' }), /^logLevel must be one of fatal/)
  t.match(await refusal(t, { maxBuffered: Infinity }), /^maxBuffered must be/)
  t.match(await refusal(t, { maxBuffered: NaN }), /^maxBuffered must be/)
  t.match(await refusal(t, { allowedOrigins: ['a.example'] }), /^allowedOrigins must be a list of origins/)
  t.match(await refusal(t, { trustProxy: 'everybody' }), /^trustProxy must be a boolean/)
  t.match(await refusal(t, { authentication: true, env: false }), /^authentication is on, but/)
  t.match(await refusal(t, { sslEnabled: true, env: { SYMPLE_SSL_KEY: '/missing' } }), /^SYMPLE_SSL_KEY names a file/)
  t.match(await refusal(t, { sslEnabled: true }), /^SYMPLE_SSL_KEY is missing, and sslEnabled is on/)
  const url = await refusal(t, { redisUrl: `http://u:${PASSWORD}@a` })
  t.match(url, /^redisUrl must be a URL/)
  t.notMatch(url, PASSWORD)
})

t.test('an option of another type is refused, even where its text would do', async t => {
  t.equal(await refusal(t, { port: '1' }), 'port must be a number')
  t.equal(await refusal(t, { maxBuffered: true }), 'maxBuffered must be a number')
  t.equal(await refusal(t, { rateLimit: null }), 'rateLimit must be a number')
  t.equal(await refusal(t, { dynamicRooms: 'yes' }), 'dynamicRooms must be a boolean')
  t.equal(await refusal(t, { host: 1 }), 'host must be a string')
  t.equal(await refusal(t, { allowedOrigins: 1 }), 'allowedOrigins must be a string or an array')
  t.equal(await refusal(t, { allowedOrigins: [1] }), 'allowedOrigins must hold nothing but strings')
  t.equal(await refusal(t, { allowedOrigins: ['a', 'b,c'] }), 'allowedOrigins must hold nothing with a comma in it')
  t.equal(await refusal(t, { trustProxy: 1 }), 'trustProxy must be a string or a boolean or an array')
  t.equal(await refusal(t, { metrics: 'no' }), 'metrics must be a boolean')
  t.equal(await refusal(t, { authenticate: 'nobody' }), 'authenticate must be a function')
  for (const env of [true, null, 'SYMPLE_PORT=1', ['SYMPLE_PORT=1'], { SYMPLE_PORT: 1 }]) {
    t.equal(await refusal(t, { env }), 'env must be an object of strings, or false')
  }
  for (const registry of [true, null, {}, 'default']) {
    t.equal(await refusal(t, { registry }), 'registry must be a Registry of prom-client')
  }
  t.match(await refusal(t, { redis: {} }), /^redis must be a client of ioredis/)
  t.match(await refusal(t, { redis: 5 }), /^redis must be a client of ioredis/)
})

t.test('options that do not exist are refused by name', async t => {
  for (const name of ['maxMesageSize', 'SYMPLE_PORT', 'debug', 'prefix', '__proto__x', 'constructor']) {
    t.equal(await refusal(t, { [name]: 1 }), `${name} is no option of symple-server`)
  }
  await t.rejects(createServer({ env: false, typo: 1 } as ServerOptions), { message: 'typo is no option of symple-server' })
})

t.test('an option that would count for nothing beside another is refused', async t => {
  const redis = { isCluster: false, duplicate () {} }
  for (const [name, value] of Object.entries({ redisUrl: 'redis://a', redisHost: 'a', redisPort: 1, redisProtocol: 'redis' })) {
    for (const client of [redis, false]) t.equal(await refusal(t, { redis: client, [name]: value }), `redis and ${name} can not both be given`)
    if (name === 'redisUrl') continue
    const options = { redisHost: undefined, [name]: value }
    t.equal(await refusal(t, { ...options, redisUrl: 'redis://b' }), `${name} and redisUrl can not both be given`)
    if (name === 'redisHost') continue
    for (const url of ['SYMPLE_REDIS_URL', 'REDIS_URL']) {
      t.equal(await refusal(t, { ...options, env: { [url]: 'redis://b' } }), `${name} and ${url} can not both be given`)
    }
    t.equal(await refusal(t, { ...options, env: false }), `${name} is given without redisHost`)
  }
  const { redis: place } = await config({ redisPort: 7, env: { SYMPLE_REDIS_HOST: 'a' } })
  t.match(place, { url: { nodes: [{ host: 'a', port: 7 }] } })
})

t.test('a gateway\'s mount', async t => {
  const mount = async (options: object) => {
    const gateway = Fastify()
    t.teardown(() => gateway.close())
    await gateway.register(symple, { env: false, prefix: '/realtime', ...options } as SymplePluginOptions)
    return gateway
  }
  t.test('refuses what is the gateway\'s', async t => {
    const own = Object.keys(schema.properties).filter(isServerVariable).map(optionOf)
    for (const name of own.filter(name => name !== undefined && name !== 'logLevel')) {
      await t.rejects(mount({ [name!]: 1 }), { message: `${name} is for the gateway to decide: set it where Fastify is created` })
    }
    const env = { PORT: 'x', LOG_LEVEL: 'x', SYMPLE_SSL_ENABLED: 'yes', SYMPLE_TRUST_PROXY: 'x' }
    await t.resolves(mount({ env }), 'and does not look at variables about it')
    await t.rejects(mount({ env: { SYMPLE_RATE_LIMIT: 'x' } }), { message: /^SYMPLE_RATE_LIMIT / })
  })
  t.test('refuses what is not there', async t => {
    await t.rejects(mount({ typo: 1 }), { name: 'ConfigError', message: 'typo is no option of symple-server' })
    await t.rejects(mount({ decorator: '' }), { name: 'ConfigError', message: 'decorator must be a non-empty string' })
    for (const prefix of [1, null, ['/a']]) await t.rejects(mount({ prefix }), { name: 'ConfigError', message: 'prefix must be a string' })
    for (const logLevel of ['loud', 30, null]) {
      await t.rejects(mount({ logLevel }), { name: 'ConfigError', message: /^logLevel must be one of fatal, error, warn/ })
    }
    await t.rejects(mount({ env: true }), { name: 'ConfigError', message: 'env must be an object of strings, or false' })
    await t.rejects(mount({ registry: {} }), { name: 'ConfigError', message: 'registry must be a Registry of prom-client' })
    await t.rejects(mount({ redis: true }), { message: 'redis is true, but no such client is registered with @fastify/redis' })
    await t.rejects(mount({ redis: 'spare' }), { message: 'redis is "spare", but no such client is registered with @fastify/redis' })
  })
  t.test('has a decorator of its own', async t => {
    const gateway = await mount({ decorator: 'realtime' })
    t.notOk(gateway.hasDecorator('symple'))
    t.ok(gateway.hasDecorator('realtime'))
    await t.rejects(async () => await gateway.register(symple, { env: false, prefix: '/b', decorator: 'realtime' }), {
      message: 'decorator: the gateway has a "realtime" already'
    })
  })
  t.test('has no probes or metrics where they are not wanted', async t => {
    const gateway = await mount({ probes: false, metrics: false })
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      t.equal((await gateway.inject(`/realtime${path}`)).statusCode, 404, path)
    }
    t.equal((await gateway.inject('/realtime')).statusCode, 200)
    t.equal((await (await mount({ prefix: undefined, path: '/ws' })).inject('/ws')).statusCode, 200, 'without a prefix')
  })
})

t.test('a registry of the gateway shows all instances, and forgets them', async t => {
  const registry = new Registry()
  const gateway = Fastify()
  for (const name of ['a', 'b']) await gateway.register(symple, { env: false, prefix: `/${name}`, decorator: name, registry })
  t.equal((await gateway.inject('/a/metrics')).statusCode, 404, 'the gateway has a route for it')
  const text = await registry.metrics()
  for (const mount of ['/a', '/b']) {
    t.match(text, `\nsymple_peers{mount="${mount}"} 0\n`)
    t.match(text, `\nsymple_message_recipients_bucket{le="+Inf",mount="${mount}"} 0\n`)
    t.match(text, `\nsymple_limits_exceeded_total{limit="origin",mount="${mount}"} 0\n`)
  }
  t.equal(text.match(/^# TYPE symple_peers gauge$/gm)?.length, 1)
  t.notMatch(text, 'process_cpu', 'metrics of the process are the gateway\'s')
  await gateway.close()
  t.equal((await registry.metrics()).trim(), '')

  const again = Fastify()
  await again.register(symple, { env: false, registry, path: '/ws', probes: false })
  t.match(await registry.metrics(), '\nsymple_peers{mount="/"} 0\n')
  await t.rejects(async () => await again.register(symple, { env: false, registry, path: '/b', probes: false, decorator: 'b' }), {
    message: 'the registry has metrics of an instance at / already'
  })
  await again.close().catch(() => {})
})

t.test('the types of the package say of the gateway what it gets, and no more', async t => {
  const seen = new Set<string>()
  const members: string[] = []
  const read = (file: URL) => {
    if (seen.has(file.href)) return
    seen.add(file.href)
    const text = readFileSync(file, 'utf8')
    for (const [, body] of text.matchAll(/interface FastifyInstance \{(.*?)\n {4}\}/gs)) {
      members.push(...Array.from(body!.matchAll(/^ {8}(\w+)/gm), ([, name]) => name!))
    }
    for (const [, path] of text.matchAll(/(?:from|import) ?\(?'(\.[^']+)\.js'/g)) read(new URL(`${path}.d.ts`, file))
  }
  read(new URL('../dist/src/app.d.ts', import.meta.url))
  t.ok(seen.size > 5)
  t.strictSame(members, ['symple'], 'a gateway may have a `config` or a `redis` of another type')
})

t.test('createServer', async t => {
  const server = await createServer({ env: false, host: '127.0.0.1', port: 0, logLevel: 'silent', drainSeconds: 0 })
  t.teardown(() => server.close())
  const origin = await server.listen()
  t.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.equal((await fetch(`${origin}/healthz`)).status, 200)
  const { samples } = await scrape(origin)
  t.equal(samples.get('symple_peers'), 0)
  t.ok(samples.has('process_resident_memory_bytes'))
  t.strictSame(server.app.symple.gauges.peers, 0)
  await server.close()
  await t.rejects(fetch(`${origin}/healthz`))
})

t.test('the instance of createServer is the application\'s, but for `symple`', async t => {
  const server = await createServer({ env: false, host: '127.0.0.1', port: 0, logLevel: 'silent', drainSeconds: 0 })
  t.teardown(() => server.close())
  const { app } = server
  const names = ['config', 'redis', 'metrics', 'history', 'console', 'answers', 'upgrade', 'tracer', 'playground', 'apiCounts']
  for (const name of names) app.decorate(name, name)
  app.get('/config', async () => app.getDecorator('config'))
  app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send('Where?'))
  let clear = () => {}
  const cleared = new Promise<void>(resolve => { clear = resolve })
  const asked = new Promise<void>(resolve => {
    app.addHook('onClose', async () => {
      resolve()
      await cleared
    })
  })
  const origin = await server.listen()
  t.equal(await (await fetch(`${origin}/config`)).text(), 'config')
  t.equal(await (await fetch(`${origin}/nowhere`)).text(), 'Where?')
  t.equal((await fetch(`${origin}/readyz`)).status, 200)
  let closed = false
  const closing = server.close().then(() => { closed = true })
  await asked
  for (let i = 0; i < 10; i++) await turn()
  t.notOk(closed, 'closing waits for the hooks of the application')
  clear()
  await closing
})

t.test('a plugin of the application may answer unknown paths, whether it is waited for or not', async t => {
  const server = await createServer({ env: false, host: '127.0.0.1', port: 0, logLevel: 'silent', drainSeconds: 0 })
  t.teardown(() => server.close())
  server.app.register(fp(async instance => {
    instance.setNotFoundHandler(async (_request, reply) => await reply.code(404).send('Where?'))
  }))
  const answer = await fetch(`${await server.listen()}/nowhere`)
  t.equal(await answer.text(), 'Where?')
})

t.test('where the application answers no unknown path, the answer does not repeat it', async t => {
  const server = await createServer({ env: false, host: '127.0.0.1', port: 0, logLevel: 'silent', drainSeconds: 0 })
  t.teardown(() => server.close())
  const answer = await fetch(`${await server.listen()}/nowhere?token=secret`)
  t.strictSame(await answer.json(), { status: 404, message: 'Not found' })
})

t.test('with a registry, metrics of the process are for whom it belongs to; alerts need them', async t => {
  const rules = readFileSync(new URL('../deploy/observability/prometheus-rules.yaml', import.meta.url), 'utf8')
  const asked = new Set([...rules.matchAll(/\b(?:symple|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name))
  t.ok(asked.has('nodejs_eventloop_lag_p99_seconds') && asked.has('process_resident_memory_bytes'))
  const missing = (text: string) => [...asked].filter(name => !new RegExp(`^${name}\\b`, 'm').test(text.replaceAll('# TYPE ', '')))

  const gateway = Fastify()
  const ofGateway = new Registry()
  t.teardown(() => gateway.close())
  await gateway.register(symple, { env: false, prefix: '/realtime', registry: ofGateway, metrics: true })
  const ofServer = new Registry()
  const server = await createServer({ env: false, logLevel: 'silent', registry: ofServer })
  t.teardown(() => server.close())
  for (const [registry, scraped] of [
    [ofGateway, async () => (await gateway.inject('/realtime/metrics')).payload],
    [ofServer, async () => (await server.app.inject('/metrics')).payload]
  ] as const) {
    t.match(missing(await scraped()), [/^(process|nodejs)_/, /^(process|nodejs)_/, /^(process|nodejs)_/])
    collectDefaultMetrics({ register: registry })
    t.strictSame(missing(await scraped()), [])
    t.match(await scraped(), /^symple_peers\{mount="/m)
  }
})

t.test('createServer that fails leaves nothing behind', async t => {
  const registry = new Registry()
  const options = { env: false, logLevel: 'silent', registry } as const
  const server = await createServer(options)
  t.teardown(() => server.close())
  const { url } = await startRedis(t)
  const redis = new Redis(url)
  t.teardown(() => { redis.disconnect() })
  await t.rejects(createServer({ ...options, redisUrl: url }), { message: 'the registry has metrics of an instance at / already' })
  await eventually(async () => (await redis.client('LIST') as string).trim().split('\n').length === 1, 'its connections end')
})
