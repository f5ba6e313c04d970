import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pinned } from './cpus.js'
import { servers } from './servers.js'

const DIRECTORY = fileURLToPath(new URL('.', import.meta.url))
const LOAD = fileURLToPath(new URL('load.js', import.meta.url))

/** Milliseconds that a server may take to listen and to stop, and a whole run to end. */
const START_LIMIT = 10_000
const STOP_LIMIT = 5_000
const RUN_LIMIT = 90_000

/** What was started here, to be ended with this process. */
const children = new Set()
process.on('exit', () => { for (const child of children) child.kill('SIGKILL') })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { process.exit(1) })

/**
 * Plays a scenario against a fresh server.
 *
 * @param server one of the names in `servers`
 * @param scenario its parameters: see `scenarios`
 * @param nodeOptions for the server's process
 * @returns its `figures`, and its `failure` in words or null
 */
export async function run ({ server, scenario, seconds, nodeOptions = [] }) {
  const port = await freePort()
  const { script, env, dialect } = servers[server]
  const child = start('server', [...nodeOptions, script], {
    // Not the repository: a server may read .env where it runs.
    cwd: DIRECTORY,
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  let complaints = ''
  child.stderr.on('data', data => { complaints = (complaints + data).slice(-500) })
  try {
    await listening(child, port)
    const result = await play({ scenario, dialect, port, pid: child.pid, seconds })
    if (child.exitCode !== null || child.signalCode !== null) result.failure ??= 'the server ended'
    if (result.failure !== null && complaints !== '') result.failure += `; the server said: ${complaints.trim()}`
    return result
  } catch (error) {
    return { failure: `${error.message} ${complaints}`.trim(), figures: {} }
  } finally {
    await stop(child)
  }
}

async function play (task) {
  const load = start('load', [LOAD], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const aborted = new AbortController()
  try {
    load.send(task)
    return await Promise.race([
      once(load, 'message', aborted).then(([result]) => result),
      once(load, 'exit', aborted).then(() => ({ failure: 'the load process ended', figures: {} })),
      delay(RUN_LIMIT, { failure: `not done after ${RUN_LIMIT / 1000} s`, figures: {} }, aborted)
    ])
  } finally {
    aborted.abort()
    await stop(load)
  }
}

function start (role, args, options) {
  const [command, ...rest] = pinned(role, [process.execPath, ...args])
  const child = spawn(command, rest, options)
  children.add(child)
  child.once('exit', () => { children.delete(child) })
  return child
}

async function stop (child) {
  if (!children.has(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => { child.kill('SIGKILL') }, STOP_LIMIT)
  await ended
  clearTimeout(timer)
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function listening (child, port) {
  const deadline = performance.now() + START_LIMIT
  while (performance.now() < deadline && children.has(child)) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await delay(50)
    } finally {
      socket.destroy()
    }
  }
  throw new Error('the server does not listen')
}
