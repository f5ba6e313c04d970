import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { SocketConnection } from '../plugins/socket-connection.js'
import { directReads, writeDirectly } from '../plugins/tcp-handle.js'
import { encode } from '../src/core/frame.js'
import { connect as connectClient, eventually } from './helper.js'
import { startProcess } from './process.js'
import { Random, seed } from './seed.js'

const nobody = { written: () => {} }

/** Two ends of a connection. */
async function pair (t: Test): Promise<{ here: Socket, there: Socket }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const there = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [here] = await once(server, 'connection') as [Socket]
  t.teardown(() => {
    there.destroy()
    here.destroy()
    server.close()
  })
  for (const socket of [here, there]) socket.on('error', () => {})
  return { here, there }
}

/** Has the stream of a socket write, which shows how that is done. */
async function warmUp (t: Test): Promise<void> {
  const { here, there } = await pair(t)
  writeDirectly(here, Buffer.from('?'), nobody)
  here.write(Buffer.from('!'))
  await once(there, 'data')
}

async function pauseFor (socket: Socket, turns: number): Promise<void> {
  socket.pause()
  for (let i = 0; i < turns; i++) await nextTurn()
  socket.resume()
  // Once more, before it has begun to.
  if (turns === 2) await pauseFor(socket, 1)
}

function patterned (length: number, random: Random): Buffer {
  const first = random.below(256)
  return Buffer.from(Uint8Array.from({ length }, (_, i) => first + i))
}

t.test('what is read goes past the stream, piece by piece, and waits while the socket is paused', async t => {
  const { here, there } = await pair(t)
  const random = new Random(seed)
  const heard: Buffer[] = []
  // What came while it was paused, and its order among the rest.
  here.on('data', bytes => { heard.push(bytes) })
  const readDirectly = directReads(function (bytes) {
    t.equal(this, here)
    t.notOk(here.isPaused())
    heard.push(Buffer.from(bytes))
    if (random.oneIn(3)) pauseFor(here, random.below(4))
  })
  t.ok(readDirectly(here), 'it can')
  t.notOk(readDirectly(here), 'once only')
  here.resume()
  const sent = Array.from({ length: 200 }, () => patterned(random.below(100_000), random))
  for (const bytes of sent) {
    there.write(bytes)
    if (random.oneIn(3)) await nextTurn()
  }
  there.end()
  await once(here, 'end')
  t.ok(Buffer.concat(heard).equals(Buffer.concat(sent)), 'all is there, in order')
})

t.test('sockets share the memory, and none gets what another has read', async t => {
  const ends = await Promise.all(Array.from({ length: 20 }, async () => await pair(t)))
  const heard = ends.map(() => '')
  for (const [i, { here }] of ends.entries()) {
    directReads(bytes => { heard[i] += bytes.toString('latin1') })(here)
    here.resume()
  }
  const sent = ends.map((_, i) => `${i},`.repeat(3000))
  for (let at = 0; at < sent[0]!.length; at += 1000) {
    for (const [i, { there }] of ends.entries()) there.write(sent[i]!.slice(at, at + 1000))
    await nextTurn()
  }
  for (const [i, { there }] of ends.entries()) there.end(sent[i]!.slice(Math.ceil(sent[0]!.length / 1000) * 1000))
  await Promise.all(ends.map(async ({ here }) => await once(here, 'end')))
  t.strictSame(heard, sent)
})

t.test('who goes while the socket is paused is noticed, and a head that was unshifted comes first', async t => {
  const heard: string[] = []
  const readDirectly = directReads(bytes => { heard.push(String(bytes)) })
  for (const how of ['end', 'resetAndDestroy'] as const) {
    const { here, there } = await pair(t)
    readDirectly(here)
    here.resume()
    await nextTurn()
    here.pause()
    there[how]()
    await eventually(() => here.readableEnded || here.destroyed, 'the end')
  }
  const { here, there } = await pair(t)
  here.unshift(Buffer.from('head'))
  here.on('data', bytes => { heard.push(String(bytes)) })
  readDirectly(here)
  here.resume()
  here.pause()
  there.write('body')
  await eventually(() => here.readableLength === 8, 'the body')
  t.strictSame(heard, [])
  here.resume()
  await eventually(() => heard.join('') === 'headbody', 'both')
})

t.test('what is written arrives in order, by whichever way, whatever the kernel takes at once', async t => {
  await warmUp(t)
  const { here, there } = await pair(t)
  const random = new Random(seed)
  const heard: Buffer[] = []
  there.on('data', bytes => {
    heard.push(bytes)
    if (!random.oneIn(4)) return
    there.pause()
    nextTurn().then(() => { there.resume() })
  })
  const sent: Buffer[] = []
  const some = (most: number) => {
    const bytes = patterned(random.below(most), random)
    sent.push(bytes)
    return bytes
  }
  for (let i = 0; i < 20; i++) {
    let told = 0
    let waiting: number | undefined = 0
    while (waiting === 0) {
      const bytes = some(random.oneIn(5) ? 1_000_000 : 1000)
      waiting = writeDirectly(here, bytes, { written: () => { told++ } })
      t.ok(waiting !== undefined && waiting <= bytes.length, 'no more waits than was written')
    }
    // Behind it, in pieces that may overtake nothing.
    for (let j = random.below(5); j > 0; j--) {
      const bytes = some(1000)
      if (random.oneIn(2)) await nextTurn()
      if (random.oneIn(2) || writeDirectly(here, bytes, nobody) === undefined) here.write(bytes)
    }
    await eventually(() => told > 0 && here.writableLength === 0, 'an end of the wait')
    t.equal(told, 1, 'told once')
  }
  here.end()
  await once(there, 'end')
  t.ok(Buffer.concat(heard).equals(Buffer.concat(sent)), 'all is there, in order')
})

