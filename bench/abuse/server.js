import { fileURLToPath } from 'node:url'
import { residentBytes } from '../measure.js'
import { answering, freePort, start } from '../processes.js'
import { servers } from '../servers.js'

const DIRECTORY = fileURLToPath(new URL('.', import.meta.url))

/** Milliseconds between two looks at the server's memory. */
const INTERVAL = 50

/** Starts the server as it comes, but for some variables. */
export async function startServer (env) {
  const port = await freePort()
  const child = start('server', [process.execPath, servers.product.script], {
    // Not the repository: the server reads .env where it runs.
    cwd: DIRECTORY,
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...servers.product.env, ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const server = { child, port, pid: child.pid, output: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', text => { server.output += text })
  await answering(child, `http://127.0.0.1:${port}/readyz`)
  return server
}

/** The server's metrics, by name and labels. */
export async function scrape ({ port }) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const samples = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(samples.map(line => {
    const space = line.lastIndexOf(' ')
    return [line.slice(0, space), Number(line.slice(space))]
  }))
}

/** Watches the server's memory until it is stopped. @returns a function that stops, and tells the most there was */
export function watchMemory ({ pid }) {
  let most = residentBytes(pid) ?? 0
  const timer = setInterval(() => { most = Math.max(most, residentBytes(pid) ?? 0) }, INTERVAL)
  return () => {
    clearInterval(timer)
    return most
  }
}

export function mebibytes (bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

export function median (numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

export function milliseconds (number) {
  return `${number.toFixed(2)} ms`
}
