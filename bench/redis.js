// A Redis of its own for each run that needs one: on a free port, in memory only.
import { spawnSync } from 'node:child_process'
import { freePort, listening, start } from './processes.js'

const PROGRAM = 'redis-server'

/** Why there is no Redis to measure with, and how to get it; null: there is. */
export function lackOfRedis () {
  return spawnSync(PROGRAM, ['--version'], { stdio: 'ignore' }).status === 0
    ? null
    : `${PROGRAM} is not on the PATH: apt install redis-server (Debian, Ubuntu), brew install redis (macOS)`
}

/** @returns its process and its URL */
export async function startRedis () {
  const port = await freePort()
  const options = { bind: '127.0.0.1', port, save: '', appendonly: 'no' }
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = start('server', [PROGRAM, ...args], { stdio: 'ignore' })
  await listening(child, port)
  return { child, url: `redis://127.0.0.1:${port}` }
}
