import { isUtf8 } from 'node:buffer'

const FIN = 0x80
const CONTROL = 0x08
const MASKED = 0x80
const SIZE = 0x7f

const TEXT = 0x1
const BINARY = 0x2

const MASK_SIZE = 4

/** A frame with a size in 64 bits, and a mask, has no longer header. */
const MAX_HEADER_SIZE = 14

/** Who gets what a client sends. */
export interface FrameReaderOwner {
  /** A whole message, unmasked; of a text it is known that it is UTF-8. */
  message (payload: Buffer, binary: boolean): void
  /** Bytes for the WebSocket library. All calls together hand it whole frames. */
  other (bytes: Buffer): void
}

/**
 * Reads what nearly all frames of clients are: a message each, whole, and in one chunk of what was read. That takes a
 * fraction of what it costs to have the WebSocket library do it. All else goes to the library as it came, and in its
 * place among the messages: control frames, fragments, frames in pieces, and whatever breaks a rule.
 */
export class FrameReader {
  readonly #owner: FrameReaderOwner
  readonly #maxSize: number
  /** Bytes that are still to come of a frame that the library gets. */
  #rest = 0
  /** The beginning of such a frame, where its size is not known yet. */
  #head: Buffer | null = null
  /** Whether the library has the beginning of a message. */
  #fragmented = false

  /** @param maxSize bytes of a message, if it is not to go to the library */
  constructor (owner: FrameReaderOwner, maxSize: number) {
    this.#owner = owner
    this.#maxSize = maxSize
  }

  /** Takes a chunk, and its memory with it. */
  push (chunk: Buffer): void {
    let at = 0
    if (this.#rest === 0 && this.#head === null && !this.#fragmented) {
      while (at < chunk.length) {
        const end = this.#read(chunk, at)
        if (end === at) break
        at = end
      }
    }
    // It gets the rest of the chunk too: should it refuse a frame, we hear of that only when we are done.
    if (at < chunk.length) this.#hand(at === 0 ? chunk : chunk.subarray(at))
  }

  /** @returns where the message ends that begins there; the same place: none that can be read here */
  #read (chunk: Buffer, at: number): number {
    const first = chunk[at]!
    const binary = first === (FIN | BINARY)
    if (!binary && first !== (FIN | TEXT)) return at
    const { headerSize, size } = measure(chunk, at)
    const start = at + headerSize
    const end = start + size
    if (size > this.#maxSize || end > chunk.length || (chunk[at + 1]! & MASKED) === 0) return at
    unmask(chunk, start, end)
    const payload = chunk.subarray(start, end)
    if (!binary && !isUtf8(payload)) {
      // The library says what is wrong with it.
      unmask(chunk, start, end)
      return at
    }
    this.#owner.message(payload, binary)
    return end
  }

  #hand (chunk: Buffer): void {
    this.#follow(chunk)
    this.#owner.other(chunk)
  }

  /** Keeps in step with the library. */
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

/** Sizes of a frame's header and payload; where they are not there yet, that of a header which is not there either. */
function measure (chunk: Buffer, at: number): { headerSize: number, size: number } {
  if (at + 2 > chunk.length) return { headerSize: MAX_HEADER_SIZE, size: 0 }
  const second = chunk[at + 1]!
  const size = second & SIZE
  const lengthSize = size < 126 ? 0 : size === 126 ? 2 : 8
  const headerSize = 2 + lengthSize + ((second & MASKED) === 0 ? 0 : MASK_SIZE)
  if (lengthSize === 0 || at + headerSize > chunk.length) return { headerSize, size }
  if (lengthSize === 2) return { headerSize, size: chunk.readUInt16BE(at + 2) }
  return { headerSize, size: chunk.readUInt32BE(at + 2) * 2 ** 32 + chunk.readUInt32BE(at + 6) }
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
