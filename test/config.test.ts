import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../plugins/config.js'
import { schema } from '../plugins/schema.js'
import { DEFAULT_LIMITS } from '../src/core/limits.js'
import { createIdentity, tlsVariables } from './certificate.js'
import { temporaryFolder } from './process.js'
import { isolate, read, refuses } from './read-config.js'

const FOREVER = 2 ** 31

isolate(t)

interface Case {
  read (config: Config): unknown
  value: unknown
  good: Record<string, unknown>
  bad: string[]
}

const number = (read: (config: Config) => unknown, value: unknown, bad: string[]): Case =>
  ({ read, value, good: { 7: 7 }, bad: ['x', '-1', '1 2', 'NaN', 'Infinity', ...bad] })
const count = (read: (config: Config) => unknown, value: unknown): Case => number(read, value, ['1.5'])
const seconds = (read: (config: Config) => unknown, value: unknown): Case => number(read, value, [])
const flag = (read: (config: Config) => unknown, value: boolean): Case => ({
  read,
  value,
  good: {
    ...Object.fromEntries(['1', 'true', 'yes', 'on', 'TRUE', 'Yes', 'oN', ' true '].map(text => [text, true])),
    ...Object.fromEntries(['0', 'false', 'no', 'off', 'FALSE', 'No', 'oFF'].map(text => [text, false]))
  },
  bad: ['2', 'maybe', 'truey', 'constructor', '__proto__']
})

/** As short as one may be. */
const KEY = '0123456789abcdefghijklmnopqrstuv'

/** Keys, or none. */
const keys = (read: (config: Config) => unknown): Case => ({
  read,
  value: [],
  good: { [KEY]: [KEY], [`${KEY}, ${KEY}/+~._-==,`]: [KEY, `${KEY}/+~._-==`] },
  bad: [KEY.slice(1), `${KEY},short`, ',', `${KEY} x`, `"${KEY}"`, `=${KEY}`, `${KEY}é`]
})

