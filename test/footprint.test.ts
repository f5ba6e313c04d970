import t from 'tap'
import { startProcess } from './process.js'
import { startRedis } from './redis.js'

/** Has a process say on its standard error which modules it loads. */
const HOOKS = 'export async function resolve (name, context, next) { const found = await next(name, context); process._rawDebug(found.url); return found }'
const TELL = `import { register } from 'node:module'; register('data:text/javascript,${encodeURIComponent(HOOKS)}')`
const NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(TELL)}`

/** Packages with much code, which most servers need not load. */
const OPTIONAL = ['typebox', 'ioredis', 'jose', '@fastify/redis', '@fastify/swagger']

async function loaded (t: Parameters<typeof startProcess>[0], env: Record<string, string>): Promise<string[]> {
  const server = await startProcess(t, { NODE_OPTIONS, ...env })
  await server.stop()
  t.match(server.stderr, '/node_modules/fastify/', 'it says what it loads')
  return OPTIONAL.filter(name => server.stderr.includes(`/node_modules/${name}/`))
}

t.test('what is not asked for is not loaded', async t => {
  t.strictSame(await loaded(t, {}), [])
})

t.test('with Redis', async t => {
  const redis = await startRedis(t)
  t.strictSame(await loaded(t, { SYMPLE_REDIS_URL: redis.url }), ['ioredis', '@fastify/redis'])
})

t.test('with JSON Web Tokens', async t => {
  const env = { SYMPLE_AUTHENTICATION: 'true', SYMPLE_JWT_SECRET: 'x'.repeat(32) }
  t.strictSame(await loaded(t, env), ['jose'])
})
