import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { encode, encodeWithFrom, payloads } from '../../src/core/frame.js'
import type { JsonObject } from '../../src/core/json.js'
import { seed } from '../seed.js'

const FROM = 'bo"b ☃|n1-0'

function rewrite (text: string): string {
  const frame = encodeWithFrom(Buffer.from(text), text, JSON.parse(text) as JsonObject, JSON.stringify(FROM))
  const [payload, ...rest] = [...payloads(frame)]
  if (payload === undefined || rest.length > 0) throw new Error('not one frame')
  return payload.toString()
}

/** The keys of the outermost object as they stand in the text, those that stand twice included. */
function outerKeys (text: string): string[] {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g) ?? []
  const keys: string[] = []
  let depth = 0
  tokens.forEach((token, i) => {
    if (token === '{' || token === '[') depth++
    if (token === '}' || token === ']') depth--
    if (depth === 1 && token.startsWith('"') && tokens[i + 1] === ':') keys.push(JSON.parse(token) as string)
  })
  return keys
}

/** As another serialiser may write it: `-0` is 0, what is no double is null. */
function normalised (value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

/** Throws unless the text with `from` set says what it should, to any parser. */
function check (text: string): void {
  const rewritten = rewrite(text)
  const expected = { ...JSON.parse(text) as JsonObject, from: FROM }
  assert.deepEqual(normalised(JSON.parse(rewritten)), normalised(expected))
  const keys = outerKeys(rewritten)
  assert.equal(keys.filter(key => key === 'from').length, 1, `one from in ${rewritten}`)
  assert.ok(keys.filter(key => key === 'type').length <= 1, `one type in ${rewritten}`)
}

t.test('encodes a message as one unmasked text frame, whatever its length', t => {
  // The three forms of a header meet at 126 and 65536 bytes; the JSON around the text has eleven.
  for (const size of [0, 113, 114, 115, 116, 200, 65_523, 65_524, 65_525, 65_526, 200_000]) {
    const message = { data: 'ü'.repeat(size / 2) + 'x'.repeat(size % 2) }
    for (const frame of [encode(message), encode(message, true)]) {
      const text = JSON.stringify(message)
      const length = Buffer.byteLength(text)
      const header = length < 126 ? [0x81, length] : length < 65536 ? [0x81, 126] : [0x81, 127]
      t.strictSame([...frame.subarray(0, 2)], header, `header of ${length} bytes`)
      if (header[1] === 126) t.equal(frame.readUInt16BE(2), length)
      if (header[1] === 127) t.equal(frame.readBigUInt64BE(2), BigInt(length))
      t.equal(frame.subarray(frame.length - length).toString(), text)
    }
  }
  t.end()
})

t.test('gives a frame that is to be kept memory of its own', t => {
  const frame = encode({ type: 'x' }, true)
  t.equal(frame.buffer.byteLength, frame.length)
  t.end()
})

t.test('reads back the payloads of joined frames, in order', t => {
  const message = fc.record({ x: fc.string({ unit: 'grapheme', maxLength: 200 }), pad: fc.constantFrom(0, 100, 70_000) })
  fc.assert(fc.property(fc.array(message, { maxLength: 20 }), messages => {
    const texts = messages.map(({ x, pad }) => ({ x, pad: '-'.repeat(pad) }))
    const joined = Buffer.concat(texts.map(text => encode(text)))
    assert.deepEqual([...payloads(joined)].map(String), texts.map(text => JSON.stringify(text)))
  }), { seed, numRuns: 50 })
  t.end()
})

t.test('sets from, wherever and however the client wrote one', t => {
  const texts = [
    '{"type":"message"}',
    '{"type":"message","from":"eve"}',
    '{"from":"eve","type":"message"}',
    ' {  "from" \n:\t "eve" , "type" : "message" } ',
    '{"from":"","type":"message"}',
    '{"from":null,"type":"message"}',
    '{"from":7}',
    '{"from":{"from":"x"},"type":"message"}',
    '{"from":["x"],"type":"message"}',
    '{"from":"a","from":"b","type":"message"}',
    '{"from":"a","type":"message","from":1}',
    '{"from":1,"type":"message","from":"a"}',
    '{"type":"message","data":{"from":"x"}}',
    '{"type":"message","data":{"from":"x"},"from":"y"}',
    '{"from":"y","type":"message","data":{"from":"x"}}',
    '{"type":"message","x":"from"}',
    '{"x":"from","from":"y"}',
    '{"x":"\\"from\\":\\"z\\"","from":"y"}',
    '{"from":"\\"from\\":\\"z\\"","x":1}',
    '{"\\"from":"z","x":1}',
    '{"\\"from":"z","from":"y"}',
    '{"from\\"":"z","from":"y"}',
    '{"from":"\\\\","x":1}',
    '{"from":"\\\\\\"","x":1}',
    '{"from":"a\\/b\\n","x":1}',
    '{"\\u0066rom":"eve"}',
    '{"\\u0066rom":"eve","from":"mallory"}',
    '{"from":"mallory","\\u0066rom":"eve"}',
    '{"FROM":"eve","From":"eve"}',
    '{"from ":"eve"}',
    '{"type":"message","type":"event"}',
    '{"type":"message","\\u0074ype":"event"}',
    '{"type":"message","data":{"type":"event"}}',
    '{"__proto__":{"from":"eve"},"type":"message"}',
    '{"__proto__":null,"from":"eve"}',
    '{"constructor":{"prototype":{"x":1}},"from":"eve"}',
    '{"from":"☃","x":"ü"}',
    '{"x":"ü","from":"☃","y":"😀"}',
    '{"x":"\\ud800","from":"eve"}',
    '{"x":"\u2028\u2029","from":"eve"}',
    `{"x":"ü","from":"${'e'.repeat(5000)}","y":"😀"}`,
    `{${' '.repeat(3000)}"from"${' '.repeat(3000)}:"eve"}`
  ]
  for (const text of texts) check(text)
  t.end()
})

t.test('keeps a key __proto__ as the plain key that it is', t => {
  for (const more of ['', ',"from":"eve"', ',"x":"\\u0041"']) {
    const rewritten = rewrite(`{"__proto__":{"admin":true}${more}}`)
    const message = JSON.parse(rewritten) as JsonObject
    t.ok(Object.hasOwn(message, '__proto__'))
    t.equal(Object.getPrototypeOf(message), Object.prototype)
    t.notOk('admin' in {})
  }
  t.end()
})

t.test('copies the bytes of the client where that is safe: numbers and white space stay as they were', t => {
  const text = '{ "n": 1.0e2, "big": 123456789012345678901234567890, "type": "message", "to": "bob" }'
  t.equal(rewrite(text), `{"from":${JSON.stringify(FROM)},${text.slice(1)}`)
  const own = '{ "n": 1.0e2, "from" : "eve", "type": "message" }'
  t.equal(rewrite(own), own.replace('"eve"', JSON.stringify(FROM)))
  t.end()
})

t.test('is equal as JSON to the message with from set, for any text of an object that has members', t => {
  const blank = fc.constantFrom('', '', '', ' ', '\n\t', '   ')
  const key = fc.oneof(
    fc.constantFrom('"from"', '"type"', '"to"', '"data"', '"__proto__"', '"constructor"', '"\\"from\\""', '"\\\\"'),
    fc.constantFrom('"\\u0066rom"', '"fro\\u006d"', '"\\u0074ype"', '"from\\n"', '"Από"', '"toString"'),
    fc.string({ unit: 'binary' }).map(text => JSON.stringify(text))
  )
  const scalar = fc.oneof(
    fc.constantFrom('"from"', '"type"', '"eve"', '"\\"from\\":\\"x\\""', '"\\\\"', '""', '"\\ud83d"', '"☃"', '"\\u0066rom"'),
    fc.constantFrom('null', 'true', '-0.5e-3', '12345678901234567890', '[]', '{}'),
    fc.string({ unit: 'binary' }).map(text => JSON.stringify(text)),
    fc.string({ unit: 'grapheme' }).map(text => JSON.stringify(text)),
    fc.string({ unit: 'grapheme', minLength: 500, maxLength: 1500 }).map(text => JSON.stringify(text)),
    fc.json()
  )
  const { object } = fc.letrec<{ value: string, object: string }>(tie => ({
    value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, tie('object')),
    object: fc.array(fc.tuple(blank, key, blank, blank, tie('value'), blank), { minLength: 1, maxLength: 6 })
      .map(members => `{${members.map(([a, k, b, c, v, d]) => `${a}${k}${b}:${c}${v}${d}`).join(',')}}`)
  }))
  fc.assert(fc.property(blank, object, blank, (before, text, after) => { check(before + text + after) }),
    { seed, numRuns: 1000 })
  t.end()
})
