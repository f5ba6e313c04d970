import t from 'tap'
import type { RedisConfig } from '../plugins/config.js'
import { isolate, PASSWORD, read, refuses } from './read-config.js'

const REDIS = 'redis://127.0.0.1:6379'

isolate(t)

const redisOf = async (env: Record<string, string>): Promise<RedisConfig | undefined> => (await read(env)).redis

/** The one host of a configuration, with its port. */
async function hostOf (env: Record<string, string>): Promise<string | undefined> {
  const { url } = await redisOf(env) ?? {}
  return url ? `${url.tls ? 'tls ' : ''}${url.nodes.map(({ host, port }) => `${host}:${port}`).join()}` : undefined
}

t.test('SYMPLE_AUTHENTICATION', async t => {
  t.equal((await read()).authentication, false)
  t.equal((await read({ SYMPLE_AUTHENTICATION: 'on', SYMPLE_REDIS_URL: REDIS })).authentication, true)
  await refuses(t, 'SYMPLE_AUTHENTICATION', { SYMPLE_AUTHENTICATION: 'maybe', SYMPLE_REDIS_URL: REDIS })
  t.comment('without Redis there is nothing to check tokens against')
  await refuses(t, 'SYMPLE_AUTHENTICATION', { SYMPLE_AUTHENTICATION: 'true' })
  await refuses(t, 'SYMPLE_AUTHENTICATION', { SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_URL: '', SYMPLE_REDIS_HOST: '' })
})

t.test('which variable says where Redis is', async t => {
  t.equal(await redisOf({}), undefined)
  t.equal(await redisOf({ SYMPLE_REDIS_PORT: '1', SYMPLE_REDIS_PROTOCOL: 'rediss' }), undefined)
  t.equal(await hostOf({ SYMPLE_REDIS_URL: REDIS }), '127.0.0.1:6379')
  t.equal(await hostOf({ REDIS_URL: REDIS }), '127.0.0.1:6379')
  t.equal(await hostOf({ SYMPLE_REDIS_URL: 'rediss://a:1', REDIS_URL: REDIS, SYMPLE_REDIS_HOST: 'b' }), 'tls a:1')
  t.equal(await hostOf({ SYMPLE_REDIS_URL: '', REDIS_URL: 'redis://c', SYMPLE_REDIS_HOST: 'b' }), 'c:6379')
  t.equal(await hostOf({ SYMPLE_REDIS_HOST: 'b' }), 'b:6379')
  t.equal(await hostOf({ SYMPLE_REDIS_HOST: 'b', SYMPLE_REDIS_PORT: '1', SYMPLE_REDIS_PROTOCOL: 'rediss' }), 'tls b:1')
  t.equal(await hostOf({ SYMPLE_REDIS_HOST: '::1' }), '::1:6379')
})

t.test('forms of the URL', async t => {
  const urlOf = async (url: string) => (await redisOf({ SYMPLE_REDIS_URL: url }))?.url
  t.strictSame(await urlOf('redis://a'), { kind: 'single', tls: false, nodes: [{ host: 'a', port: 6379 }], db: 0 })
  t.strictSame(await urlOf('rediss://user:p%40ss%3A@a:1/2'), {
    kind: 'single', tls: true, nodes: [{ host: 'a', port: 1 }], db: 2, username: 'user', password: 'p@ss:'
  })
  t.match(await urlOf(`redis://:${PASSWORD}@[::1]:1`), { nodes: [{ host: '::1', port: 1 }], password: PASSWORD })
  t.match(await urlOf('redis-sentinel://a:1,b/primary/3'), {
    kind: 'sentinel', nodes: [{ host: 'a', port: 1 }, { host: 'b', port: 26379 }], name: 'primary', db: 3
  })
  t.match(await urlOf('rediss-cluster://a,b:2'), {
    kind: 'cluster', tls: true, nodes: [{ host: 'a', port: 6379 }, { host: 'b', port: 2 }]
  })
})

t.test('URLs that make no sense are refused, and their passwords not repeated', async t => {
  const urls = [
    'http://a:1', 'a:6379', 'redis://', 'redis://a b', 'redis://a/x', 'redis://a,b', 'redis-cluster://a/1', 'redis-sentinel://a',
    `redis://u:${PASSWORD}@`, `u:${PASSWORD}@a`, `redis://u:${PASSWORD}@a:99999`, `redis://u:${PASSWORD}%zz@a`
  ]
  for (const url of urls) {
    await refuses(t, 'SYMPLE_REDIS_URL', { SYMPLE_REDIS_URL: url })
    await refuses(t, 'REDIS_URL', { REDIS_URL: url })
  }
  for (const host of ['a b', 'a:b', `u:${PASSWORD}@a b`]) await refuses(t, 'SYMPLE_REDIS_HOST', { SYMPLE_REDIS_HOST: host })
})

t.test('the other variables of Redis', async t => {
  type Read = (redis: RedisConfig) => unknown
  type Case = [name: string, read: Read, value: unknown, good: [string, unknown], bad: string[]]
  const cases: Case[] = [
    ['SYMPLE_REDIS_PORT', c => c.url!.nodes[0]!.port, 6379, ['1', 1], ['x', '0', '65536', '1.5']],
    ['SYMPLE_REDIS_PROTOCOL', c => c.url!.tls, false, ['rediss', true], ['http', 'REDIS']],
    ['SYMPLE_REDIS_TIMEOUT', c => c.timeout, 3, ['0.5', 0.5], ['x', '0', '-1', '1e999']],
    ['SYMPLE_REDIS_PREFIX', c => c.prefix, 'symple', ['other', 'other'], []],
    ['SYMPLE_REDIS_REQUIRED', c => c.required, true, ['no', false], ['maybe']],
    ['SYMPLE_NODE_TTL', c => c.nodeTtl, 10, ['1', 1], ['x', '0', '0.5', '1e999', '1e9']]
  ]
  for (const [name, get, value, [text, wanted], bad] of cases) {
    const env = { SYMPLE_REDIS_HOST: 'a' }
    t.equal(get((await redisOf(env))!), value, `${name}: default`)
    t.equal(get((await redisOf({ ...env, [name]: '' }))!), value, `${name}: set to nothing`)
    t.equal(get((await redisOf({ ...env, [name]: text }))!), wanted, `${name}: ${text}`)
    for (const wrong of bad) await refuses(t, name, { ...env, [name]: wrong })
  }
})