/** What each variable does, but for those that need others: these have tests of their own below. */
const CASES: Record<string, Case> = {
  PORT: { ...count(c => c.port, 4500), bad: ['x', '-1', '65536', '1.5'] },
  SYMPLE_PORT: { ...count(c => c.port, 4500), good: { 0: 0, 65535: 65535 }, bad: ['x', '-1', '65536', '1.5'] },
  SYMPLE_HOST: { read: c => c.host, value: '0.0.0.0', good: { '::1': '::1' }, bad: [] },
  SYMPLE_PATH: {
    read: c => c.path,
    value: '/',
    good: { '/ws': '/ws', '/a/b-c_d.e': '/a/b-c_d.e' },
    bad: ['ws', '/a b', '/:id', '/*', '/a?b', '/#a', '/healthz', '/readyz/', '/metrics']
  },
  SYMPLE_TRUST_PROXY: {
    ...flag(c => c.trustProxy, false),
    bad: ['maybe', '-1', '1.5', '10.0.0.0/33', '10.0.0.0/8/8', 'example.com', '10.0.0.1, x', ',']
  },
  LOG_LEVEL: { read: c => c.logLevel, value: 'info', good: { warn: 'warn', silent: 'silent' }, bad: ['loud', '30', 'INFO '] },
  DEBUG: {
    read: c => c.logLevel,
    value: 'info',
    good: { 'symple:*': 'debug', '*': 'debug', 'http, symple:core': 'debug', 'http:*': 'info' },
    bad: []
  },
  SYMPLE_API_KEY: keys(c => c.apiKeys),
  SYMPLE_CONSOLE_KEY: keys(c => c.consoleKeys),
  SYMPLE_TRACING: flag(c => c.tracing, false),
  SYMPLE_PLAYGROUND: flag(c => c.playground, true),
  NODE_ENV: { read: c => c.playground, value: true, good: { production: false, development: true }, bad: [] },
  // In minutes; the configuration has seconds.
  SYMPLE_SESSION_TTL: { read: c => c.sessionTtl, value: -60, good: { 0: 0, '-5': -300, 0.5: 30, 60: 3600 }, bad: ['x', '1e999'] },
  SYMPLE_SESSION_CHECK: seconds(c => c.sessionCheck, 30),
  SYMPLE_DYNAMIC_ROOMS: flag(c => c.dynamicRooms, true),
  SYMPLE_COMPRESSION: flag(c => c.compression, false),
  SYMPLE_AUTH_TIMEOUT: seconds(c => c.limits.authTimeout, DEFAULT_LIMITS.authTimeout),
  SYMPLE_HOOK_TIMEOUT: seconds(c => c.limits.hookTimeout, DEFAULT_LIMITS.hookTimeout),
  SYMPLE_MAX_NAME_LENGTH: count(c => c.limits.maxNameLength, DEFAULT_LIMITS.maxNameLength),
  SYMPLE_MAX_DATA_SIZE: count(c => c.limits.maxDataSize, DEFAULT_LIMITS.maxDataSize),
  SYMPLE_MAX_ROOMS_PER_PEER: count(c => c.limits.maxRoomsPerPeer, DEFAULT_LIMITS.maxRoomsPerPeer),
  SYMPLE_PROBE_LIMIT: count(c => c.limits.probeLimit, DEFAULT_LIMITS.probeLimit),
  SYMPLE_MAX_MESSAGE_SIZE: count(c => c.limits.maxMessageSize, DEFAULT_LIMITS.maxMessageSize),
  SYMPLE_RATE_LIMIT: count(c => c.limits.rateLimit, DEFAULT_LIMITS.rateLimit),
  SYMPLE_RATE_SECONDS: number(c => c.limits.rateSeconds, DEFAULT_LIMITS.rateSeconds, ['0']),
  SYMPLE_REFRESH_INTERVAL: seconds(c => c.limits.refreshInterval, DEFAULT_LIMITS.refreshInterval),
  SYMPLE_PRESENCE_RATE: count(c => c.limits.presenceRate, DEFAULT_LIMITS.presenceRate),
  SYMPLE_MAX_RECIPIENTS: count(c => c.limits.maxRecipients, DEFAULT_LIMITS.maxRecipients),
  SYMPLE_MAX_CONNECTIONS: count(c => c.limits.maxConnections, 0),
  SYMPLE_MAX_UNAUTHENTICATED: count(c => c.limits.maxUnauthenticated, DEFAULT_LIMITS.maxUnauthenticated),
  SYMPLE_ACCEPT_RATE: count(c => c.limits.acceptRate, 0),
  SYMPLE_IP_CONNECTION_RATE: count(c => c.limits.ipConnectionRate, 0),
  SYMPLE_IP_AUTH_FAILURES: count(c => c.limits.ipAuthFailures, 0),
  SYMPLE_IP_RATE_SECONDS: number(c => c.limits.ipRateSeconds, DEFAULT_LIMITS.ipRateSeconds, ['0']),
  SYMPLE_IP_MAX_CONNECTIONS: count(c => c.limits.ipMaxConnections, 0),
  SYMPLE_IP_MAX_UNAUTHENTICATED: count(c => c.limits.ipMaxUnauthenticated, 0),
  SYMPLE_MAX_BUFFERED: count(c => c.limits.maxBuffered, DEFAULT_LIMITS.maxBuffered),
  SYMPLE_ALLOWED_ORIGINS: {
    read: c => c.allowedOrigins,
    value: [],
    good: {
      'https://a.example': ['https://a.example'],
      'https://A.example:443/, http://b.example:8080': ['https://a.example', 'http://b.example:8080']
    },
    bad: ['a.example', 'https://a.example,b', 'data:text/plain,x']
  },
  SYMPLE_PING_INTERVAL: seconds(c => c.limits.pingInterval, DEFAULT_LIMITS.pingInterval),
  SYMPLE_PING_TIMEOUT: seconds(c => c.limits.pingTimeout, DEFAULT_LIMITS.pingTimeout),
  SYMPLE_DRAIN_SECONDS: seconds(c => c.drainSeconds, 10)
}

for (const [name, { read: get, value, good, bad }] of Object.entries(CASES)) {
  t.test(name, async t => {
    t.strictSame(get(await read()), value, 'default')
    t.strictSame(get(await read({ [name]: '' })), value, 'set to nothing')
    for (const [text, wanted] of Object.entries(good)) t.strictSame(get(await read({ [name]: text })), wanted, text)
    for (const text of bad) await refuses(t, name, { [name]: text })
  })
}

t.test('PORT wins over SYMPLE_PORT, unless it is set to nothing', async t => {
  t.equal((await read({ PORT: '1', SYMPLE_PORT: '2' })).port, 1)
  t.equal((await read({ PORT: '', SYMPLE_PORT: '2' })).port, 2)
})

