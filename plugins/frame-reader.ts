import { isUtf8 } from 'node:buffer'

const FIN = 0x80
const CONTROL = 0x08
const TEXT_MESSAGE = FIN | 0x1
const BINARY_MESSAGE = FIN | 0x2
const MASKED = 0x80
const SIZE = 0x7f

const MASK_SIZE = 4

/** A frame with a size in 64 bits, and a mask, has no longer header. */
const MAX_HEADER_SIZE = 14

/** Bytes of a frame that is worth waiting for here: what is read at a time is no larger. */
const MAX_HELD = 65536

/** Who gets what a client sends. */
export interface FrameReaderOwner {
  /** Whether nothing more will be read for now. */
  readonly paused: boolean
  /** A whole message, unmasked, and lent for the call; of a text it is known that it is UTF-8. */
  message (payload: Buffer, binary: boolean): void
  /** Bytes for the WebSocket library, lent for the call. All calls together hand it whole frames. */
  handOver (bytes: Buffer): void
}

/**
 * Reads what nearly all frames of clients are: a message each, whole, in one chunk of what was read, or in two. That
 * takes a fraction of what it costs to have the WebSocket library do it. All else goes to the library as it came, in
 * its place among the messages: control frames, fragments, frames in many pieces, and whatever breaks a rule.
 */
export class FrameReader {
  readonly #owner: FrameReaderOwner
  readonly #maxSize: number
  /** The beginning of a frame, that the next chunk may make a message. */
  #held: Buffer | null = null
  /** Bytes that are still to come of a frame that the library gets. */
  #rest = 0
  /** The beginning of such a frame, where its size is not known yet. */
  #head: Buffer | null = null
  /** Whether the library has the beginning of a message. */
  #fragmented = false

  /** @param maxSize bytes of a payload; a frame with more is the library's */
  constructor (owner: FrameReaderOwner, maxSize: number) {
    this.#owner = owner
    this.#maxSize = maxSize
  }

  /** Takes a chunk, which is changed, and of whose memory nothing is kept. */
  push (chunk: Buffer): void {
    const isFresh = this.#held === null
    const bytes = this.#behindHeld(chunk)
    let at = 0
    if (this.#rest === 0 && this.#head === null && !this.#fragmented) {
      for (let end = this.#read(bytes, 0); end > at; end = this.#read(bytes, at)) at = end
      // Once only: who sends a frame in crumbs has the library put them together.
      if ((isFresh || at > 0) && this.#isBegun(bytes, at)) {
        this.#held = Buffer.from(bytes.subarray(at))
        return
      }
    }
    // It gets all that is left of the chunk: should it refuse a frame, we hear of that only when we are done.
    if (at === bytes.length) return
    const rest = bytes.subarray(at)
    this.#follow(rest)
    this.#owner.handOver(rest)
  }

  /** Takes a chunk of which no message is to be read any more. */
  pass (chunk: Buffer): void {
    this.#owner.handOver(this.#behindHeld(chunk))
  }

  /** What is held, and is no more, with a chunk behind it. */
  #behindHeld (chunk: Buffer): Buffer {
    const held = this.#held
    this.#held = null
    return held === null ? chunk : Buffer.concat([held, chunk])
  }

  /** @returns where the message ends that begins there; the same place: none that can be read here */
  #read (bytes: Buffer, at: number): number {
    if (at === bytes.length || !isMessage(bytes[at]!)) return at
    const { headerSize, size } = measure(bytes, at)
    const start = at + headerSize
    const end = start + size
    if (size > this.#maxSize || end > bytes.length || (bytes[at + 1]! & MASKED) === 0) return at
    unmask(bytes, start, end)
    const payload = bytes.subarray(start, end)
    const binary = bytes[at] === BINARY_MESSAGE
    if (!binary && !isUtf8(payload)) {
      // The library says what is wrong with it.
      unmask(bytes, start, end)
      return at
    }
    this.#owner.message(payload, binary)
    return end
  }

  /** Whether a frame begins there, and does not end, that may become a message here. */
  #isBegun (bytes: Buffer, at: number): boolean {
    if (at === bytes.length || !isMessage(bytes[at]!) || this.#owner.paused) return false
    if (at + 1 === bytes.length) return true
    const { headerSize, size } = measure(bytes, at)
    if ((bytes[at + 1]! & MASKED) === 0 || size > Math.min(this.#maxSize, MAX_HELD)) return false
    return at + headerSize + size > bytes.length
  }

  /** Keeps in step with the library, which gets this. */
  #follow (chunk: Buffer): void {
    let at = this.#rest
    let bytes = chunk
    if (this.#head !== null) {
      bytes = Buffer.concat([this.#head, chunk])
      this.#head = null
    }
    while (at < bytes.length) {
      const { headerSize, size } = measure(bytes, at)
      if (at + headerSize > bytes.length) {
        this.#head = Buffer.from(bytes.subarray(at))
        this.#rest = 0
        return
      }
      // Control frames may come between fragments.
      if ((bytes[at]! & CONTROL) === 0) this.#fragmented = (bytes[at]! & FIN) === 0
      at += headerSize + size
    }
    this.#rest = at - bytes.length
  }
}

function isMessage (first: number): boolean {
  return first === TEXT_MESSAGE || first === BINARY_MESSAGE
}

/** Sizes of a frame's header, of which some may be still to come, and of its payload; 0 where that is not known yet. */
function measure (bytes: Buffer, at: number): { headerSize: number, size: number } {
  if (at + 2 > bytes.length) return { headerSize: MAX_HEADER_SIZE, size: 0 }
  const second = bytes[at + 1]!
  const short = second & SIZE
  const lengthSize = short < 126 ? 0 : short === 126 ? 2 : 8
  const headerSize = 2 + lengthSize + ((second & MASKED) === 0 ? 0 : MASK_SIZE)
  if (at + 2 + lengthSize > bytes.length) return { headerSize, size: 0 }
  if (lengthSize === 0) return { headerSize, size: short }
  if (lengthSize === 2) return { headerSize, size: bytes.readUInt16BE(at + 2) }
  return { headerSize, size: bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6) }
}

/** With the mask that stands before; a second time, masks it again. */
function unmask (chunk: Buffer, start: number, end: number): void {
  const a = chunk[start - 4]!
  const b = chunk[start - 3]!
  const c = chunk[start - 2]!
  const d = chunk[start - 1]!
  if ((a | b | c | d) === 0) return
  let at = start
  for (const last = end - 3; at < last; at += 4) {
    chunk[at]! ^= a
    chunk[at + 1]! ^= b
    chunk[at + 2]! ^= c
    chunk[at + 3]! ^= d
  }
  if (at < end) chunk[at]! ^= a
  if (at + 1 < end) chunk[at + 1]! ^= b
  if (at + 2 < end) chunk[at + 2]! ^= c
}
