import type { Frame } from './helper.js'
import { TEXT, type RawSocket } from './raw.js'

export const PING = 0x9
export const PONG = 0xa

/** One WebSocket frame of the server. */
export interface RawFrame {
  opcode: number
  payload: Buffer
}

/** The whole WebSocket frames that a raw client has received behind the response to its upgrade. */
export function framesOf (raw: RawSocket): RawFrame[] {
  const received = Buffer.from(raw.text, 'latin1')
  const frames: RawFrame[] = []
  let offset = received.indexOf('\r\n\r\n') + 4
  while (offset + 2 <= received.length) {
    const short = received[offset + 1]! & 0x7f
    const start = offset + (short < 126 ? 2 : short === 126 ? 4 : 10)
    if (start > received.length) break
    let length = short
    if (short === 126) length = received.readUInt16BE(offset + 2)
    if (short === 127) length = Number(received.readBigUInt64BE(offset + 2))
    if (start + length > received.length) break
    frames.push({ opcode: received[offset]! & 0xf, payload: received.subarray(start, start + length) })
    offset = start + length
  }
  return frames
}

/** What they say, of those that hold text. */
export function messagesOf (raw: RawSocket): Frame[] {
  const texts = framesOf(raw).filter(({ opcode }) => opcode === TEXT)
  return texts.map(({ payload }) => JSON.parse(String(payload)) as Frame)
}
