import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import websocket from '@fastify/websocket'
import fc from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'
import { SocketInput } from '../plugins/socket-input.js'
import symple from '../src/app.js'
import { framed, wireOf } from './fuzz/wire.js'
import { connect, eventually } from './helper.js'
import { CLOSE, cut, frame, oddFrame, openRaw, upgradeRequest } from './raw.js'
import { framesOf } from './raw-frames.js'
import { seed } from './seed.js'

const MAX_SIZE = 2000

/** Who does not end by itself would not end within the test. Chunks that were put together count as one. */
const LIBRARY_OPTIONS = { maxFragments: 20, maxBufferedChunks: 10_000, closeTimeout: 600_000 }

/** What a client does. */
interface Visit {
  chunks: Buffer[]
  /** Whether the first comes with the upgrade request. */
  early: boolean
  /** At which messages the server reads no more for some turns. */
  pauses: number[]
  /** At which message the server closes, or cuts it. */
  closesAt: number
  cutsAt: number
  resets: boolean
}

t.test('a socket that is read past the library is read like one that is not', async t => {
  const server = await startComparison(t)
  const message = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }).map(text => Buffer.from(text)),
    fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array)),
    fc.constantFrom(0, 125, 126, MAX_SIZE, MAX_SIZE + 1).map(length => Buffer.alloc(length, 'x'))
  )
  const parts = fc.oneof({ weight: 4, arbitrary: framed(message) }, { weight: 1, arbitrary: wireOf(message) })
  const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 100, max: 5000 }))
  const chunks = fc.tuple(
    fc.array(parts, { minLength: 1, maxLength: 15 }),
    fc.array(size, { minLength: 1, maxLength: 5 })
  ).map(([frames, sizes]) => cut(Buffer.concat(frames), sizes))
  const visits = fc.record({
    chunks: chunks.filter(({ length }) => length > 0),
    early: fc.boolean(),
    pauses: fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 2 }),
    closesAt: fc.constantFrom(0, 0, 0, 0, 1, 3),
    cutsAt: fc.constantFrom(0, 0, 0, 0, 0, 2),
    resets: fc.constantFrom(false, false, false, true)
  })
  await fc.assert(fc.asyncProperty(visits, async visit => {
    const expected = await server.play(visit, 'library')
    for (const way of ['stream', 'handle'] as const) {
      const [a, b] = comparable(visit, expected, await server.play(visit, way))
      if (a!.join('\n') !== b!.join('\n')) throw new Error(`${way}: ${b!.join('\n')}\nwhere the library has\n${a!.join('\n')}`)
    }
  }), { seed, numRuns: 300 })
})

/** Who reads: the library all, or only what is no message; the messages come from the socket's stream or its handle. */
type Way = 'library' | 'stream' | 'handle'

/** Where a connection breaks, it is chance how much was read before. */
function comparable ({ resets, cutsAt }: Visit, ...both: string[][]): string[][] {
  if (!resets && cutsAt === 0) return both
  const read = both.map(events => events.filter(event => !/^(?:error|close)/.test(event)))
  const length = Math.min(...read.map(events => events.length))
  return read.map(events => events.slice(0, length))
}

/** A server that says what it reads. */
async function startComparison (t: Test): Promise<{ play: (visit: Visit, way: Way) => Promise<string[]> }> {
  const http = createServer()
  const wss = new WebSocketServer({ noServer: true, maxPayload: MAX_SIZE, ...LIBRARY_OPTIONS })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.teardown(() => { http.close() })
  let serve: (ws: WebSocket, socket: Socket) => void
  http.on('upgrade', (request, socket, head) => {
    wss.handleUpgrade(request, socket, head, ws => { serve(ws, socket as Socket) })
  })
  const { port } = http.address() as AddressInfo
  const play = async (visit: Visit, way: Way) => {
    const events: string[] = []
    const ended = new Promise<void>(resolve => {
      serve = (ws, socket) => { listen(ws, socket, visit, way, events, resolve) }
    })
    await act(port, visit)
    await ended
    return events
  }
  return { play }
}

function listen (
  ws: WebSocket, socket: Socket, visit: Visit, way: Way, events: string[], ended: () => void
): void {
  let count = 0
  const receive = (data: Buffer, binary: boolean) => {
    events.push(`${binary ? 'binary' : 'text'} ${data.toString('hex')}`)
    count++
    if (count === visit.closesAt) ws.close(4000)
    if (count === visit.cutsAt) ws.terminate()
    if (visit.pauses.includes(count)) {
      ws.pause()
      turns(10).then(() => { ws.resume() })
    }
  }
  ws.on('message', receive)
  ws.on('ping', (data: Buffer) => { events.push(`ping ${data.toString('hex')}`) })
  ws.on('pong', (data: Buffer) => { events.push(`pong ${data.toString('hex')}`) })
  ws.on('error', (error: Error & { code?: string }) => { events.push(`error ${error.code}`) })
  ws.on('close', (code: number) => {
    events.push(`close ${code}`)
    ended()
  })
  if (way === 'library') return
  // As if it were of a kind that we don't know.
  if (way === 'stream') Object.assign(socket, { constructor: null })
  SocketInput.between(ws, socket, { receive }, MAX_SIZE)
}

