import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { readDirectly, writeDirectly } from '../plugins/tcp-handle.js'
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

function patterned (length: number, random: Random): Buffer {
  const first = random.below(256)
  return Buffer.from(Uint8Array.from({ length }, (_, i) => first + i))
}

t.test('what is read goes past the stream, piece by piece, and waits while the socket is paused', async t => {
  const { here, there } = await pair(t)
  const random = new Random(seed)
  const heard: Buffer[] = []
  here.on('data', () => { t.fail('it came by the stream') })
  t.ok(readDirectly(here, function (size, memory) {
    t.equal(this, here)
    heard.push(Buffer.from(memory.subarray(0, size)))
    if (!random.oneIn(3)) return
    here.pause()
    nextTurn().then(() => {
      t.equal(here.isPaused(), true)
      here.resume()
    })
  }), 'it can')
  t.notOk(readDirectly(here, () => {}), 'once only')
  here.resume()
  const sent = Array.from({ length: 200 }, () => patterned(random.below(100_000), random))
  for (const bytes of sent) there.write(bytes)
  there.end()
  await once(here, 'end')
  t.ok(Buffer.concat(heard).equals(Buffer.concat(sent)), 'all is there, in order')
})

t.test('sockets share the memory, and none gets what another has read', async t => {
  const ends = await Promise.all(Array.from({ length: 20 }, async () => await pair(t)))
  const heard = ends.map(() => '')
  for (const [i, { here }] of ends.entries()) {
    readDirectly(here, (size, memory) => { heard[i] += memory.toString('latin1', 0, size) })
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
