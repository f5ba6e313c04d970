import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { answering, freePort, isRunning, listening, start, stop } from './processes.js'
import { startRedis } from './redis.js'
import { definitions } from './servers.js'

const DIRECTORY = fileURLToPath(new URL('.', import.meta.url))
const LOAD = fileURLToPath(new URL('load.js', import.meta.url))

/** Milliseconds that a whole run may take: ten thousand peers in one room tell each other of a hundred million. */
const RUN_LIMIT = 400_000

/**
 * Plays a scenario against a fresh server, or against fresh nodes on a fresh Redis.
 *
 * @param server one of the names in `servers` and `setups`
 * @param scenario its parameters: see `scenarios`
 * @param nodeOptions for the server's processes
 * @returns its `figures`, and its `failure` in words or null
 */
export async function run ({ server, scenario, seconds, nodeOptions = [] }) {
  const definition = definitions[server]
  const { dialect, nodes: count = 1, receiversAt = 0, scale = 1 } = definition
  const nodes = []
  let redis = null
  try {
    if (count > 1) redis = await startRedis()
    for (let i = 0; i < count; i++) nodes.push(await startNode(definition, redis, nodeOptions))
    for (const node of nodes) await node.ready()

    const result = await play({
      scenario: scaled(scenario, scale),
      seconds,
      dialect,
      nodes: nodes.map(({ port, child }) => ({ port, pid: child.pid })),
      receiversAt,
      redisPid: redis?.child.pid ?? null
    })
    if (!nodes.every(({ child }) => isRunning(child))) result.failure ??= 'the server ended'
    if (redis !== null && !isRunning(redis.child)) result.failure ??= 'Redis ended'
    const complaints = complaintsOf(nodes)
    if (result.failure !== null && complaints !== '') result.failure += `; the server said: ${complaints}`
    return result
  } catch (error) {
    return { failure: `${error.message} ${complaintsOf(nodes)}`.trim(), figures: {} }
  } finally {
    await Promise.all(nodes.map(({ child }) => stop(child)))
    if (redis !== null) await stop(redis.child)
  }
}

/** The same with more of those who are there for the number. */
function scaled (scenario, scale) {
  return { ...scenario, receivers: scenario.receivers * scale, peers: scenario.peers * scale }
}

async function startNode ({ script, env, readiness }, redis, nodeOptions) {
  const port = await freePort()
  const child = start('server', [process.execPath, ...nodeOptions, script], {
    // Not the repository: a server may read .env where it runs.
    cwd: DIRECTORY,
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      ...env,
      ...(redis === null ? {} : { SYMPLE_REDIS_URL: redis.url }),
      PORT: String(port)
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const ready = readiness === undefined
    ? () => listening(child, port)
    : () => answering(child, `http://127.0.0.1:${port}${readiness}`)
  const node = { port, child, ready, complaints: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => { node.complaints = (node.complaints + data).slice(-500) })
  }
  return node
}

function complaintsOf (nodes) {
  return nodes.map(({ complaints }) => complaints.trim()).filter(Boolean).join('; ')
}

async function play (task) {
  const load = start('load', [process.execPath, LOAD], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
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
