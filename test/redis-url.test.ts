import fc from 'fast-check'
import t from 'tap'
import { parseRedisUrl, type RedisUrl } from '../plugins/redis-url.js'
import { seed } from './seed.js'

/** What is left out of an expectation. */
const SINGLE: Pick<RedisUrl, 'kind' | 'tls' | 'db'> = { kind: 'single', tls: false, db: 0 }
const SENTINEL = { ...SINGLE, kind: 'sentinel' }
const CLUSTER = { ...SINGLE, kind: 'cluster' }

const at = (host: string, port: number) => ({ nodes: [{ host, port }] })

t.test('reads the URL of one server', async t => {
  const cases: Array<[url: string, parsed: object]> = [
    ['redis://localhost', { ...SINGLE, ...at('localhost', 6379) }],
    ['redis://localhost/', { ...SINGLE, ...at('localhost', 6379) }],
    ['redis://redis.example.com:6380', { ...SINGLE, ...at('redis.example.com', 6380) }],
    ['redis://127.0.0.1:80', { ...SINGLE, ...at('127.0.0.1', 80) }],
    ['redis://localhost:6379/3', { ...SINGLE, ...at('localhost', 6379), db: 3 }],
    ['rediss://localhost:443/12', { ...SINGLE, ...at('localhost', 443), tls: true, db: 12 }],
    ['redis://[::1]', { ...SINGLE, ...at('::1', 6379) }],
    ['redis://[2001:db8::7]:6380/1', { ...SINGLE, ...at('2001:db8::7', 6380), db: 1 }],
    ['redis://user:secret@localhost', { ...SINGLE, ...at('localhost', 6379), username: 'user', password: 'secret' }],
    ['redis://:secret@[::1]:7', { ...SINGLE, ...at('::1', 7), password: 'secret' }],
    ['redis://user@localhost', { ...SINGLE, ...at('localhost', 6379), username: 'user' }],
    ['redis://:@localhost', { ...SINGLE, ...at('localhost', 6379) }],
    ['redis://@localhost', { ...SINGLE, ...at('localhost', 6379) }],
    ['redis://user:a:b:@localhost', { ...SINGLE, ...at('localhost', 6379), username: 'user', password: 'a:b:' }],
    ['redis://a%40b:p%3A%2F%40%23%25%20%C3%A9@localhost', { ...SINGLE, ...at('localhost', 6379), username: 'a@b', password: 'p:/@#% é' }]
  ]
  for (const [url, parsed] of cases) t.strictSame(parseRedisUrl(url), parsed, url)
})

t.test('reads the URL of a server that Sentinels name', async t => {
  const nodes = [{ host: 'a', port: 26379 }, { host: 'b', port: 1 }, { host: '::1', port: 26379 }]
  const cases: Array<[url: string, parsed: object]> = [
    ['redis-sentinel://a/main', { ...SENTINEL, ...at('a', 26379), name: 'main' }],
    ['redis-sentinel://a,b:1,[::1]/main/2', { ...SENTINEL, nodes, name: 'main', db: 2 }],
    ['rediss-sentinel://user:p%40@a:7/main', { ...SENTINEL, ...at('a', 7), tls: true, username: 'user', password: 'p@', name: 'main' }]
  ]
  for (const [url, parsed] of cases) t.strictSame(parseRedisUrl(url), parsed, url)
})

t.test('reads the URL of a Redis Cluster', async t => {
  const nodes = [{ host: 'a', port: 6379 }, { host: 'b', port: 1 }, { host: '::1', port: 7 }]
  const cases: Array<[url: string, parsed: object]> = [
    ['redis-cluster://a', { ...CLUSTER, ...at('a', 6379) }],
    ['redis-cluster://a/0', { ...CLUSTER, ...at('a', 6379) }],
    ['rediss-cluster://:p@a,b:1,[::1]:7', { ...CLUSTER, nodes, tls: true, password: 'p' }]
  ]
  for (const [url, parsed] of cases) t.strictSame(parseRedisUrl(url), parsed, url)
})

t.test('takes nothing else', async t => {
  const bad = [
    '', 'redis', 'redis:', 'redis:/', 'redis://', 'redis:///', 'redis:///0', 'localhost', 'localhost:6379', '://localhost',
    'http://localhost', 'rediss', 'REDIS://localhost', ' redis://localhost', 'redis://localhost ', 'unix:///tmp/redis.sock',
    'redis-other://localhost', 'redissentinel://localhost/main', 'redis+sentinel://localhost/main',
    // Ports and hosts.
    'redis://localhost:x', 'redis://localhost:-1', 'redis://localhost:65536', 'redis://localhost:0', 'redis://localhost:1:2',
    'redis://:6379', 'redis://::1', 'redis://[::1', 'redis://[::g]', 'redis://a b', 'redis://a,b', 'redis://a,', 'redis://,',
    'redis://a\\b', 'redis://a\tb', 'redis://a\n',
    // Databases.
    'redis://localhost/x', 'redis://localhost/-1', 'redis://localhost/1.5', 'redis://localhost/0/', 'redis://localhost/0/1',
    'redis://localhost?db=1', 'redis://localhost/0?db=1', 'redis://localhost#0',
    // Credentials.
    'redis://user:a@b@localhost', 'redis://user:a/b@localhost', 'redis://user:%@localhost',
    'redis://user:%zz@localhost', 'redis://%c3:x@localhost', 'redis://user:a@',
    // Sentinels and clusters.
    'redis-sentinel://a', 'redis-sentinel://a/', 'redis-sentinel://a//1', 'redis-sentinel://a/main/x', 'redis-sentinel://a/main/1/2',
    'redis-sentinel://a,,b/main', 'redis-sentinel:///main', 'redis-cluster://', 'redis-cluster://a/1', 'redis-cluster://a,/0',
    'redis-cluster://a,b:x'
  ]
  for (const url of bad) t.equal(parseRedisUrl(url), undefined, JSON.stringify(url))
})

t.test('reads back any credentials', async () => {
  await fc.assert(fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), async (username, password) => {
    const parsed = parseRedisUrl(`redis://${encodeURIComponent(username)}:${encodeURIComponent(password)}@h:1/2`)
    if ((parsed?.username ?? '') !== username || (parsed?.password ?? '') !== password) throw new Error(JSON.stringify(parsed))
  }), { seed })
})

t.test('never throws, whatever it is given', async () => {
  const part = fc.constantFrom('redis', 's', '-', 'sentinel', 'cluster', '://', ':', '@', '/', ',', '[', ']', '%', '%40', '::1', 'a', '7', '?', '#')
  const url = fc.oneof(fc.string({ unit: 'binary' }), fc.array(part, { maxLength: 15 }).map(parts => `redis://${parts.join('')}`))
  await fc.assert(fc.asyncProperty(url, async url => { parseRedisUrl(url) }), { seed, numRuns: 2000 })
})