async function act (port: number, { chunks, early, resets }: Visit): Promise<void> {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  socket.on('error', () => {}).on('end', () => {}).resume()
  await once(socket, 'connect')
  const [first, ...rest] = chunks
  socket.write(early ? Buffer.concat([Buffer.from(upgradeRequest()), first!]) : upgradeRequest())
  for (const chunk of early ? rest : chunks) {
    await turns(4)
    if (socket.destroyed) return
    socket.write(chunk)
  }
  await turns(4)
  if (resets) socket.resetAndDestroy()
  else socket.end()
}

async function turns (n: number): Promise<void> {
  for (let i = 0; i < n; i++) await nextTurn()
}

t.test('nothing counts behind a goodbye, and nothing keeps the connection', async t => {
  const { port, url } = await startGateway(t, LIBRARY_OPTIONS)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const raw = await openRaw(t, port)
  await raw.authenticate({ user: 'alice', rooms: ['lobby'] })
  const message = frame('{"type":"message","to":["lobby"]}')
  raw.write(Buffer.concat([message, frame('', CLOSE), message]))
  await eventually(() => framesOf(raw).some(({ opcode }) => opcode === CLOSE), 'the answer')
  for (let i = 0; i < 5; i++) {
    raw.write(message)
    await turns(4)
  }
  raw.socket.end()
  await eventually(() => Object.keys(bob.roster).length === 0, 'the end of alice')
  t.strictSame(bob.take().map(({ type }) => type), ['presence', 'message', 'presence'])
})

t.test('who goes while a hook thinks is gone at once, and nobody hears of it', async t => {
  const { gateway, port, url } = await startGateway(t, LIBRARY_OPTIONS)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const connections = promisify(gateway.server.getConnections.bind(gateway.server))
  for (const how of ['end', 'resetAndDestroy'] as const) {
    let decide: (() => void) | undefined
    gateway.symple.authenticate = async () => {
      await new Promise<void>(resolve => { decide = resolve })
      return { allowed: true, rooms: ['lobby'] }
    }
    const raw = await openRaw(t, port)
    await raw.upgrade('/')
    raw.write(frame('{"type":"auth","user":"ghost"}'))
    await eventually(() => decide !== undefined, 'the question')
    raw.socket[how]()
    await eventually(async () => await connections() === 1, 'the end')
    decide!()
  }
  await bob.barrier()
  t.notOk(bob.frames.some(({ type }) => type === 'presence'), 'nobody comes')
})

t.test('the library reads all where it would be overtaken, and where others listen', async t => {
  t.equal(await librarysShare(t, {}), 'fragments')
  t.equal(await librarysShare(t, { perMessageDeflate: true }), 'fragments')
  t.equal(await librarysShare(t, { perMessageDeflate: true }, 'permessage-deflate'), 'all')
  t.equal(await librarysShare(t, { allowSynchronousEvents: false }), 'all')
  const heard: string[] = []
  const meddle = (ws: WebSocket) => { ws.on('message', (data: Buffer) => { heard.push(String(data)) }) }
  t.equal(await librarysShare(t, {}, '', ({ websocketServer }) => { websocketServer.on('connection', meddle) }), 'all')
  t.equal(heard.length, 4)
  const tap = (socket: Socket) => { socket.on('data', () => {}) }
  t.equal(await librarysShare(t, {}, '', ({ server }) => { server.on('connection', tap) }), 'all')
})

/** Which messages the library had to read, of some that are whole and one that is not. */
async function librarysShare (
  t: Test, options: object, extension = '', prepare: (gateway: FastifyInstance) => void = () => {}
): Promise<string> {
  const { gateway, port } = await startGateway(t, options)
  const sockets: WebSocket[] = []
  gateway.websocketServer.on('connection', (ws: WebSocket) => { sockets.push(ws) })
  prepare(gateway)
  const raw = await openRaw(t, port)
  await raw.upgrade('/', { 'Sec-WebSocket-Extensions': extension })
  const say = async (bytes: Buffer, rooms: number) => {
    raw.write(bytes)
    // One by one: what stands behind a fragment is the library's too.
    await eventually(async () => (await gateway.symple.rooms()).rooms.length === rooms, 'the room')
  }
  await say(frame('{"type":"auth","user":"alice","rooms":["lobby"]}'), 1)
  const seen: string[] = []
  sockets[0]!.on('message', (data: Buffer) => { seen.push(String(data)) })
  await say(Buffer.concat([oddFrame('{"type":"join",', { fin: false }), oddFrame('"room":"den"}', { opcode: 0 })]), 2)
  await say(frame('{"type":"join","room":"attic"}'), 3)
  await say(frame('{"type":"leave","room":"attic"}'), 2)
  return seen.length === 1 ? 'fragments' : seen.length === 3 ? 'all' : seen.join()
}

async function startGateway (
  t: Test, options: object
): Promise<{ gateway: FastifyInstance, port: number, url: string }> {
  const gateway = Fastify()
  t.teardown(() => gateway.close())
  await gateway.register(websocket, { options })
  await gateway.register(symple, { env: false })
  await gateway.listen({ host: '127.0.0.1', port: 0 })
  const { port } = gateway.server.address() as AddressInfo
  return { gateway, port, url: `ws://127.0.0.1:${port}` }
}
