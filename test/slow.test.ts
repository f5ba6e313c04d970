import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { constants, deflateRawSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { connect, eventually, open, startServer, type PeerObject, type TestClient } from './helper.js'
import { framesOf, messagesOf, PING, PONG } from './raw-frames.js'
import { CLOSE, frame, oddFrame, openRaw, RawSocket, upgradeRequest } from './raw.js'
import { createIdentity, tlsVariables } from './certificate.js'

const isOffline = ({ type, data }: { type: string, data?: unknown }) => type === 'presence' && !(data as PeerObject).online

/** Sends to a room until the server has bytes that nobody takes from it: the kernel takes some megabytes first. */
async function fill (alice: TestClient, unsent: () => number, bytes: number): Promise<void> {
  for (let n = 0; unsent() < bytes; n++) {
    alice.send({ type: 'message', n, data: '-'.repeat(50_000) })
    await alice.barrier()
  }
}

/** A proxy of TCP that can fall silent: it then passes on neither bytes nor ends, like a cable that is cut. */
async function startProxy (t: Test, to: number): Promise<{ port: number, cut (): void }> {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, near => {
    const far = connectTcp({ port: to, host: '127.0.0.1', allowHalfOpen: true })
    near.pipe(far)
    far.pipe(near)
    for (const socket of [near, far]) sockets.push(socket.on('error', () => {}))
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cut () {
      for (const socket of sockets) socket.unpipe().pause()
    }
  }
}

t.test('a connection on which no whole request comes ends, whether nothing is said, half a head or half a body', async t => {
  const { port, url } = await startServer(t, { SYMPLE_AUTH_TIMEOUT: '1' })
  const silent = await openRaw(t, port)
  const half = await openRaw(t, port)
  half.write(upgradeRequest().slice(0, 40))
  const body = await openRaw(t, port)
  body.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf')
  const slow = await openRaw(t, port)
  // One byte after the other, never an end.
  slow.write('GET / HTTP/1.1\r\nX: ')
  const drip = setInterval(() => { slow.write('x') }, 20)
  t.teardown(() => { clearInterval(drip) })
  const alice = await connect(t, url, { user: 'alice' })
  await Promise.all([silent, half, body, slow].map(async raw => await raw.gone))
  t.match(half.text, /^HTTP\/1\.1 408 /)
  await alice.barrier()
})

t.test('so does one that does not finish its TLS handshake', async t => {
  const { port, server } = await startServer(t, { ...tlsVariables(t, createIdentity()), SYMPLE_AUTH_TIMEOUT: '0.5' })
  const silent = await openRaw(t, port)
  const half = await openRaw(t, port)
  half.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
  await Promise.all([silent.gone, half.gone])
  t.equal(server.symple.gauges.connections, 0)
})

t.test('there are no more sockets than WebSockets may be, and a few', async t => {
  const { port, url, server } = await startServer(t, { SYMPLE_MAX_CONNECTIONS: '10' })
  const alice = await connect(t, url, { user: 'alice' })
  const sockets = await Promise.all(Array.from({ length: 400 }, async () => await openRaw(t, port)))
  await eventually(() => server.symple.stats.limits.sockets === 400 + 1 - 266, 'the others are dropped')
  await alice.barrier()
  for (const { socket } of sockets) socket.destroy()
  await eventually(async () => {
    const raw = await openRaw(t, port)
    raw.write('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await raw.gone
    return raw.text.startsWith('HTTP/1.1 200 ')
  }, 'there is room again')
})

t.test('a peer whose cable is cut is gone when it answers no ping', async t => {
  const { url, port, server } = await startServer(t, { SYMPLE_PING_INTERVAL: '0.3', SYMPLE_PING_TIMEOUT: '0.3' })
  const proxy = await startProxy(t, port)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, `ws://127.0.0.1:${proxy.port}/`, { user: 'alice', rooms: ['lobby'] })
  const silent = await open(t, `ws://127.0.0.1:${proxy.port}/`)
  proxy.cut()
  const gone = await bob.find(isOffline)
  t.equal(gone.from, alice.address)
  t.equal(server.symple.stats.limits.ping, 1)
  silent.ws.terminate()
  await bob.barrier()
  t.equal(alice.ws.readyState, alice.ws.OPEN, 'it does not know yet')
})

t.test('of many in a busy room, one that does not read is cut, alone and at its limit', async t => {
  const limit = 500_000
  const { url, port, server } = await startServer(t, { SYMPLE_MAX_BUFFERED: String(limit), SYMPLE_RATE_LIMIT: '0' })
  const { symple } = server
  const readers = await Promise.all(Array.from({ length: 30 }, async (_, i) => {
    return await connect(t, url, { user: `reader-${i}`, rooms: ['lobby'] })
  }))
  const stuck = await openRaw(t, port)
  await stuck.authenticate({ user: 'stuck', rooms: ['lobby'] })
  stuck.socket.pause()
  const [sender] = readers
  let most = 0
  let sent = 0
  while (symple.stats.limits.buffered === 0) {
    sender!.send({ type: 'message', n: sent++, data: '-'.repeat(20_000) })
    await sender!.barrier()
    most = Math.max(most, symple.gauges.unsent)
  }
  await Promise.all(readers.map(async reader => await reader.find(isOffline)))
  for (const reader of readers.slice(1)) {
    const numbers = reader.frames.filter(({ type }) => type === 'message').map(({ n }) => n)
    t.strictSame(numbers, Array.from({ length: sent }, (_, i) => i))
  }
  t.ok(most > limit / 2 && most <= limit + 100_000, `${most} bytes waited`)
  t.equal(symple.stats.limits.buffered, 1)
  t.equal(symple.gauges.peers, readers.length)
  await eventually(() => symple.gauges.unsent === 0, 'nothing waits for it any more')
})

const LIMIT = 1_000_000
const ROOMS = Array.from({ length: 60 }, (_, i) => `room-${i}`)

/** A server with rooms, in each of them somebody of whom there is much to tell, and a client that enters them all. */
async function enterAll (t: Test) {
  const { url, port, server: { symple } } = await startServer(t, {
    SYMPLE_MAX_BUFFERED: String(LIMIT), SYMPLE_MAX_DATA_SIZE: '0', SYMPLE_RATE_LIMIT: '0'
  })
  for (const room of ROOMS) {
    await symple.addVirtualPeer({ user: `of ${room}`, rooms: [room], data: { text: '-'.repeat(400_000) } }, () => {})
  }
  const raw = await (await openRaw(t, port)).upgrade()
  raw.socket.pause()
  raw.write(frame(JSON.stringify({ type: 'auth', user: 'newcomer', rooms: [...ROOMS, 'lobby'] })))
  await eventually(() => symple.gauges.unsent > 2 * LIMIT, 'far more waits than may')
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  return { symple, raw, alice }
}

t.test('a newcomer gets all of a snapshot that is larger than what may wait, as fast as it reads', async t => {
  const { symple, raw, alice } = await enterAll(t)
  raw.socket.resume()
  await eventually(() => symple.gauges.unsent === 0, 'it has left')
  alice.send({ type: 'message', to: 'lobby', last: true })
  await raw.until('"last":true')
  const told = messagesOf(raw).filter(({ from }) => from?.startsWith('of ') === true)
  t.strictSame(told.map(({ data }) => (data as PeerObject).user), ROOMS.map(room => `of ${room}`))
  t.equal(symple.stats.limits.buffered, 0)
  raw.socket.pause()
  let most = 0
  while (symple.stats.limits.buffered === 0) {
    alice.send({ type: 'message', to: 'lobby', data: '-'.repeat(50_000) })
    await alice.barrier()
    most = Math.max(most, symple.gauges.unsent)
  }
  t.ok(most <= LIMIT + 100_000, `from then on the limit is that of all: ${most} bytes waited`)
})

t.test('a newcomer that does not read its snapshot is cut when more waits beside it than may', async t => {
  const { symple, alice } = await enterAll(t)
  const snapshot = symple.gauges.unsent
  let sent = 0
  while (symple.stats.limits.buffered === 0) {
    alice.send({ type: 'message', to: 'lobby', data: '-'.repeat(50_000) })
    await alice.barrier()
    sent += 50_000
  }
  // Its socket takes some more, too.
  t.ok(sent > LIMIT - 100_000 && sent < snapshot / 2, `${sent} bytes beside the ${snapshot}`)
  await alice.find(isOffline)
})

t.test('who says no more and does not read is gone at once, and its socket soon', async t => {
  const { url, port, server } = await startServer(t, { SYMPLE_RATE_LIMIT: '0' })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const stuck = await openRaw(t, port)
  await stuck.authenticate({ user: 'stuck', rooms: ['lobby'] })
  stuck.socket.pause()
  await fill(alice, () => server.symple.gauges.unsent, 200_000)
  stuck.socket.end()
  await alice.find(isOffline)
  // Its pings would not be answered either, but that takes much longer.
  await eventually(() => server.symple.gauges.connections === 1, 'the connection is gone')
  t.equal(server.symple.stats.limits.ping, 0)
})

t.test('whose answers nobody reads is cut: of errors at the limit, of pongs before', async t => {
  const { url, port, server } = await startServer(t, { SYMPLE_MAX_BUFFERED: '300000', SYMPLE_RATE_LIMIT: '0' })
  const { stats } = server.symple
  const alice = await connect(t, url, { user: 'alice' })
  const faulty = await openRaw(t, port)
  await faulty.authenticate({ user: 'faulty' })
  faulty.socket.pause()
  const nonsense = frame(JSON.stringify({ type: 'message', to: 7, id: 'x'.repeat(30_000) }))
  await eventually(async () => {
    for (let i = 0; i < 20; i++) faulty.write(nonsense)
    await alice.barrier()
    return stats.limits.buffered === 1
  }, 'the one with the errors is cut')

  for (const state of ['a peer', 'nobody yet']) {
    const pinging = await openRaw(t, port)
    if (state === 'a peer') await pinging.authenticate({ user: 'pinging' })
    else await pinging.upgrade()
    pinging.socket.pause()
    const pings = Buffer.concat(Array.from({ length: 50 }, () => frame('x'.repeat(125), PING)))
    await eventually(async () => {
      pinging.write(pings)
      await alice.barrier()
      return server.symple.gauges.connections === 1
    }, `${state} is cut`)
  }
  await alice.barrier()
})

t.test('control frames that nobody asked for count as frames, and before authentication they are few', async t => {
  const { port, server } = await startServer(t, { SYMPLE_RATE_LIMIT: '50', SYMPLE_RATE_SECONDS: '1000' })
  const { stats } = server.symple
  for (const opcode of [PING, PONG]) {
    const early = await openRaw(t, port)
    await early.upgrade()
    for (let i = 0; i < 101; i++) early.write(frame('', opcode))
    await early.gone
    t.notOk(framesOf(early).some(({ opcode }) => opcode === CLOSE))
    const peer = await openRaw(t, port)
    await peer.authenticate({ user: 'peer' })
    for (let i = 0; i < 40; i++) peer.write(frame('', opcode))
    peer.write(frame('{"type":"join","room":"a"}'))
    await peer.until('join:ok')
    const drip = setInterval(() => { peer.write(frame('', opcode)) }, 1)
    t.teardown(() => { clearInterval(drip) })
    await peer.gone
    clearInterval(drip)
    t.match(messagesOf(peer).find(({ type }) => type === 'error'), { status: 429, retryAfter: Number })
    t.equal(framesOf(peer).at(-1)!.payload.readUInt16BE(0), 4429)
  }
  t.equal(stats.limits.control_frames, 2)
})

t.test('what comes compressed while an authentication takes its time counts as what it is, and keeps its order', async t => {
  const asked: Array<() => void> = []
  const { server, port, url } = await startServer(t, {
    SYMPLE_COMPRESSION: 'true', SYMPLE_MAX_BUFFERED: '1000000', SYMPLE_RATE_LIMIT: '0', SYMPLE_HOOK_TIMEOUT: '0'
  }, {
    authenticate: ({ user }) => user === 'bob'
      ? { allowed: true }
      : new Promise(resolve => { asked.push(() => { resolve({ allowed: true }) }) })
  })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const deflated = (message: object) => {
    const block = deflateRawSync(JSON.stringify(message), { finishFlush: constants.Z_SYNC_FLUSH })
    return oddFrame(block.subarray(0, -4), { rsv: 4 })
  }
  for (const [count, cut] of [[16, false], [17, true]] as const) {
    const raw = await openRaw(t, port)
    await raw.upgrade('/', { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    const messages = Array.from({ length: count }, (_, n) => deflated({ type: 'message', n, data: '-'.repeat(60_000) }))
    const auth = deflated({ type: 'auth', user: 'alice', rooms: ['lobby'] })
    const all = Buffer.concat([auth, ...messages])
    t.ok(all.length < 10_000, 'it is read at once')
    raw.write(all)
    await eventually(() => asked.length === 1, 'the hook is asked')
    if (cut) {
      await raw.gone
      t.equal(server.symple.stats.limits.buffered, 1)
    }
    asked.pop()!()
    if (!cut) {
      for (let n = 0; n < count; n++) t.match(await bob.find('message'), { n })
      raw.socket.destroy()
    }
    await eventually(() => server.symple.gauges.connections === 1, 'it is gone')
  }
  await bob.barrier()
  t.strictSame(bob.take().filter(({ type }) => type === 'message'), [], 'nothing of who was cut')
})

t.test('a drain does not wait for who does not read', async t => {
  const { url, port, server } = await startServer(t, { SYMPLE_RATE_LIMIT: '0' })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const stuck = await openRaw(t, port)
  await stuck.authenticate({ user: 'stuck', rooms: ['lobby'] })
  stuck.socket.pause()
  await fill(alice, () => server.symple.gauges.unsent, 1_000_000)
  const drained = server.symple.drain(0)
  t.match(await alice.closed, { code: 1001 })
  await drained
  t.equal(server.symple.gauges.connections, 0)
  stuck.socket.resume()
  await stuck.gone
})

t.test('upgrades whose answer is not read, and that are dropped, leave nothing', async t => {
  const { port, server } = await startServer(t, { SYMPLE_AUTH_TIMEOUT: '0.5' })
  const sockets = Array.from({ length: 20 }, () => new RawSocket(port))
  for (const raw of sockets) {
    t.teardown(() => { raw.socket.destroy() })
    await raw.connected()
    raw.socket.pause()
    raw.write(upgradeRequest())
  }
  await eventually(() => server.symple.stats.connections === 20, 'all are upgraded')
  await eventually(() => server.symple.gauges.connections === 0, 'all are gone')
  t.equal(server.symple.stats.auths.timeout, 20)
})
