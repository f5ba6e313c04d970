import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { encode, type Frame } from '../../src/core/frame.js'
import { Outbox, type Batch, type Receiver } from '../../src/core/outbox.js'
import { CLIENT_TYPES } from '../../src/core/protocol.js'
import { Stats } from '../../src/core/stats.js'
import { FakeConnection } from '../fake-connection.js'
import { seed } from '../seed.js'

class FakeReceiver implements Receiver {
  readonly connection = new FakeConnection()
  dirty = false
  pending: Batch | null = null
  allowance = 0
}

/** An outbox, with those whom it found too slow. */
function setUp (maxBuffered = Infinity) {
  const slow: FakeReceiver[] = []
  const stats = new Stats(CLIENT_TYPES)
  const outbox = new Outbox<FakeReceiver>(maxBuffered, stats, receiver => {
    slow.push(receiver)
    receiver.connection.terminate()
  })
  return { outbox, slow, stats }
}

const turn = () => new Promise(resolve => { setImmediate(resolve) })

function numbered (n: number, size = 0): Frame {
  return encode({ n, pad: '-'.repeat(size) })
}

function numbers (receiver: FakeReceiver): unknown[] {
  return receiver.connection.frames.map(frame => frame['n'])
}

t.test('writes what comes in one turn at its end, in order, with one write for each receiver', async t => {
  const { outbox, stats } = setUp()
  const [one, other, idle] = [new FakeReceiver(), new FakeReceiver(), new FakeReceiver()]
  for (let n = 0; n < 10; n++) {
    outbox.push(one, numbered(n))
    if (n % 2 === 0) outbox.push(other, numbered(n))
  }
  t.strictSame([one.connection.writes.length, other.connection.writes.length], [0, 0])
  await turn()
  t.strictSame(numbers(one), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.strictSame(numbers(other), [0, 2, 4, 6, 8])
  t.strictSame([one, other, idle].map(receiver => receiver.connection.writes.length), [1, 1, 0])
  t.equal(stats.bytesOut, one.connection.writes[0]!.length + other.connection.writes[0]!.length)
  await turn()
  t.equal(one.connection.writes.length, 1, 'once')
})

t.test('shares one buffer among receivers of the same frames', async t => {
  const { outbox } = setUp()
  const receivers = Array.from({ length: 5 }, () => new FakeReceiver())
  for (let n = 0; n < 3; n++) {
    const frame = numbered(n)
    for (const receiver of receivers) outbox.push(receiver, frame)
  }
  await turn()
  const [first] = receivers[0]!.connection.writes
  for (const receiver of receivers) {
    t.strictSame(numbers(receiver), [0, 1, 2])
    t.equal(receiver.connection.writes[0], first)
  }
})

t.test('gives each receiver its own frames, where some are for all and some are not', async t => {
  const { outbox } = setUp()
  const receivers = Array.from({ length: 4 }, () => new FakeReceiver())
  const expected = receivers.map((): number[] => [])
  for (let n = 0; n < 200; n++) {
    const frame = numbered(n)
    receivers.forEach((receiver, i) => {
      if ((n >> i) % 2 === 1) return
      outbox.push(receiver, frame)
      expected[i]!.push(n)
    })
  }
  await turn()
  receivers.forEach((receiver, i) => { t.strictSame(numbers(receiver), expected[i]) })
})

t.test('writes before the turn ends once much waits', async t => {
  const { outbox } = setUp()
  const one = new FakeReceiver()
  for (let n = 0; n < 5; n++) outbox.push(one, numbered(n, 16 * 1024))
  t.strictSame(numbers(one), [0, 1, 2, 3])
  await turn()
  t.strictSame(numbers(one), [0, 1, 2, 3, 4])
})

t.test('holds back what is little while a socket asks to wait, and writes it when it has room', async t => {
  const { outbox } = setUp(1e6)
  const one = new FakeReceiver()
  one.connection.congested = true
  outbox.push(one, numbered(1))
  await turn()
  outbox.push(one, numbered(2))
  await turn()
  t.strictSame(numbers(one), [])
  one.connection.congested = false
  outbox.flushOne(one)
  t.strictSame(numbers(one), [1, 2])
  t.equal(one.connection.writes.length, 1)
})

t.test('saves up for a socket that asks to wait no more than one large write', async t => {
  const { outbox, slow } = setUp(1e6)
  const one = new FakeReceiver()
  one.connection.congested = true
  for (let n = 0; n < 4; n++) {
    outbox.push(one, numbered(n, 20 * 1024))
    await turn()
  }
  t.strictSame(numbers(one), [0, 1, 2, 3])
  t.equal(one.connection.writes.length, 1)
  t.strictSame(slow, [])
})

t.test('tells of a receiver for which more waits than may, and of no other', async t => {
  const { outbox, slow } = setUp(100_000)
  const [one, other] = [new FakeReceiver(), new FakeReceiver()]
  one.connection.congested = true
  one.connection.buffered = 99_000
  const frame = numbered(1, 500)
  outbox.push(one, frame)
  outbox.push(other, frame)
  await turn()
  t.strictSame(slow, [], 'up to the limit')
  const next = numbered(2, 500)
  outbox.push(one, next)
  outbox.push(other, next)
  await turn()
  t.strictSame(slow, [one])
  t.strictSame(numbers(other), [1, 2])
  outbox.push(one, next)
  await turn()
  t.strictSame([slow.length, one.pending], [1, null], 'nothing is kept for it')
})

t.test('tells of a receiver whose socket takes the bytes and does not send them', async t => {
  const { outbox, slow } = setUp(100_000)
  const one = new FakeReceiver()
  one.connection.buffered = 100_001
  outbox.push(one, numbered(1))
  await turn()
  t.strictSame(slow, [one])
})

const SNAPSHOT = Array.from({ length: 100 }, (_, n) => numbered(n, 10_000))
const SNAPSHOT_SIZE = SNAPSHOT.reduce((sum, { length }) => sum + length, 0)

/** A receiver that reads nothing. @param buffered bytes that wait in its socket */
function stuck (buffered: number): FakeReceiver {
  const receiver = new FakeReceiver()
  const { connection } = receiver
  connection.congested = true
  connection.buffered = buffered
  connection.write = frames => {
    connection.buffered += frames.length
    return connection.buffered
  }
  return receiver
}

/** Peers that come online with these frames. */
const online = (frames: readonly Buffer[]) => frames.map(onlineFrame => ({ onlineFrame }))

t.test('counts a snapshot for nothing until it has left, and copies it when there is room', async t => {
  const { outbox, slow } = setUp(100_000)
  const one = new FakeReceiver()
  one.connection.congested = true
  outbox.pushSnapshot(one, online(SNAPSHOT))
  await turn()
  t.strictSame([slow.length, one.connection.writes.length, one.pending?.size], [0, 0, SNAPSHOT_SIZE])
  Object.assign(one.connection, { congested: false, buffered: 0 })
  outbox.flushOne(one)
  t.strictSame(numbers(one), SNAPSHOT.map((_, n) => n))
  // All of it waits in the socket.
  Object.assign(one.connection, { congested: true, buffered: SNAPSHOT_SIZE })
  outbox.push(one, numbered(100, 95_000))
  await turn()
  t.strictSame(slow, [])
  // It has left, and the limit is that of all.
  Object.assign(one.connection, { congested: false, buffered: 0 })
  outbox.push(one, numbered(101))
  await turn()
  Object.assign(one.connection, { congested: true, buffered: 95_000 })
  outbox.push(one, numbered(102, 10_000))
  await turn()
  t.strictSame(slow, [one])
})

t.test('cuts who does not read a snapshot, and has more waiting beside it than may', async t => {
  const { outbox, slow } = setUp(100_000)
  const one = stuck(50_000)
  outbox.pushSnapshot(one, online(SNAPSHOT))
  outbox.push(one, numbered(100, 40_000))
  await turn()
  t.strictSame(slow, [])
  outbox.push(one, numbered(101, 20_000))
  await turn()
  t.strictSame([slow, one.pending], [[one], null])
})

t.test('counts of several snapshots the largest for nothing, and the others as what they are', async t => {
  for (const [snapshots, cut] of [
    [[SNAPSHOT.slice(0, 50), SNAPSHOT], true],
    [[SNAPSHOT, SNAPSHOT.slice(0, 50)], true],
    [[SNAPSHOT.slice(0, 5), SNAPSHOT], false],
    [[SNAPSHOT, SNAPSHOT.slice(0, 5)], false]
  ] as const) {
    const { outbox, slow } = setUp(100_000)
    const one = stuck(1000)
    for (const snapshot of snapshots) {
      outbox.pushSnapshot(one, online(snapshot))
      await turn()
    }
    t.equal(slow.length, cut ? 1 : 0)
  }
})

t.test('writes what waits when the connection is about to close, whatever its socket says', async t => {
  const { outbox } = setUp(1e6)
  const one = new FakeReceiver()
  one.connection.congested = true
  outbox.push(one, numbered(1))
  outbox.finish(one)
  t.strictSame(numbers(one), [1])
  await turn()
  t.strictSame(numbers(one), [1])
})

t.test('writes nothing to a connection that is closing', async t => {
  const { outbox } = setUp()
  const [one, other] = [new FakeReceiver(), new FakeReceiver()]
  one.connection.open = false
  outbox.push(one, numbered(1))
  outbox.push(other, numbered(1))
  other.connection.open = false
  await turn()
  outbox.finish(other)
  t.strictSame([numbers(one), numbers(other)], [[], []])
  t.strictSame([one.pending, other.pending], [null, null])
})

t.test('loses, doubles and reorders nothing, however sockets stall and recover', async () => {
  const receiver = fc.nat(3)
  const size = fc.constantFrom(0, 0, 0, 30_000, 70_000)
  const event = fc.oneof(
    { weight: 8, arbitrary: fc.record({ push: fc.uniqueArray(receiver), size }) },
    { weight: 2, arbitrary: fc.record({ snapshot: receiver, size }) },
    { weight: 2, arbitrary: fc.record({ stall: receiver }) },
    { weight: 2, arbitrary: fc.record({ drain: receiver }) },
    { weight: 2, arbitrary: fc.constant('turn' as const) }
  )
  await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 60 }), async events => {
    const { outbox, slow } = setUp()
    const receivers = Array.from({ length: 4 }, () => new FakeReceiver())
    const expected = receivers.map((): number[] => [])
    const drain = (i: number) => {
      receivers[i]!.connection.congested = false
      outbox.flushOne(receivers[i]!)
    }
    for (const [n, event] of events.entries()) {
      if (event === 'turn') {
        await turn()
      } else if ('push' in event) {
        const frame = numbered(n, event.size)
        for (const i of event.push) {
          outbox.push(receivers[i]!, frame)
          expected[i]!.push(n)
        }
      } else if ('snapshot' in event) {
        const frame = numbered(n, event.size)
        outbox.pushSnapshot(receivers[event.snapshot]!, online([frame, frame]))
        expected[event.snapshot]!.push(n, n)
      } else if ('stall' in event) {
        receivers[event.stall]!.connection.congested = true
      } else {
        drain(event.drain)
      }
    }
    await turn()
    for (const i of receivers.keys()) drain(i)
    assert.deepEqual(receivers.map(numbers), expected)
    assert.deepEqual(slow, [])
  }), { seed, numRuns: 200 })
})
