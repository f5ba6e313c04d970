import type { JsonObject } from './json.js'

/** One whole RFC 6455 text frame, header included, unmasked: what goes to a socket as it is. */
export type Frame = Buffer

const FIN_TEXT = 0x81

/** Characters below which a text is put together faster than its bytes are copied. */
const SMALL = 600

function headerSize (length: number): number {
  if (length < 126) return 2
  return length < 65536 ? 4 : 10
}

function allocate (length: number, kept = false): Frame {
  const header = headerSize(length)
  const frame = kept ? Buffer.allocUnsafeSlow(header + length) : Buffer.allocUnsafe(header + length)
  frame[0] = FIN_TEXT
  if (header === 2) {
    frame[1] = length
  } else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  return frame
}

function encodeText (text: string, kept?: boolean): Frame {
  const length = Buffer.byteLength(text)
  const frame = allocate(length, kept)
  frame.write(text, headerSize(length))
  return frame
}

/**
 * Encodes a message once, for any number of recipients.
 *
 * @param kept true for a frame that is to live long: it gets memory of its own and pins no slab of Node's buffer pool
 */
export function encode (message: object, kept?: boolean): Frame {
  return encodeText(JSON.stringify(message), kept)
}

/**
 * The frame of a client's message with `from` set by the server. Where it can be shown to be safe, the bytes that the
 * client sent are copied around the new `from`; else the message is serialised anew.
 *
 * Copying would hand on what `JSON.parse` hides: a key that stands twice, of which recipients with another parser may
 * take the first. So it is done only for a text in which `"from"` and `"type"` can each be read in one way.
 *
 * @param data the client's bytes, valid UTF-8
 * @param text the same, decoded
 * @param message the same, parsed
 * @param from the sender's address as a JSON string, quotes included
 */
export function encodeWithFrom (data: Buffer, text: string, message: JsonObject, from: string): Frame {
  const span = replaceable(text, message)
  if (span === undefined) {
    return encodeText(JSON.stringify({ ...message, from: JSON.parse(from) as string }))
  }
  const [start, end, insert] = span
  const middle = insert ? `"from":${from},` : from
  if (text.length < SMALL) return encodeText(text.slice(0, start) + middle + text.slice(end))
  const ascii = text.length === data.length
  const head = ascii ? start : Buffer.byteLength(text.slice(0, start))
  const tail = ascii ? end : data.length - Buffer.byteLength(text.slice(end))
  const middleSize = Buffer.byteLength(middle)
  const length = head + middleSize + data.length - tail
  const frame = allocate(length, false)
  let offset = headerSize(length)
  data.copy(frame, offset, 0, head)
  offset += head
  frame.write(middle, offset)
  data.copy(frame, offset + middleSize, tail)
  return frame
}

/** Where `from` goes: the span of the text that it replaces, and whether as a whole member; undefined: nowhere safe. */
function replaceable (text: string, message: JsonObject): [start: number, end: number, insert: boolean] | undefined {
  // An escape may spell a key in another way.
  if (text.includes('\\u')) return undefined
  if (occursTwice(text, '"type"')) return undefined
  if (!Object.hasOwn(message, 'from')) {
    const start = text.indexOf('{') + 1
    return [start, start, true]
  }
  if (typeof message['from'] !== 'string' || occursTwice(text, '"from"')) return undefined
  const value = /^\s*:\s*"(?:[^"\\]|\\.)*"/.exec(text.slice(text.indexOf('"from"') + 6, text.indexOf('"from"') + 1024))
  if (value === null) return undefined
  const end = text.indexOf('"from"') + 6 + value[0].length
  const start = text.indexOf('"', text.indexOf('"from"') + 6)
  return [start, end, false]
}

function occursTwice (text: string, part: string): boolean {
  const first = text.indexOf(part)
  return first >= 0 && text.indexOf(part, first + part.length) >= 0
}

/** The frame of a text that another node has encoded. */
export function frameOf (payload: Buffer): Frame {
  const frame = allocate(payload.length)
  payload.copy(frame, frame.length - payload.length)
  return frame
}

/** The text in a frame that this module made. */
export function payloadOf (frame: Frame): Buffer {
  return payloads(frame).next().value!
}

/** The payloads of frames that this module made, for a connection that must frame them itself. */
export function * payloads (frames: Buffer): Generator<Buffer> {
  let offset = 0
  while (offset < frames.length) {
    let length = frames[offset + 1]!
    let header = 2
    if (length === 126) {
      length = frames.readUInt16BE(offset + 2)
      header = 4
    } else if (length === 127) {
      length = Number(frames.readBigUInt64BE(offset + 2))
      header = 10
    }
    offset += header
    yield frames.subarray(offset, offset + length)
    offset += length
  }
}
