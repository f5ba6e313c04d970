import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { SympleError } from '../../src/core/errors.js'
import type { JsonObject } from '../../src/core/json.js'
import { resolveLimits } from '../../src/core/limits.js'
import {
  decode, isAddressable, isName, parseAuth, parsePresence, parseRecipients, parseRoom
} from '../../src/core/protocol.js'
import { seed } from '../seed.js'

const limits = resolveLimits()

/** The status with which something is refused; undefined: it is not. */
function statusOf (attempt: () => unknown): number | undefined {
  try {
    attempt()
    return undefined
  } catch (error) {
    assert.ok(error instanceof SympleError, `not a SympleError: ${String(error)}`)
    return error.status
  }
}

t.test('reads a JSON object from text and from binary frames', t => {
  for (const binary of [false, true]) {
    const { message, text } = decode(Buffer.from(' {"type":"message","x":"☃"} '), binary)
    t.strictSame(message, { type: 'message', x: '☃' })
    t.equal(text, ' {"type":"message","x":"☃"} ')
  }
  t.end()
})

t.test('refuses what is no JSON object with 400', t => {
  for (const text of ['', ' ', 'x', '{', '{}}', '{"a":}', "{'a':1}", '[]', '[{}]', 'null', '1', '"{}"', 'true', '\ufeff{}', '{"a":NaN}']) {
    t.equal(statusOf(() => decode(Buffer.from(text), false)), 400, JSON.stringify(text))
  }
  t.equal(statusOf(() => decode(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), true)), 400, 'no UTF-8')
  t.end()
})

t.test('refuses what is nested more than 512 deep with 400', t => {
  const nested = (depth: number, open: string, close: string) => Buffer.from(`{"x":${open.repeat(depth - 1)}0${close.repeat(depth - 1)}}`)
  for (const [open, close] of [['[', ']'], ['{"a":', '}'], ['[1,{"a":2,"b":', '}]']] as const) {
    const levels = open.startsWith('[1') ? 2 : 1
    const most = 1 + Math.floor(511 / levels)
    t.equal(statusOf(() => decode(nested(most, open, close), false)), undefined)
    t.equal(statusOf(() => decode(nested(most + 1, open, close), false)), 400)
  }
  t.end()
})

t.test('takes names of up to 256 bytes, and counts bytes, not characters', t => {
  const good = ['a', ' ', 'A b', '0', '😀', 'é', 'e\u0301', '\u00a0', '__proto__', 'x'.repeat(256), 'é'.repeat(128), '☃'.repeat(85)]
  const bad = ['', 'x'.repeat(257), 'é'.repeat(129), '☃'.repeat(86), '\0', 'a\nb', '\t', '\x1f', '\x7f', '\x80', '\x9f', '\ud800', 'a\udc00', '\ude00\ud83d']
  for (const name of good) t.ok(isAddressable(name, 256), JSON.stringify(name))
  for (const name of [...bad, undefined, null, 0, 1, true, [], ['a'], {}]) t.notOk(isName(name, 256), JSON.stringify(name))
  for (const name of ['|', 'a|b', '|a', 'a|']) {
    t.ok(isName(name, 256))
    t.notOk(isAddressable(name, 256), 'what stands in an address has no bar')
  }
  t.ok(isName('x'.repeat(100_000), Infinity))
  t.end()
})

t.test('takes what is null, and an empty user or name, as not given in auth', t => {
  const nothing = { user: undefined, name: undefined, token: undefined, rooms: [], data: {} }
  t.strictSame(parseAuth({ type: 'auth' }, limits), nothing)
  t.strictSame(parseAuth({ user: null, name: null, token: null, rooms: null, data: null }, limits), nothing)
  t.match(parseAuth({ user: '', name: '' }, limits), { user: undefined, name: undefined })
  t.end()
})

t.test('refuses an auth of which any field is wrong with 400', t => {
  const wrong: JsonObject[] = [
    { user: 1 }, { user: {} }, { user: ['a'] }, { user: false }, { user: 'a|b' }, { user: 'a\n' }, { user: 'x'.repeat(257) }, { user: '\ud800' },
    { name: 1 }, { name: {} }, { name: 'a\n' }, { name: 'x'.repeat(257) }, { name: '\udfff' },
    { token: 1 }, { token: {} }, { token: true }, { token: ['x'] },
    { rooms: 'lobby' }, { rooms: {} }, { rooms: 1 }, { rooms: [''] }, { rooms: [1] }, { rooms: ['a', null] }, { rooms: ['a|b'] }, { rooms: [['a']] }, { rooms: ['\u0007'] },
    { data: 1 }, { data: 'x' }, { data: [] }, { data: true }
  ]
  for (const fields of wrong) t.equal(statusOf(() => parseAuth({ user: 'alice', ...fields }, limits)), 400, JSON.stringify(fields))
  t.end()
})

