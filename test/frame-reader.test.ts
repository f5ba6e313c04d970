import { createRequire } from 'node:module'
import type { Writable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { FrameReader } from '../plugins/frame-reader.js'
import { framed, wireOf } from './fuzz/wire.js'
import { CLOSE, cut, frame, oddFrame, TEXT } from './raw.js'
import { PING, PONG } from './raw-frames.js'
import { seed } from './seed.js'

const MAX_SIZE = 2000

interface ReceiverOptions { isServer: boolean, maxPayload: number }

// The types of the library know no options.
const { Receiver } = createRequire(import.meta.url)('ws') as { Receiver: new (options: ReceiverOptions) => Writable }

/** What the library reads, in words: nothing behind a close or an error. */
class Library {
  ended = false
  readonly #receiver: Writable

  constructor (readonly events: string[]) {
    const end = (event: string) => {
      events.push(event)
      this.ended = true
    }
    this.#receiver = new Receiver({ isServer: true, maxPayload: MAX_SIZE })
      .on('message', (data: Buffer, binary: boolean) => { events.push(worded(data, binary)) })
      .on('ping', (data: Buffer) => { events.push(`ping ${data.toString('hex')}`) })
      .on('pong', (data: Buffer) => { events.push(`pong ${data.toString('hex')}`) })
      .on('conclude', (code: number, reason: Buffer) => { end(`close ${code} ${reason.toString('hex')}`) })
      .on('error', (error: Error & { code?: string }) => { end(`error ${error.code}`) })
  }

  push (bytes: Buffer): void {
    this.#receiver.write(bytes)
  }
}

function worded (data: Buffer, binary: boolean): string {
  return `${binary ? 'binary' : 'text'} ${data.toString('hex')}`
}

/** How many messages came past the library. */
interface Reading { events: string[], past: number }

async function read (chunks: readonly Buffer[]): Promise<Reading> {
  const reading: Reading = { events: [], past: 0 }
  const library = new Library(reading.events)
  const reader = new FrameReader({
    paused: false,
    message: (payload, binary) => {
      reading.past++
      reading.events.push(worded(payload, binary))
    },
    handOver: bytes => { library.push(bytes) }
  }, MAX_SIZE)
  await feed(chunks, library, chunk => { reader.push(chunk) })
  return reading
}

async function readByLibrary (chunks: readonly Buffer[]): Promise<string[]> {
  const library = new Library([])
  await feed(chunks, library, chunk => { library.push(chunk) })
  return library.events
}

/** The library's error comes a little after what is wrong, and before the next chunk. */
async function feed (chunks: readonly Buffer[], library: Library, push: (chunk: Buffer) => void): Promise<void> {
  for (const chunk of chunks) {
    if (library.ended) return
    push(Buffer.from(chunk))
    await new Promise(resolve => { setImmediate(resolve) })
  }
}

t.test('whatever comes, in whatever pieces, it is read as the library reads it', async t => {
  const message = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }).map(text => Buffer.from(text)),
    fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array)),
    fc.constantFrom(0, 125, 126, 127, 128, MAX_SIZE, MAX_SIZE + 1).map(length => Buffer.alloc(length, 'x'))
  )
  const parts = fc.oneof({ weight: 3, arbitrary: framed(message) }, { weight: 1, arbitrary: wireOf(message) })
  const wire = fc.array(parts, { maxLength: 20 })
  const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 100, max: 5000 }))
  const cuts = fc.array(size, { minLength: 1, maxLength: 8 })
  let past = 0
  await fc.assert(fc.asyncProperty(wire, cuts, async (frames, sizes) => {
    const chunks = cut(Buffer.concat(frames), sizes)
    const reading = await read(chunks)
    past += reading.past
    const expected = await readByLibrary(chunks)
    if (expected.join('\n') !== reading.events.join('\n')) {
      throw new Error(`${reading.events.join('\n')}\nwhere the library reads\n${expected.join('\n')}`)
    }
  }), { seed, numRuns: 3000 })
  t.ok(past > 1000, `${past} messages came past the library`)
})

t.test('of a stream of messages that is cut anywhere, the library gets none', async t => {
  const stream = Buffer.concat(Array.from({ length: 300 }, (_, n) => frame('x'.repeat(n))))
  for (const size of [500, 1000, 4096, 65536]) {
    const { events, past } = await read(cut(stream, [size]))
    t.equal(events.length, 300)
    t.equal(past, 300)
  }
  t.equal((await read(cut(stream, [7]))).events.length, 300, 'nor is one lost that comes in crumbs')
})

t.test('what is paused waits for no second half', async t => {
  const handed: Buffer[] = []
  const owner = {
    paused: false,
    message: () => { owner.paused = true },
    handOver: (bytes: Buffer) => { handed.push(bytes) }
  }
  new FrameReader(owner, MAX_SIZE).push(Buffer.concat([frame('1'), frame('2').subarray(0, 3)]))
  t.strictSame(handed.map(bytes => bytes.length), [3])
})

t.test('messages keep their place among what the library reads', async t => {
  const chunk = Buffer.concat([
    frame('1'), frame('2', PING), frame('3'),
    oddFrame('4', { fin: false }), frame('5', PONG), oddFrame('6', { opcode: 0 }), frame('7'),
    frame('', TEXT), oddFrame('8', { masked: true, length: 1n, lengthBytes: 8 }), frame('', CLOSE), frame('9')
  ])
  for (const size of [1, 2, 3, 7, 1000]) {
    const { events, past } = await read(cut(chunk, [size]))
    const hex = (text: string) => Buffer.from(text).toString('hex')
    t.strictSame(events, [
      `text ${hex('1')}`, `ping ${hex('2')}`, `text ${hex('3')}`, `pong ${hex('5')}`, `text ${hex('46')}`,
      `text ${hex('7')}`, 'text ', `text ${hex('8')}`, 'close 1005 '
    ])
    // The library gets the rest of the chunk in which it gets something.
    if (size === 1000) t.equal(past, 1)
  }
})
