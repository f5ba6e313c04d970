import t, { type Test } from 'tap'
import { Checkers } from './checkers.js'
import { connect, eventually } from './helper.js'
import { Fuzzer } from './fuzz/fuzzer.js'
import type { Names } from './fuzz/messages.js'
import { startProcess, type ServerProcess } from './process.js'
import { startRedis } from './redis.js'
import { scrape } from './scrape.js'
import { seed } from './seed.js'
import { writeSession } from './session-server.js'

/** Inputs in all; `npm run fuzz` takes many more. */
const INPUTS = Number(process.env['SYMPLE_FUZZ_INPUTS'] ?? 4000)

const ERROR = 50

/** Nobody else is let in there. */
const ROOM = 'checkers'
const CHECKERS = ['anna', 'ben', 'cleo']

const FUZZERS = { users: ['fuzz0', 'fuzz1', 'fuzz2', '__proto__'], rooms: ['lobby', 'den', 'constructor', 'fuzz0'] }

const tokenOf = (user: string) => `token-${user}`

/** Has inputs come to a server while some peers go on with their work. */
async function attack (t: Test, server: ServerProcess, auths: readonly object[]): Promise<void> {
  t.comment(`SYMPLE_TEST_SEED=${seed}`)
  const checkers = await Checkers.gather(ROOM, await Promise.all(auths.map(auth => connect(t, server.url, auth))))
  const names: Names = {
    ...FUZZERS,
    tokens: FUZZERS.users.map(tokenOf),
    targets: [ROOM, ...CHECKERS, ...checkers.clients.flatMap(({ peer, address }) => [peer.id, address])]
  }
  const fuzzer = new Fuzzer(server.port, seed, names)
  const before = await scrape(server.origin)
  checkers.run()
  await fuzzer.run(INPUTS / 2)
  const rounds = await checkers.stop()
  await checkers.round()

  t.equal(server.child.exitCode, null, 'the process lives')
  t.strictSame(checkers.faults, [], 'the traffic of others is exact')
  t.strictSame(server.log.filter(({ level }) => level >= ERROR), [], 'nothing surprised the server')
  const rest = { open_connections: CHECKERS.length, peers: CHECKERS.length, rooms: 1 }
  await eventually(async () => {
    const { samples } = await scrape(server.origin)
    return Object.entries(rest).every(([name, value]) => samples.get(`symple_${name}`) === value)
  }, 'nothing is left of the others')
  const after = await scrape(server.origin)
  const moved = (name: string) => after.samples.get(name)! - before.samples.get(name)!
  for (const type of ['message', 'presence', 'join', 'leave', 'auth', 'close', 'unknown', 'invalid']) {
    const taken = moved(`symple_messages_received_total{type="${type}"}`)
    t.ok(taken > 0, `${taken} inputs were taken for ${type}`)
  }
  t.comment(`${fuzzer.total} inputs ${JSON.stringify(fuzzer.counts)}, ${rounds} rounds of the checkers meanwhile, ` +
    `RSS ${Math.round(moved('process_resident_memory_bytes') / 1e6)} MB more`)
}

t.test('whatever comes in, a server goes on, and so do the others on it', async t => {
  const server = await startProcess(t, { SYMPLE_RATE_LIMIT: '0' })
  await attack(t, server, CHECKERS.map(user => ({ user, rooms: [ROOM] })))
})

t.test('the same where sessions and rooms are asked for in Redis, so that frames come meanwhile', async t => {
  const redis = await startRedis(t)
  const backend = redis.client()
  for (const user of FUZZERS.users) await writeSession(backend, tokenOf(user), { user, rooms: FUZZERS.rooms })
  for (const user of CHECKERS) await writeSession(backend, tokenOf(user), { user, rooms: [ROOM] })
  const server = await startProcess(t, {
    SYMPLE_RATE_LIMIT: '0', SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_URL: redis.url, SYMPLE_REDIS_TIMEOUT: '20'
  })
  await attack(t, server, CHECKERS.map(user => ({ token: tokenOf(user) })))
})
