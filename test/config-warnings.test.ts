import Fastify from 'fastify'
import t, { type Test } from 'tap'
import symple, { createServer, type ServerOptions, type SymplePluginOptions } from '../src/app.js'
import { readOptions } from '../src/read-options.js'
import { createIdentity, tlsVariables } from './certificate.js'
import { runServer, startProcess } from './process.js'
import { isolate, PASSWORD, read } from './read-config.js'

isolate(t)

const WARN = 40
const OPEN = /^everybody is let in as who they say they are/
const PRODUCTION = { NODE_ENV: 'production' }

const warnings = async (env: Record<string, string>) => (await read(env)).warnings

t.test('a name that is none is warned of, with the one that may be meant', async t => {
  const meant: Record<string, string | undefined> = {
    SYMPLE_AUTHENTIFICATION: 'SYMPLE_AUTHENTICATION',
    Symple_Authentication: 'SYMPLE_AUTHENTICATION',
    SYMPLE_TLS_KEY: 'SYMPLE_SSL_KEY',
    SYMPLE_TLS_ENABLE: 'SYMPLE_SSL_ENABLED',
    SYMPLE_API_KEYS: 'SYMPLE_API_KEY',
    SYMPLE_CORS_ORIGIN: 'SYMPLE_ALLOWED_ORIGINS',
    SYMPLE_FOO: undefined,
    SYMPLE_SOMETHING_ELSE: undefined
  }
  for (const [name, nearest] of Object.entries(meant)) {
    const ending = nearest === undefined ? '' : `: did you mean ${nearest}?`
    t.strictSame(await warnings({ [name]: PASSWORD }), [`${name} is no variable of symple-server${ending}`])
    t.strictSame(await warnings({ [name]: '' }), [], 'what is set to nothing is not set')
  }
})

t.test('names that are right, of others, or that Kubernetes gives, are not', async t => {
  t.strictSame(await warnings({ SYMPLE_RATE_LIMIT: '7', SIMPLE_RATE: '7', SYMPLE: 'x', REDIS_PORT: 'tcp://10.0.0.1:6379' }), [])
  for (const service of ['SYMPLE', 'SYMPLE_SERVER', 'SYMPLE_SERVER_REDIS']) {
    t.strictSame(await warnings({
      [`${service}_SERVICE_HOST`]: '10.0.0.1',
      [`${service}_SERVICE_PORT`]: '4500',
      [`${service}_SERVICE_PORT_HTTP_API`]: '4500',
      ...service !== 'SYMPLE' && { [`${service}_PORT`]: 'tcp://10.0.0.1:4500' },
      [`${service}_PORT_4500_TCP`]: 'tcp://10.0.0.1:4500',
      [`${service}_PORT_4500_TCP_PROTO`]: 'tcp',
      [`${service}_PORT_4500_TCP_PORT`]: '4500',
      [`${service}_PORT_4500_TCP_ADDR`]: '10.0.0.1'
    }), [])
  }
})

t.test('files for TLS are warned of where nobody has said whether they count', async t => {
  const { SYMPLE_SSL_ENABLED: _, ...files } = tlsVariables(t, createIdentity())
  const line = 'SYMPLE_SSL_KEY and SYMPLE_SSL_CERT without SYMPLE_SSL_ENABLED: this is served over plain HTTP'
  t.strictSame(await warnings(files), [line])
  t.match(await warnings({ SYMPLE_SSL_CERT: PASSWORD }), [/^SYMPLE_SSL_CERT without SYMPLE_SSL_ENABLED/])
  for (const SYMPLE_SSL_ENABLED of ['true', 'false']) t.strictSame(await warnings({ ...files, SYMPLE_SSL_ENABLED }), [])
  const { config } = await readOptions({ env: false, sslKey: 'key.pem' })
  t.match(config.warnings, [/^sslKey without SYMPLE_SSL_ENABLED/], 'an option is named as one')
})

