// WebSocket framing for a client that is cheap: frames are encoded ahead, and read where they lie.

export const OPCODE = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa }

const FIN = 0x80
const MASKED = 0x80

/**
 * A masked frame, as a client must send. The key is 0, so the payload stays as it is: what a server spends on
 * unmasking is left out for all servers alike.
 */
export function encodeFrame (opcode, payload) {
  const { length } = payload
  if (length > 0xffff) throw new RangeError('payloads of 64 KiB and more are not needed here')
  const lengthSize = length < 126 ? 0 : 2
  const frame = Buffer.alloc(2 + lengthSize + 4 + length)
  frame[0] = FIN | opcode
  frame[1] = MASKED | (lengthSize === 0 ? length : 126)
  if (lengthSize === 2) frame.writeUInt16BE(length, 2)
  frame.set(payload, frame.length - length)
  return frame
}

export function encodeText (text) {
  return encodeFrame(OPCODE.text, Buffer.from(text))
}

/** Finds the frames in what a server sends, however it is cut into chunks. */
export class FrameScanner {
  #rest = null
  #onFrame

  /** @param onFrame (opcode, buffer, start, end): the payload is valid during the call only */
  constructor (onFrame) {
    this.#onFrame = onFrame
  }

  /** Takes a chunk, whose memory the caller may use again afterwards. */
  push (chunk) {
    const buffer = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk])
    const scanned = this.#scan(buffer)
    this.#rest = scanned === buffer.length ? null : Buffer.from(buffer.subarray(scanned))
  }

  #scan (buffer) {
    const total = buffer.length
    let at = 0
    while (total - at >= 2) {
      let size = buffer[at + 1] & 0x7f
      let start = at + 2
      if (size === 126) {
        if (total - at < 4) break
        size = buffer[at + 2] << 8 | buffer[at + 3]
        start = at + 4
      } else if (size === 127) {
        if (total - at < 10) break
        size = Number(buffer.readBigUInt64BE(at + 2))
        start = at + 10
      }
      const end = start + size
      if (end > total) break
      this.#onFrame(buffer[at] & 0x0f, buffer, start, end)
      at = end
    }
    return at
  }
}
