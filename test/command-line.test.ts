import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { schema } from '../plugins/schema.js'
import type { VariableSchema } from '../plugins/settings.js'
import { runServer } from './process.js'
import { PASSWORD } from './read-config.js'

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

async function symple (t: Test, args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const program = runServer(t, env, { args })
  const { code } = await program.exited
  return { code, stdout: program.stdout, stderr: program.stderr }
}

t.test('--help names each variable, with its meaning and default', async t => {
  for (const flag of ['--help', '-h']) {
    const { code, stdout, stderr } = await symple(t, [flag])
    t.equal(code, 0)
    t.equal(stderr, '')
    for (const flag of ['--port', '--host', '--check-config', '--version', '--help']) t.match(stdout, flag)
    for (const [name, property] of Object.entries(schema.properties)) {
      const { description, default: value } = property as unknown as VariableSchema
      const line = stdout.split('\n').find(line => line.startsWith(`  ${name} `))
      t.match(line, description)
      if (value !== undefined && value !== '') t.match(line, `[${String(value)}]`)
    }
  }
})

t.test('--version', async t => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  for (const flag of ['--version', '-v']) t.strictSame(await symple(t, [flag]), { code: 0, stdout: `${version}\n`, stderr: '' })
})

t.test('arguments that mean nothing: one line, and exit code 2', async t => {
  const cases = { '--prot=1': '--prot', '--port': '--port', extra: 'extra', '--port=x': '--port', '--port=70000': '--port', '--help=no': '--help' }
  for (const [arg, named] of Object.entries(cases)) {
    const { code, stdout, stderr } = await symple(t, [arg])
    t.equal(code, 2, arg)
    t.equal(stdout, '')
    t.match(stderr, /^symple-server: .+\n$/, 'one line')
    t.match(stderr, named)
  }
})

t.test('--port and --host win over variables', async t => {
  const env = { PORT: '1', SYMPLE_HOST: '203.0.113.1', LOG_LEVEL: 'info' }
  const server = runServer(t, env, { args: ['--port', '0', '--host=127.0.0.1'] })
  const { msg } = await server.logged(line => line.msg.startsWith('Server listening'), '"Server listening"')
  t.match(msg, /127\.0\.0\.1:\d+$/)
  t.notMatch(msg, /:1$/)
  t.strictSame(await server.stop(), { code: 0, signal: null })
})

t.test('--check-config shows what is in force, without secrets', async t => {
  const secrets = {
    [`redis://user:${PASSWORD}@redis.example:1/2`]: 'redis://***@redis.example:1/2',
    [`rediss://:${PASSWORD}@redis.example`]: 'rediss://***@redis.example',
    'redis-cluster://a:1,b:2': 'redis-cluster://a:1,b:2'
  }
  const keys = {
    [`https://id.example/keys?key=${PASSWORD}`]: 'https://id.example/keys?***',
    [`https://id.example/keys?for=a@${PASSWORD}`]: 'https://id.example/keys?***',
    'https://id.example/keys': 'https://id.example/keys'
  }
  for (const [url, shown] of Object.entries(keys)) {
    const { stdout } = await symple(t, ['--check-config'], { SYMPLE_AUTHENTICATION: 'yes', SYMPLE_JWT_JWKS_URL: url })
    t.equal((JSON.parse(stdout) as Record<string, unknown>)['SYMPLE_JWT_JWKS_URL'], shown)
  }
  for (const [url, shown] of Object.entries(secrets)) {
    const { code, stdout, stderr } = await symple(t, ['--check-config', '--port', '7'], {
      SYMPLE_REDIS_URL: url, SYMPLE_DYNAMIC_ROOMS: 'off', SYMPLE_RATE_LIMIT: '5', SYMPLE_API_KEY: `${PASSWORD}-${PASSWORD}`
    })
    t.equal(code, 0, stderr)
    const config = JSON.parse(stdout) as Record<string, unknown>
    t.match(config, { SYMPLE_REDIS_URL: shown, SYMPLE_API_KEY: '***', SYMPLE_DYNAMIC_ROOMS: false, SYMPLE_RATE_LIMIT: 5, SYMPLE_PORT: 7, SYMPLE_PATH: '/' })
    t.notMatch(stdout, PASSWORD)
    t.strictSame(Object.keys(config).filter(name => !(name in schema.properties)), [])
  }
})

t.test('--check-config refuses what the server would', async t => {
  const cases: Record<string, Record<string, string>> = {
    SYMPLE_RATE_LIMIT: { SYMPLE_RATE_LIMIT: 'x' },
    SYMPLE_AUTHENTICATION: { SYMPLE_AUTHENTICATION: 'yes' },
    SYMPLE_SSL_KEY: { SYMPLE_SSL_ENABLED: 'yes' },
    SYMPLE_REDIS_URL: { SYMPLE_REDIS_URL: `http://u:${PASSWORD}@a` }
  }
  for (const [variable, env] of Object.entries(cases)) {
    const { code, stdout, stderr } = await symple(t, ['--check-config'], env)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, new RegExp(`^symple-server: ${variable} .+\n$`))
    t.notMatch(stderr, PASSWORD)
  }
})
