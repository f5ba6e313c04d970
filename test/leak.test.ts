import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Session } from '../src/core/session.js'
import { connectionsOf } from './connections.js'
import { connect, eventually, startServer, TestClient } from './helper.js'
import { startProcess } from './process.js'
import { CLOSE, frame, RawSocket, upgradeRequest } from './raw.js'
import { scrape } from './scrape.js'

const CONNECTIONS = 2000
const IDLE_PEERS = 5000
const BATCH = 400

/** Descriptors that a process needs beside those of the peers. */
const SPARE = 200

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** How far a client gets before it is gone; each is told its number, and whether it is to wait for the last answer. */
const STATES: Record<string, (raw: RawSocket, i: number, patient: boolean) => Promise<unknown>> = {
  'TCP only': async raw => await raw.connected(),
  'half an HTTP request': async raw => { raw.write(upgradeRequest().slice(0, 60)) },
  'a request whose answer it does not read': async raw => { raw.write(upgradeRequest()) },
  upgraded: async raw => await raw.upgrade(),
  'half a WebSocket frame': async raw => {
    await raw.upgrade()
    raw.write(frame('{"type":"auth","user":"half"}').subarray(0, 17))
  },
  'a malformed first frame': async raw => {
    await raw.upgrade()
    raw.write(frame('{'))
  },
  'broken framing': async raw => {
    await raw.upgrade()
    raw.write(Buffer.from([0xff, 0xff, 0xff]))
  },
  'auth, and gone': async (raw, i) => {
    await raw.upgrade()
    raw.write(frame(JSON.stringify({ type: 'auth', user: `user-${i}`, rooms: ['lobby'] })))
  },
  authenticated: async (raw, i) => await raw.authenticate({ user: `user-${i}` }),
  'authenticated, in rooms': async (raw, i, patient) => {
    await raw.authenticate({ user: `user-${i % 7}`, rooms: ['lobby', `room-${i}`] })
    raw.write(frame(`{"type":"join","room":"joined-${i}"}`))
    if (patient) await raw.until('join:ok')
  },
  'half a closing handshake': async (raw, i) => {
    await raw.authenticate({ user: `user-${i}` })
    raw.write(frame(Buffer.from([0x03, 0xe8]), CLOSE))
  },
  'a close that it ignores': async (raw, i, patient) => {
    await raw.authenticate({ user: `user-${i}`, rooms: ['lobby'] })
    raw.write(frame('{"type":"close"}'))
    // The server cuts it in the end.
    if (patient) await raw.gone
  }
}

t.test(`${CONNECTIONS} connections that are dropped in all states of the handshake leave nothing`, async t => {
  const { server, port, url } = await startServer(t)
  const { symple } = server
  const sessions: Array<WeakRef<Session>> = []
  const open = symple.open.bind(symple)
  symple.open = (...args) => {
    const session = open(...args)
    sessions.push(new WeakRef(session))
    return session
  }
  const baseline = resources()
  const states = Object.values(STATES)
  for (let from = 0; from < CONNECTIONS; from += BATCH) {
    await Promise.all(Array.from({ length: BATCH }, async (_, n) => {
      const raw = new RawSocket(port)
      const i = from + n
      const round = Math.floor(i / states.length)
      await states[i % states.length]!(raw, i, round % 4 < 2)
      if (round % 2 === 0) raw.socket.destroy()
      else raw.reset()
      await raw.gone
    }))
  }
  t.comment(`${sessions.length} of them were upgraded`)
  t.ok(sessions.length >= CONNECTIONS * 9 / states.length * 0.9)

  await eventually(async () => await connectionsOf(server.server) === 0, 'no socket is left')
  await eventually(() => symple.gauges.connections === 0, 'no connection is left')
  t.strictSame(symple.gauges, { connections: 0, peers: 0, virtuals: 0, remotes: 0, users: 0, rooms: 0, unsent: 0 })
  await eventually(() => isSubset(resources(), baseline), `no more than ${JSON.stringify(baseline)} is open`)
  // A session that hung in a room, in the wheel of the timers or on a socket would be kept by that.
  await eventually(() => {
    collectGarbage()
    return sessions.every(session => session.deref() === undefined)
  }, 'no session is held')

  const late = await connect(t, url, { user: 'late', rooms: ['lobby'] })
  await late.barrier()
  t.strictSame(late.roster, {}, 'nobody is left to be seen')
  t.strictSame(late.take(), [])
  await late.close()
})

t.test(`${IDLE_PEERS} idle peers on one process`, async t => {
  const limit = descriptorLimit()
  const count = Math.min(IDLE_PEERS, limit - SPARE)
  if (count < IDLE_PEERS) t.comment(`only ${count} peers: a process may open ${limit} files here, see ulimit -n`)
  // The other side is a process of its own, with descriptors of its own.
  const server = await startProcess(t, { LOG_LEVEL: 'info' })
  const before = (await scrape(server.origin)).samples
  const clients: TestClient[] = []
  t.teardown(() => { for (const { ws } of clients) ws.terminate() })
  for (let from = 0; from < count; from += BATCH) {
    await Promise.all(Array.from({ length: Math.min(BATCH, count - from) }, async (_, n) => {
      const i = from + n
      const client = new TestClient(server.url)
      clients.push(client)
      await client.authenticate({ user: `user-${i}`, rooms: [`room-${Math.floor(i / 5)}`] })
    }))
  }
  const { samples } = await scrape(server.origin)
  t.equal(samples.get('symple_peers'), count)
  t.equal(samples.get('symple_open_connections'), count)
  for (const name of ['process_resident_memory_bytes', 'nodejs_heap_size_used_bytes']) {
    t.comment(`${name} per peer: ${Math.round((samples.get(name)! - before.get(name)!) / count)}`)
  }

  t.comment('all of them are there')
  await Promise.all(clients.map(async client => await client.barrier()))
  const [sender] = clients
  sender!.send({ type: 'message', data: 'still there?' })
  const neighbours = clients.filter(({ peer }) => ['user-1', 'user-2', 'user-3', 'user-4'].includes(peer.user))
  for (const client of neighbours) t.match(await client.find('message'), { from: sender!.address })

  for (const { ws } of clients) ws.terminate()
  await eventually(async () => (await scrape(server.origin)).samples.get('symple_open_connections') === 0, 'all are gone')
  const after = (await scrape(server.origin)).samples
  for (const name of ['symple_peers', 'symple_users', 'symple_rooms', 'symple_outbox_bytes']) t.equal(after.get(name), 0, name)
  t.strictSame(await server.stop(), { code: 0, signal: null })
})

/** What keeps this process alive, by kind. */
function resources (): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

function isSubset (counts: Record<string, number>, of: Record<string, number>): boolean {
  return Object.entries(counts).every(([kind, count]) => count <= (of[kind] ?? 0))
}

function descriptorLimit (): number {
  const { userLimits } = process.report.getReport() as { userLimits: { open_files: { soft: number | string } } }
  return Number(userLimits.open_files.soft) || Infinity
}
