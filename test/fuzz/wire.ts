import fc from 'fast-check'
import { CLOSE, frame, oddFrame, TEXT, upgradeRequest } from '../raw.js'
import { PING, PONG } from '../raw-frames.js'

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array))

const lengths = fc.constantFrom(
  0n, 1n, 125n, 126n, 127n, 65535n, 65536n, 131072n, 131073n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n,
  2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n
)

/** A frame of which anything may be wrong. */
const anyFrame = fc.record({
  payload: bytes(200),
  options: fc.record({
    opcode: fc.nat({ max: 15 }),
    fin: fc.boolean(),
    rsv: fc.constantFrom(0, 0, 0, 1, 2, 4, 7),
    masked: fc.constantFrom(true, true, true, false),
    length: lengths,
    lengthBytes: fc.constantFrom(1, 2, 8)
  }, { requiredKeys: ['opcode'] })
}).map(({ payload, options }) => oddFrame(payload, options))

const CONTINUATION = 0
const BINARY = 2

/** A message in pieces, with control frames between them, of which some may not be there. */
const fragmented = (message: fc.Arbitrary<Buffer>) => fc.tuple(
  message,
  fc.array(
    fc.tuple(fc.nat({ max: 400 }), fc.constantFrom(PING, PONG, CLOSE, TEXT, CONTINUATION, null), bytes(130)),
    { minLength: 1, maxLength: 6 }
  ),
  fc.constantFrom(true, true, false)
).map(([data, cuts, ends]) => {
  const frames: Buffer[] = []
  let from = 0
  for (const [i, [size, between, payload]] of cuts.entries()) {
    const last = i === cuts.length - 1
    const piece = last ? data.subarray(from) : data.subarray(from, from + size)
    frames.push(oddFrame(piece, { opcode: i === 0 ? TEXT : CONTINUATION, fin: last && ends }))
    if (!last && between !== null) frames.push(oddFrame(payload, { opcode: between }))
    from += piece.length
  }
  return Buffer.concat(frames)
})

const close = fc.tuple(
  fc.oneof(fc.nat({ max: 65535 }), fc.constantFrom(0, 999, 1000, 1004, 1005, 1006, 1015, 1016, 2999, 3000, 4999, 5000)),
  bytes(130)
).map(([code, reason]) => frame(Buffer.concat([Buffer.of(code >> 8, code & 255), reason]), CLOSE))

/** May be longer than control frames can be. */
const control = fc.tuple(fc.constantFrom(PING, PONG, CLOSE), fc.integer({ min: 100, max: 400 }))
  .map(([opcode, length]) => frame(Buffer.alloc(length), opcode))

/** The rest never comes. */
const begun = (message: fc.Arbitrary<Buffer>) => fc.tuple(message, fc.nat({ max: 300 }))
  .map(([payload, end]) => frame(payload).subarray(0, end))

/** Whatever can come over a connection that has been upgraded, right or wrong. */
export function wireOf (message: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc.oneof(
    { weight: 4, arbitrary: anyFrame },
    { weight: 2, arbitrary: fragmented(message) },
    { weight: 2, arbitrary: close },
    { weight: 1, arbitrary: fc.constantFrom(0, 1).map(length => frame(Buffer.alloc(length), CLOSE)) },
    { weight: 1, arbitrary: control },
    { weight: 1, arbitrary: bytes(300).map(payload => frame(payload)) },
    { weight: 1, arbitrary: bytes(300).map(payload => frame(payload, BINARY)) },
    { weight: 2, arbitrary: bytes(600) },
    { weight: 2, arbitrary: begun(message) }
  )
}

/** A message in a frame of its own that is right, text or binary. */
export function framed (message: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc.tuple(message, fc.constantFrom(TEXT, TEXT, TEXT, BINARY))
    .map(([payload, opcode]) => oddFrame(payload, { opcode }))
}

const oddHeader: fc.Arbitrary<Record<string, string>> = fc.record({
  Host: fc.constantFrom('', 'x', '[::', 'a, b', 'x'.repeat(9000)),
  Connection: fc.constantFrom('', 'close', 'keep-alive', 'Upgrade, Upgrade', 'upgrade,close', '\t'),
  Upgrade: fc.constantFrom('', 'h2c', 'WEBSOCKET', 'websocket, h2c', 'websocket\r\nUpgrade: websocket', 'TLS/1.0'),
  'Sec-WebSocket-Version': fc.constantFrom('', '1', '8', '14', '-13', '13, 8', 'x'),
  'Sec-WebSocket-Key': fc.constantFrom('', 'abc', 'x'.repeat(24), 'dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: x'),
  'Sec-WebSocket-Protocol': fc.constantFrom('a', 'a,,b', 'a, a', ',', 'x'.repeat(5000), '\u0000'),
  'Sec-WebSocket-Extensions': fc.constantFrom('permessage-deflate', 'permessage-deflate; x=', ';', ',,', 'x; y="'),
  Origin: fc.constantFrom('null', 'https://evil.example', '\u0001', 'x'.repeat(5000)),
  'Content-Length': fc.constantFrom('0', '5', '-1', '1e3', '99999999999999999999', '5\r\nContent-Length: 6'),
  'Content-Type': fc.constantFrom('application/json', 'text/plain', ';', 'multipart/form-data'),
  'Transfer-Encoding': fc.constantFrom('chunked', 'gzip, chunked', 'identity', 'chunked, chunked'),
  'X-Forwarded-For': fc.constantFrom('evil|x', ',', 'x'.repeat(5000)),
  Expect: fc.constantFrom('100-continue', 'nonsense')
}, { requiredKeys: [] })

/** Often there is nothing wrong with them. */
const header = fc.oneof(fc.constant<Record<string, string>>({}), oddHeader)

const methods = fc.constantFrom('GET', 'GET', 'GET', 'POST', 'HEAD', 'OPTIONS', 'PUT', 'CONNECT', 'get', 'PRI', '\u0000')

const targets = fc.oneof(
  fc.constant('/'),
  fc.constantFrom('/', '//', '/nope', '*', '/%zz', '/%00', '/?token=x', 'http://x/', 'http://[/', '/metrics', '/healthz',
    '/..', '/\\', '?', '/#', `/${'x'.repeat(20_000)}`),
  fc.webPath()
)

const versions = fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', '')

const anyRequest = fc.tuple(methods, targets, versions, header, bytes(60))
  .map(([method, target, version, headers, body]) => {
    const head = upgradeRequest(target, headers)
    return Buffer.concat([Buffer.from(`${method} ${target} ${version}${head.slice(head.indexOf('\r\n'))}`), body])
  })

/** Requests for an upgrade, and what comes in their place. */
export const request: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 5, arbitrary: anyRequest },
  { weight: 1, arbitrary: bytes(500) },
  { weight: 1, arbitrary: fc.nat({ max: 150 }).map(end => Buffer.from(upgradeRequest().slice(0, end))) },
  // Behind the upgrade comes another.
  { weight: 1, arbitrary: header.map(headers => Buffer.from(upgradeRequest() + upgradeRequest('/', headers))) },
  // The beginning of a TLS handshake.
  { weight: 1, arbitrary: bytes(100).map(rest => Buffer.concat([Buffer.from('16030100c8010000c40303', 'hex'), rest])) }
)
