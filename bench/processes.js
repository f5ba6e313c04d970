// The processes of a run: started on their processors, awaited, and ended with this one.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { pinned } from './cpus.js'

/** Milliseconds that a server may take to be ready, and to stop. */
const START_LIMIT = 10_000
const STOP_LIMIT = 5_000

/** Milliseconds between two looks at whether a server is ready. */
const INTERVAL = 50

/** What was started here, to be ended with this process. */
const children = new Set()
process.on('exit', () => { for (const child of children) child.kill('SIGKILL') })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { process.exit(1) })

/** @param role which processors it gets: see `cpus.js` */
export function start (role, command, options) {
  const [program, ...args] = pinned(role, command)
  const child = spawn(program, args, options)
  children.add(child)
  child.once('exit', () => { children.delete(child) })
  return child
}

export function isRunning (child) {
  return children.has(child)
}

export async function stop (child) {
  if (!isRunning(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => { child.kill('SIGKILL') }, STOP_LIMIT)
  await ended
  clearTimeout(timer)
}

export async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until a server takes connections. */
export async function listening (child, port) {
  await ready(child, async () => {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
    } finally {
      socket.destroy()
    }
  })
}

/** Waits until a server answers a request with 200. */
export async function answering (child, url) {
  await ready(child, async () => {
    const { status } = await fetch(url)
    if (status !== 200) throw new Error(`${url} says ${status}`)
  })
}

async function ready (child, attempt) {
  const deadline = performance.now() + START_LIMIT
  let reason = 'it ended'
  while (performance.now() < deadline && isRunning(child)) {
    try {
      return await attempt()
    } catch (error) {
      reason = error.message
      await delay(INTERVAL)
    }
  }
  throw new Error(`a server does not get ready: ${reason}`)
}