t.test('SYMPLE_TRUST_PROXY takes hops and addresses', async t => {
  const cases: Record<string, unknown> = {
    2: 2,
    ' 3 ': 3,
    '10.0.0.1': ['10.0.0.1'],
    '10.0.0.0/8, ::1, loopback': ['10.0.0.0/8', '::1', 'loopback'],
    '10.0.0.0/255.0.0.0,fc00::/7': ['10.0.0.0/255.0.0.0', 'fc00::/7']
  }
  for (const [text, wanted] of Object.entries(cases)) {
    t.strictSame((await read({ SYMPLE_TRUST_PROXY: text })).trustProxy, wanted, text)
  }
})

t.test('SYMPLE_PLAYGROUND wins over NODE_ENV', async t => {
  t.equal((await read({ SYMPLE_PLAYGROUND: 'yes', NODE_ENV: 'production' })).playground, true)
  t.equal((await read({ SYMPLE_PLAYGROUND: 'no', NODE_ENV: 'development' })).playground, false)
})

t.test('without a NODE_ENV among the variables, that of the process decides on the playground', async t => {
  process.env['NODE_ENV'] = 'production'
  t.teardown(() => { delete process.env['NODE_ENV'] })
  t.equal((await read()).playground, false)
  t.equal((await read({ NODE_ENV: 'development' })).playground, true)
  t.equal((await read({ SYMPLE_PLAYGROUND: 'yes' })).playground, true)
})

t.test('DEBUG wins over LOG_LEVEL', async t => {
  t.equal((await read({ DEBUG: 'symple:*', LOG_LEVEL: 'error' })).logLevel, 'debug')
})

t.test('times that no timer can wait for are refused', async t => {
  for (const name of ['SYMPLE_DRAIN_SECONDS', 'SYMPLE_REDIS_TIMEOUT']) await refuses(t, name, { [name]: String(FOREVER) })
})

t.test('TLS', async t => {
  const identity = createIdentity()
  const env = tlsVariables(t, identity)
  const { tls } = await read(env)
  t.equal(String(tls?.key), identity.key)
  t.equal(String(tls?.cert), identity.cert)
  t.equal((await read()).tls, undefined)
  t.equal((await read({ ...env, SYMPLE_SSL_ENABLED: 'off' })).tls, undefined)
  await refuses(t, 'SYMPLE_SSL_ENABLED', { ...env, SYMPLE_SSL_ENABLED: 'maybe' })

  const other = tlsVariables(t, createIdentity())
  const folder = temporaryFolder(t)
  const garbage = join(folder, 'garbage.pem')
  writeFileSync(garbage, 'no PEM at all')
  for (const name of ['SYMPLE_SSL_KEY', 'SYMPLE_SSL_CERT']) {
    await refuses(t, name, { ...env, [name]: '' })
    await refuses(t, name, { ...env, [name]: join(folder, 'missing.pem') })
    await refuses(t, name, { ...env, [name]: folder })
    await refuses(t, name, { ...env, [name]: garbage })
  }
  t.comment('a key that belongs to another certificate')
  await refuses(t, 'SYMPLE_SSL_KEY', { ...env, SYMPLE_SSL_KEY: other['SYMPLE_SSL_KEY']! })
  await refuses(t, 'SYMPLE_SSL_KEY', { ...env, SYMPLE_SSL_CERT: other['SYMPLE_SSL_CERT']! })
  t.comment('the two files the wrong way round')
  await refuses(t, 'SYMPLE_SSL_CERT', { ...env, SYMPLE_SSL_KEY: env['SYMPLE_SSL_CERT']!, SYMPLE_SSL_CERT: env['SYMPLE_SSL_KEY']! })

  // Root reads everything.
  if (process.getuid?.() !== 0) {
    chmodSync(env['SYMPLE_SSL_KEY']!, 0)
    await refuses(t, 'SYMPLE_SSL_KEY', env)
  }
})

t.test('every other variable of the schema is tested in config-redis.test.ts or config-jwt.test.ts', async t => {
  const others = Object.keys(schema.properties).filter(name => !(name in CASES))
  t.strictSame(others.filter(name => !/REDIS|JWT/.test(name)).sort(), [
    'SYMPLE_AUTHENTICATION', 'SYMPLE_NODE_TTL', 'SYMPLE_SSL_CERT', 'SYMPLE_SSL_ENABLED', 'SYMPLE_SSL_KEY'
  ])
})
