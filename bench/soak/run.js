// Thousands of short connections in all states, and peers that go on with their work meanwhile, on two nodes and a
// Redis. In the end both must hold what they held before, and the peers must have missed nothing.
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { assemble, pairs, quiet, roomName, until } from '../load/crowd.js'
import { Client } from '../load/client.js'
import { dialects } from '../load/dialects.js'
import { Ledger } from '../load/ledger.js'
import { pacing } from '../load/pacing.js'
import { answering, freePort, isRunning, start, stop } from '../processes.js'
import { lackOfRedis, startRedis } from '../redis.js'
import { census, compare } from './census.js'
import { Visitors } from './visitors.js'

const HELP = `Usage: npm run soak -- [options]

  --minutes N   how long (30)
  --rate N      short connections in a second (40)
  --messages N  messages between peers in a second (100)
  --help        this

Exits 1 where anything has leaked, got lost, or come twice.
`

const SERVER = fileURLToPath(new URL('../../dist/src/server.js', import.meta.url))
const PROBE = new URL('probe.js', import.meta.url).href

/** Groups of peers that write to each other, of whom some are on each node. */
const GROUPS = 10
const GROUP_SIZE = 4

/** Seconds of the same before the first census: what is made once is there then. */
const WARM_UP = 30

/** Milliseconds until what ends by a time-out has ended. */
const REST = 8000

const BYTES = 64

const options = readOptions()
const lack = lackOfRedis()
if (lack !== null) fail(lack)
const redis = await startRedis()
const nodes = await Promise.all([1, 2].map(async () => await startNode(redis.url)))
const ports = nodes.map(({ port }) => port)
const peers = await steadyPeers()

await visit('warm-up', Math.min(WARM_UP, options.minutes * 60 / 2))
const before = await census(nodes, redis.url)
const began = performance.now()
const visitors = await visit('soak', options.minutes * 60)
const after = await census(nodes, redis.url)
const seconds = (performance.now() - began) / 1000
const faults = [...visitors.failures.slice(0, 10), ...await peers.stop(), ...complaints()]

const { rows, leaks } = compare(before, after)
console.table(Object.fromEntries(rows.map(({ figure, ...row }) => [figure, row])))
console.log(`${visitors.count} short connections in ${Math.round(seconds)} s; ${peers.ledger.sent} messages between peers, ` +
  `${peers.ledger.deliveries} deliveries, each once and in order: ${faults.length === 0 ? 'yes' : 'no'}`)
for (const fault of faults) console.log(`fault: ${fault}`)
for (const leak of leaks) console.log(`leak: ${leak}`)
await Promise.all([...nodes.map(({ child }) => stop(child)), stop(redis.child)])
process.exit(leaks.length + faults.length === 0 ? 0 : 1)

async function startNode (redisUrl) {
  const port = await freePort()
  const child = start('server', [process.execPath, '--expose-gc', '--import', PROBE, SERVER], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      PORT: String(port),
      SYMPLE_HOST: '127.0.0.1',
      SYMPLE_REDIS_URL: redisUrl,
      SYMPLE_AUTH_TIMEOUT: '2',
      LOG_LEVEL: 'warn'
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  const node = { child, port, said: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => { node.said += data })
  await answering(child, `http://127.0.0.1:${port}/readyz`)
  return node
}

/** Peers that write to each other from now on. */
async function steadyPeers () {
  const seconds = options.minutes * 60 + 4 * WARM_UP + 2 * REST / 1000
  const pace = pacing({ kind: 'rate', rate: options.messages }, GROUPS * GROUP_SIZE, seconds)
  const ledger = new Ledger({ bytes: BYTES, capacity: pace.capacity, onComplete: () => {} })
  const groups = Array.from({ length: GROUPS }, (_, group) => Array.from({ length: GROUP_SIZE }, (_, slot) =>
    new Client({ port: ports[slot % 2], dialect: dialects.symple, inbox: ledger, group, slot, room: roomName(group) })))
  await assemble(groups.flat(), ledger)
  await quiet(ledger)
  const senders = groups.flatMap(group => {
    for (const client of group) client.prepare(client.room, BYTES)
    return ledger.enrol(group, GROUP_SIZE)
  })
  pace.start(ledger, senders)
  return {
    ledger,
    count: GROUPS * GROUP_SIZE,
    async stop () {
      pace.stop()
      await until(() => ledger.outstanding() === 0, 10_000)
      ledger.faults.undelivered += ledger.outstanding()
      ledger.faults.duplicatedPresence += ledger.presences - pairs(groups.flat())
      const described = ledger.faults.describe()
      return described === null ? [] : [described]
    }
  }
}

/** Has visitors come for some seconds, and waits until nothing is left of them. */
async function visit (what, seconds) {
  const visitors = new Visitors(ports, options.rate)
  visitors.start()
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    await delay(Math.ceil(Math.min(60_000, end - performance.now())))
    const { rss, heapUsed } = process.memoryUsage()
    console.log(`${what}: ${visitors.count} visitors, ${peers.ledger.deliveries} deliveries ` +
      `(this process: heap ${Math.round(heapUsed / 1e6)} MB, RSS ${Math.round(rss / 1e6)} MB)`)
    if (!nodes.every(({ child }) => isRunning(child))) fail(`a node ended: ${complaints().join('\n')}`)
  }
  await visitors.stop()
  await delay(REST)
  return visitors
}

/** What the nodes have said of themselves that nobody should have to say. */
function complaints () {
  return nodes.flatMap(({ said }) => said.split('\n')).filter(line => line !== '').slice(0, 10)
}

function fail (reason) {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

function readOptions () {
  const number = (name, text) => Number(text) > 0 ? Number(text) : fail(`--${name} must be a number greater than 0`)
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      rate: { type: 'string', default: '40' },
      messages: { type: 'string', default: '100' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(HELP)
    process.exit(0)
  }
  const { help, ...rest } = values
  return Object.fromEntries(Object.entries(rest).map(([name, text]) => [name, number(name, text)]))
}
