import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { decodePacket, encodeEntry, encodePacket, ENVELOPE_VERSION, type Entry } from '../../src/core/envelope.js'
import type { Json } from '../../src/core/json.js'
import { seed } from '../seed.js'

const text = fc.string({ unit: 'grapheme' })
const payload = fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes))
const member = fc.record({ id: text, record: text })
const place = text
const json = fc.jsonValue() as fc.Arbitrary<Json>
const to = fc.oneof(fc.constant(null), text, fc.array(text, { maxLength: 5 }))

const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({ kind: fc.constantFrom('enter' as const, 'move' as const), places: fc.array(place), member }),
  fc.record({ kind: fc.constant('exit' as const), places: fc.option(fc.array(place)), id: text }),
  fc.record({
    kind: fc.constant('list' as const), place, members: fc.array(member), yours: text, answer: fc.constant(true as const)
  }, { requiredKeys: ['kind', 'place', 'members'] }),
  fc.record({ kind: fc.constant('check' as const), place, mine: text, yours: text }),
  fc.record({ kind: fc.constant('ask' as const), place }),
  fc.record({ kind: fc.constant('route' as const), from: text, to, payload }),
  fc.record({ kind: fc.constant('publish' as const), member, payload }),
  fc.record({ kind: fc.constant('request' as const), id: fc.nat(), call: fc.dictionary(text, json) }),
  fc.record({ kind: fc.constant('reply' as const), id: fc.nat(), result: json, failed: fc.constant(true as const) }, {
    requiredKeys: ['kind', 'id', 'result']
  })
)
const entries = fc.array(entry, { maxLength: 8 })
const packetOf = (entries: readonly Entry[]): Buffer => encodePacket(entries.map(encodeEntry))

/** The same with plain objects throughout, and payloads as text, so that they can be compared. */
function plain (entries: readonly Entry[] | undefined): unknown {
  return entries?.map(entry => JSON.parse(JSON.stringify(entry, (key, value: unknown) =>
    key === 'payload' ? Buffer.from((value as { data: number[] }).data).toString('hex') : value)) as unknown)
}

const ask: Entry = { kind: 'ask', place: 'room:lobby' }

/** An entry as another program could make it. */
function loose (head: unknown, payload = Buffer.alloc(0)): Buffer {
  const json = Buffer.from(typeof head === 'string' ? head : JSON.stringify(head))
  const sizes = Buffer.alloc(8)
  sizes.writeUInt32BE(json.length, 0)
  sizes.writeUInt32BE(payload.length, 4)
  return Buffer.concat([sizes, json, payload])
}

t.test('decodes what it encodes', async () => {
  fc.assert(fc.property(entries, entries => {
    assert.deepEqual(plain(decodePacket(packetOf(entries))), plain(entries))
  }), { seed, numRuns: 500 })
})

t.test('encodes an entry once for any number of packets', async () => {
  fc.assert(fc.property(entry, entry, (one, other) => {
    const [a, b] = [encodeEntry(one), encodeEntry(other)]
    assert.deepEqual(plain(decodePacket(encodePacket([a]))), plain([one]))
    assert.deepEqual(plain(decodePacket(encodePacket([b, a, b]))), plain([other, one, other]))
  }), { seed })
})

t.test('ignores packets of versions that it does not know', async t => {
  const packet = packetOf([ask])
  for (let version = 0; version < 256; version++) {
    packet[0] = version
    t.equal(decodePacket(packet) === undefined, version !== ENVELOPE_VERSION, `version ${version}`)
  }
  t.equal(decodePacket(Buffer.alloc(0)), undefined)
  t.strictSame(decodePacket(encodePacket([])), [])
})

t.test('takes a packet that was cut off for what it says before, or for nothing', async () => {
  fc.assert(fc.property(entries, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (entries, part) => {
    const packet = packetOf(entries)
    const cut = packet.subarray(0, Math.floor(packet.length * part))
    const decoded = decodePacket(cut)
    const ends = entries.map((_, i) => packetOf(entries.slice(0, i)).length)
    if (ends.includes(cut.length)) assert.deepEqual(plain(decoded), plain(entries.slice(0, ends.indexOf(cut.length))))
    else assert.equal(decoded, undefined)
  }), { seed, numRuns: 500 })
})