t.test('REDIS_HOST is warned of where it may be all that was said of Redis', async t => {
  const env = { REDIS_HOST: 'redis.example' }
  t.strictSame(await warnings(env), ['REDIS_HOST is not read: set SYMPLE_REDIS_HOST'])
  t.strictSame(await warnings({ ...env, SYMPLE_REDIS_HOST: 'redis.example' }), [])
  t.strictSame((await readOptions({ env, redis: false })).config.warnings, [])
})

t.test('the server says so when it starts, and starts', async t => {
  const server = await startProcess(t, { ...PRODUCTION, SYMPLE_AUTHENTIFICATION: PASSWORD, SYMPLE_SSL_KEY: PASSWORD })
  t.match(server.log.filter(({ level }) => level === WARN), [
    { msg: 'check the configuration', reason: /^SYMPLE_AUTHENTIFICATION is no variable/ },
    { msg: 'check the configuration', reason: /^SYMPLE_SSL_KEY without/ },
    { msg: 'check the configuration', reason: OPEN }
  ])
  t.notMatch(server.stdout, PASSWORD)
  const quiet = await startProcess(t)
  t.strictSame(quiet.log.filter(({ level }) => level >= WARN), [])
})

t.test('--check-config says so on stderr', async t => {
  const check = async (env: Record<string, string>) => {
    const program = runServer(t, env, { args: ['--check-config'] })
    t.strictSame(await program.exited, { code: 0, signal: null })
    t.type(JSON.parse(program.stdout), Object)
    return program.stderr.split('\n').slice(0, -1)
  }
  t.match(await check({ ...PRODUCTION, SYMPLE_AUTHENTIFICATION: PASSWORD }), [
    /^symple-server: warning: SYMPLE_AUTHENTIFICATION is no variable of symple-server: did you mean SYMPLE_AUTHENTICATION\?$/,
    /^symple-server: warning: everybody is let in/
  ])
  t.strictSame(await check({ ...PRODUCTION, SYMPLE_AUTHENTICATION: 'false' }), [])
})

/** What a server with these options warns of when it is ready. */
async function logged (t: Test, options: ServerOptions, set: boolean): Promise<string[]> {
  const { app } = await createServer({ logLevel: 'silent', ...options })
  t.teardown(() => app.close())
  const told: string[] = []
  app.log.warn = (details: { reason: string }) => { told.push(details.reason) }
  if (set) app.symple.authenticate = async () => ({ allowed: true })
  await app.ready()
  return told
}

t.test('in production, letting everybody in is warned of, unless somebody has decided it', async t => {
  const key = { authentication: true, jwtSecret: 's'.repeat(64) }
  const authenticate = async () => ({ allowed: true })
  t.match(await logged(t, { env: PRODUCTION }, false), [OPEN])
  t.strictSame(await logged(t, { env: {} }, false), [])
  t.strictSame(await logged(t, { env: { ...PRODUCTION, SYMPLE_AUTHENTICATION: 'false' } }, false), [])
  t.strictSame(await logged(t, { env: PRODUCTION, authentication: false }, false), [])
  t.strictSame(await logged(t, { env: PRODUCTION, ...key }, false), [])
  t.strictSame(await logged(t, { env: PRODUCTION, authenticate }, false), [], 'a hook')
  t.strictSame(await logged(t, { env: PRODUCTION }, true), [], 'a hook that was set later')
})

t.test('in a gateway, too; what is the gateway\'s to decide is left to it', async t => {
  const told = async (options: SymplePluginOptions) => {
    const lines: string[] = []
    const stream = { write: (line: string) => { lines.push((JSON.parse(line) as { reason: string }).reason) } }
    const gateway = Fastify({ logger: { level: 'warn', stream } })
    t.teardown(() => gateway.close())
    await gateway.register(symple, { prefix: '/realtime', ...options })
    await gateway.ready()
    return lines
  }
  t.match(await told({ env: { ...PRODUCTION, SYMPLE_SSL_KEY: 'key.pem', REDIS_HOST: 'a' } }), [OPEN])
  t.strictSame(await told({ env: PRODUCTION, authenticate: async () => ({ allowed: true }) }), [])
})