t.test('takes auth data of up to 8 KiB as serialised', t => {
  const data = (size: number) => ({ x: 'é'.repeat(10) + '-'.repeat(size - 28) })
  t.equal(Buffer.byteLength(JSON.stringify(data(8192))), 8192)
  t.equal(statusOf(() => parseAuth({ data: data(8192) }, limits)), undefined)
  t.equal(statusOf(() => parseAuth({ data: data(8193) }, limits)), 400)
  t.equal(statusOf(() => parsePresence({ data: data(8192) }, limits)), undefined)
  t.equal(statusOf(() => parsePresence({ data: data(8193) }, limits)), 413)
  const off = resolveLimits({ maxDataSize: 0 })
  t.equal(statusOf(() => parseAuth({ data: data(100_000) }, off)), undefined)
  t.equal(statusOf(() => parsePresence({ data: data(100_000) }, off)), undefined)
  t.end()
})

t.test('takes as recipients nothing, a name, or names', t => {
  t.strictSame([undefined, null, 'bob', 'bob|1', [], ['a', 'b']].map(to => parseRecipients(to, 2)), [null, null, 'bob', 'bob|1', [], ['a', 'b']])
  for (const to of ['', 0, 1, true, false, {}, { user: 'bob' }, [''], ['a', ''], ['a', 1], [null], [['a']]]) {
    t.equal(statusOf(() => parseRecipients(to, 9)), 400, JSON.stringify(to))
  }
  t.end()
})

t.test('refuses presence data that is no object with 400', t => {
  for (const data of ['', 'x', 0, 1, true, false, [], [{}]]) {
    t.equal(statusOf(() => parsePresence({ data }, limits)), 400, JSON.stringify(data))
  }
  t.equal(parsePresence({ data: null }, limits).data, undefined)
  t.equal(parsePresence({}, limits).data, undefined)
  t.end()
})

t.test('refuses a room that is no name with 400', t => {
  for (const room of [undefined, null, '', 1, [], ['a'], {}, 'a|b', 'x'.repeat(257), '\n', '\ud83d']) {
    t.equal(statusOf(() => parseRoom(room === undefined ? {} : { room }, limits)), 400, JSON.stringify(room))
  }
  t.equal(parseRoom({ room: 'lobby' }, limits), 'lobby')
  t.end()
})

// Whatever comes: it is understood or refused ------------------------------------------------------------------

/** All that can be read from a frame; throws where something is thrown that is no SympleError. */
function readAll (data: Buffer, binary: boolean): void {
  let message: JsonObject
  try {
    message = decode(data, binary).message
  } catch (error) {
    assert.ok(error instanceof SympleError)
    assert.equal(error.status, 400)
    return
  }
  for (const read of [
    () => parseAuth(message, limits), () => parsePresence(message, limits), () => parseRoom(message, limits),
    () => parseRecipients(message['to'], 9)
  ]) {
    assert.ok([undefined, 400, 413].includes(statusOf(read)))
  }
  assert.deepEqual(Object.keys(Object.prototype), [])
}

t.test('throws nothing but a SympleError, whatever bytes come', t => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, binary) => {
    readAll(Buffer.from(bytes), binary)
  }), { seed, numRuns: 2000 })
  t.end()
})

t.test('throws nothing but a SympleError, whatever JSON comes', t => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('', 'a|b', '\ud800', 'x'.repeat(300)), fc.array(fc.string()))
  const key = fc.oneof(
    fc.constantFrom('type', 'to', 'data', 'user', 'name', 'token', 'rooms', 'room', '__proto__', 'constructor'), fc.string()
  )
  const members = fc.array(fc.tuple(key, value), { maxLength: 8 })
  const member = ([key, value]: [string, unknown]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`
  const text = members.map(members => `{${members.map(member).join()}}`)
  fc.assert(fc.property(fc.oneof(text, fc.json()), text => {
    readAll(Buffer.from(text), false)
  }), { seed, numRuns: 2000 })
  t.end()
})

t.test('understands names exactly where their rules hold', t => {
  const unit = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 1 }), fc.constantFrom('|', '\n', '\x85', '\ud800', 'é', '☃', '😀')
  )
  const text = fc.array(unit, { maxLength: 90 }).map(units => units.join(''))
  fc.assert(fc.property(text, fc.integer({ min: 1, max: 256 }), (text, max) => {
    const codes = [...text].map(character => character.codePointAt(0)!)
    const holds = codes.length > 0 && new TextEncoder().encode(text).length <= max &&
      codes.every(code => code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && !(code >= 0xd800 && code <= 0xdfff))
    assert.equal(isName(text, max), holds)
    assert.equal(isAddressable(text, max), holds && !text.includes('|'))
    const status = statusOf(() => parseRoom({ room: text }, resolveLimits({ maxNameLength: max })))
    assert.equal(status, holds && !text.includes('|') ? undefined : 400)
  }), { seed, numRuns: 2000 })
  t.end()
})
