import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { createIdentity, tlsVariables } from './certificate.js'
import { eventually } from './helper.js'
import { run, startProcess, temporaryFolder } from './process.js'
import { freePort } from './redis.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const HEALTHCHECK = join(ROOT, 'scripts/healthcheck.js')

/** Runs the health check of the container. @returns its exit code, and what it complains of */
async function check (
  t: Test, env: Record<string, string>, cwd = temporaryFolder(t)
): Promise<[code: number | null, complaint: string]> {
  const program = run(t, process.execPath, ['--no-warnings', HEALTHCHECK], env, cwd)
  const { code } = await program.exited
  return [code, program.stderr]
}

t.test('the health check passes as long as the server answers', async t => {
  const server = await startProcess(t)
  const port = String(server.port)
  t.strictSame(await check(t, { PORT: port }), [0, ''])
  t.strictSame(await check(t, { SYMPLE_PORT: port, SYMPLE_HOST: '0.0.0.0' }), [0, ''])
  t.strictSame(await check(t, { PORT: port, SYMPLE_PORT: '1', SYMPLE_HOST: '127.0.0.1' }), [0, ''], 'PORT wins')
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, '.env'), `SYMPLE_PORT=${port}\n`)
  t.strictSame(await check(t, {}, folder), [0, ''], '.env counts')
  await server.stop()
  const [code, complaint] = await check(t, { PORT: port })
  t.equal(code, 1)
  t.match(complaint, `http://127.0.0.1:${port}/healthz: `)
})

t.test('the health check asks over TLS where the server speaks it, and nowhere else', async t => {
  const tls = tlsVariables(t, createIdentity())
  const server = await startProcess(t, tls)
  const port = String(server.port)
  t.strictSame(await check(t, { PORT: port, ...tls }), [0, ''])
  t.equal((await check(t, { PORT: port }))[0], 1)
})

t.test('npm run dev builds, serves, and serves what is changed', async t => {
  const folder = temporaryFolder(t)
  // With what has been built already, so that not all of it is built again.
  for (const name of ['src', 'plugins', 'routes', 'scripts', 'dist', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true, preserveTimestamps: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const port = await freePort()
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, SYMPLE_HOST: '127.0.0.1', PORT: String(port) }
  // A group of its own: npm starts programs that start others.
  const npm = spawn('npm', ['run', 'dev'], { cwd: folder, env, stdio: 'ignore', detached: true })
  const ended = once(npm, 'close')
  t.teardown(async () => {
    process.kill(-npm.pid!, 'SIGKILL')
    await ended
  })
  const url = `http://127.0.0.1:${port}/healthz`
  const health = async () => await fetch(url).then(async response => await response.text(), () => '')
  const becomes = async (text: string) => {
    await eventually(async () => await health() === text, `${text} at /healthz`, 100_000)
  }
  await becomes('{"status":"ok"}')
  const route = join(folder, 'routes/health.ts')
  writeFileSync(route, readFileSync(route, 'utf8').replace('\'ok\'', '\'changed\''))
  await becomes('{"status":"changed"}')
})