t.test('many sockets that have to wait at once are each told of their own', async t => {
  await warmUp(t)
  const ends = await Promise.all(Array.from({ length: 8 }, async () => await pair(t)))
  const random = new Random(seed)
  const bytes = patterned(400_000, random)
  const told = ends.map(() => 0)
  const sent = ends.map(() => 0)
  for (let waiting = 0; waiting < ends.length;) {
    waiting = 0
    for (const [i, { here }] of ends.entries()) {
      const left = writeDirectly(here, bytes, { written: () => { told[i]!++ } })
      if (left === undefined || left > 0) waiting++
      if (left !== undefined) sent[i]! += bytes.length
    }
  }
  const read = ends.map(() => 0)
  for (const [i, { there }] of ends.entries()) there.on('data', part => { read[i]! += part.length })
  await eventually(() => read.every((count, i) => count === sent[i]), 'all')
  await eventually(() => told.every(count => count === 1), 'word of it')
})

t.test('a write of which Node is not done, though nothing waits, keeps no other from going on', async t => {
  await warmUp(t)
  const busy = await pair(t)
  const held: object[] = []
  // The kernel takes the rest when it is asked once more: as if that had been so at once.
  interface Handle { writeBuffer (request: object | null, bytes: Buffer): unknown }
  const handle = (busy.here as unknown as { _handle: Handle })._handle
  const { writeBuffer } = handle
  let waiting: number | undefined = 0
  while (waiting === 0) waiting = writeDirectly(busy.here, Buffer.alloc(1e6), nobody)
  handle.writeBuffer = function (request, bytes) {
    if (request !== null) held.push(request)
    return writeBuffer.call(this, request, bytes)
  }
  Object.defineProperty(handle, 'writeQueueSize', { value: 0 })
  writeDirectly(busy.here, Buffer.alloc(10), nobody)
  writeDirectly(busy.here, Buffer.alloc(10), nobody)
  t.equal(new Set(held).size, held.length, 'each has a request of its own')
  busy.there.resume()
  const other = await pair(t)
  t.equal(writeDirectly(other.here, Buffer.from('hello'), nobody), 0)
  t.equal(String((await once(other.there, 'data'))[0]), 'hello')
})

t.test('a connection counts what waits below its stream, and has it known when that has left', async t => {
  await warmUp(t)
  const server = createHttpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const upgraded = once(server, 'upgrade') as Promise<[IncomingMessage, Socket, Buffer]>
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => { client.terminate() })
  const [request, socket, head] = await upgraded
  const ws = await new Promise<WebSocket>(resolve => {
    new WebSocketServer({ noServer: true }).handleUpgrade(request, socket, head, resolve)
  })
  await once(client, 'open')
  const connection = new SocketConnection(ws, socket)
  const frame = encode({ text: 'x'.repeat(100_000) })
  let drains = 0
  socket.on('drain', () => { drains++ })
  for (const hasStreamMore of [false, true]) {
    client.pause()
    drains = 0
    let unsent = 0
    while (unsent === 0) {
      t.equal(connection.congested, false)
      unsent = connection.write(frame)
    }
    t.equal(socket.writableLength, 0, 'the stream knows nothing of it')
    t.equal(connection.congested, true)
    t.equal(connection.buffered, unsent)
    if (hasStreamMore) t.equal(connection.write(frame), unsent + frame.length, 'what the stream has counts too')
    client.resume()
    await eventually(() => drains > 0 && connection.buffered === 0, 'that all has left')
    t.equal(connection.congested, false)
  }
})

t.test('a connection that breaks ends the socket, and nobody is told that all has left', async t => {
  await warmUp(t)
  const { here, there } = await pair(t)
  const bytes = Buffer.alloc(1e6)
  let waiting: number | undefined = 0
  while (waiting === 0) waiting = writeDirectly(here, bytes, { written: () => { t.fail('it has not') } })
  t.equal(writeDirectly(here, bytes, nobody), undefined, 'nothing overtakes what waits')
  there.resetAndDestroy()
  await eventually(() => here.closed, 'the end')
  t.match(here.errored, { syscall: 'write', code: /^E(?:PIPE|CONNRESET)$/ })

  const other = await pair(t)
  other.there.resetAndDestroy()
  await once(other.there, 'close')
  await eventually(() => {
    writeDirectly(other.here, bytes.subarray(0, 10), nobody)
    return other.here.destroyed
  }, 'an error')
  t.match(other.here.errored, { syscall: 'write', code: /^E(?:PIPE|CONNRESET)$/ })
  t.equal(writeDirectly(other.here, bytes, nobody), undefined, 'a socket that has gone takes nothing')
})

const missing = {
  'a Node that is newer than all that are known': "Object.defineProperty(process.versions, 'node', { value: '99.0.0' })",
  'a Node whose handles can do less': `
    const { TCP } = process.binding('tcp_wrap')
    for (const part of ['useUserBuffer', 'writeQueueSize']) Object.defineProperty(TCP.prototype, part, { value: undefined })`
}
for (const [what, script] of Object.entries(missing)) {
  t.test(`${what}: the streams do it`, async t => {
    const server = await startProcess(t, { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` })
    const a = await connectClient(t, server.url, { user: 'a', rooms: ['lobby'] })
    const b = await connectClient(t, server.url, { user: 'b', rooms: ['lobby'] })
    for (let i = 0; i < 100; i++) a.send({ type: 'message', to: 'b', text: 'x'.repeat(i * 600), i })
    a.send({ type: 'message', to: 'b', last: true })
    await b.find(frame => frame['last'] === true)
    const numbers = b.frames.filter(({ type }) => type === 'message').map(frame => frame['i'])
    t.strictSame(numbers, [...Array(100).keys(), undefined])
  })
}