t.test('never throws, whatever became of a packet', async () => {
  const change = fc.tuple(fc.nat(), fc.nat({ max: 255 }))
  fc.assert(fc.property(entries, fc.array(change, { maxLength: 10 }), (entries, changes) => {
    const packet = packetOf(entries)
    for (const [at, byte] of changes) packet[at % packet.length] = byte
    decodePacket(packet)
  }), { seed, numRuns: 1000 })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
    decodePacket(Buffer.from(bytes))
    decodePacket(Buffer.from([ENVELOPE_VERSION, ...bytes]))
  }), { seed, numRuns: 1000 })
})

t.test('leaves out entries that are none, and takes those beside them', async t => {
  const member = { id: 'a', record: '{}' }
  const wrong: unknown[] = [
    '', '{', 'null', '7', '"ask"', '[]', '[{"kind":"ask","place":"x"}]', {}, { kind: 'hello' }, { kind: 7 }, { kind: ['ask'], place: 'x' },
    { kind: 'ask' }, { kind: 'ask', place: 7 }, { kind: 'ask', place: null },
    { kind: 'enter', places: ['x'] }, { kind: 'enter', places: 'x', member }, { kind: 'enter', places: [7], member },
    { kind: 'enter', places: null, member }, { kind: 'enter', places: ['x'], member: { id: 'a' } },
    { kind: 'enter', places: ['x'], member: { id: 7, record: '' } }, { kind: 'enter', places: ['x'], member: [] },
    { kind: 'move', places: ['x'] }, { kind: 'move', member }, { kind: 'move', places: [7], member },
    { kind: 'exit', id: 'a' }, { kind: 'exit', places: ['x'] }, { kind: 'exit', places: [null], id: 'a' }, { kind: 'exit', places: null, id: 7 },
    { kind: 'list', place: 'x' }, { kind: 'list', place: 'x', members: {} }, { kind: 'list', place: 'x', members: [member, 7] },
    { kind: 'list', members: [] }, { kind: 'check', place: 'x', mine: '' }, { kind: 'check', place: 'x', yours: '' },
    { kind: 'check', mine: '', yours: '' }, { kind: 'route', from: 'a' }, { kind: 'route', to: null },
    { kind: 'route', from: 'a', to: 7 }, { kind: 'route', from: 'a', to: {} }, { kind: 'route', from: 'a', to: ['x', 7] },
    { kind: 'publish' }, { kind: 'publish', member: null }, { kind: 'publish', member: { id: 'a', record: {} } }
  ]
  for (const head of wrong) {
    const packet = encodePacket([encodeEntry(ask), loose(head, Buffer.from('payload')), encodeEntry(ask)])
    t.strictSame(decodePacket(packet), [ask, ask], JSON.stringify(head))
  }
})

t.test('takes entries of a later kind of node without what it does not know', async t => {
  t.strictSame(decodePacket(encodePacket([loose({ ...ask, more: 1 }, Buffer.from('x'))])), [ask])
  const list = { kind: 'list', place: 'x', members: [], yours: 7, answer: 'yes' }
  t.strictSame(decodePacket(encodePacket([loose(list)])), [{ kind: 'list', place: 'x', members: [] }])
})

t.test('holds sizes to be nonsense that reach past the end', async t => {
  for (const [head, payload] of [[2 ** 32 - 1, 0], [0, 2 ** 32 - 1], [2 ** 32 - 1, 2 ** 32 - 1], [1, 0], [0, 1]]) {
    const sizes = Buffer.alloc(8)
    sizes.writeUInt32BE(head!, 0)
    sizes.writeUInt32BE(payload!, 4)
    t.equal(decodePacket(encodePacket([encodeEntry(ask), sizes])), undefined)
  }
})
