import { randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import type { Test } from 'tap'

/** Milliseconds after which a wait counts as failed: far more than anything takes. */
const PATIENCE = 20_000

export const TEXT = 0x1
export const CLOSE = 0x8

/** A TCP connection that speaks no protocol of its own: for clients that are broken, rude or gone. */
export class RawSocket {
  readonly socket: Socket
  /** Resolves when the connection is gone, whoever ended it. */
  readonly gone: Promise<void>
  #received: Buffer[] = []
  #wake: () => void = () => {}
  #gone = false

  constructor (port: number) {
    // What the server closes stays open on this side: a client need not follow.
    this.socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', data => {
      this.#received.push(data)
      this.#wake()
    })
    this.gone = new Promise(resolve => {
      const end = () => {
        this.#gone = true
        this.#wake()
        resolve()
      }
      this.socket.on('end', end).on('close', end)
    })
    // A reset is one of the ways to go.
    this.socket.on('error', () => {})
  }

  /** All that was received so far; bytes that are no text show as some character each. */
  get text (): string {
    return Buffer.concat(this.#received).toString('latin1')
  }

  async connected (): Promise<this> {
    if (this.socket.connecting) {
      await new Promise<void>((resolve, reject) => {
        this.socket.once('connect', resolve)
        this.socket.once('error', reject)
      })
    }
    return this
  }

  write (data: string | Buffer): void {
    this.socket.write(data)
  }

  /** Waits until what was received holds a text. */
  async until (text: string): Promise<void> {
    const started = performance.now()
    const deadline = setTimeout(() => { this.#wake() }, PATIENCE)
    try {
      while (!this.text.includes(text)) {
        const late = performance.now() - started >= PATIENCE
        if (this.#gone || late) throw new Error(`${JSON.stringify(text)} did not come: ${JSON.stringify(this.text)}`)
        await new Promise<void>(resolve => { this.#wake = resolve })
      }
    } finally {
      clearTimeout(deadline)
    }
  }

  /** Upgrades to a WebSocket. */
  async upgrade (path = '/', headers: Record<string, string> = {}): Promise<this> {
    this.write(upgradeRequest(path, headers))
    await this.until('\r\n\r\n')
    if (!this.text.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade: ${this.text}`)
    return this
  }

  /** Upgrades and says who it is. */
  async authenticate (auth: object, path = '/', headers: Record<string, string> = {}): Promise<this> {
    await this.upgrade(path, headers)
    this.write(frame(JSON.stringify({ type: 'auth', ...auth })))
    await this.until('"type":"welcome"')
    return this
  }

  /** Goes without a word: the server reads ECONNRESET. */
  reset (): void {
    this.socket.resetAndDestroy()
  }
}

/** Opens a TCP connection; the test's teardown drops it. */
export async function openRaw (t: Test, port: number): Promise<RawSocket> {
  const raw = new RawSocket(port)
  t.teardown(() => { raw.socket.destroy() })
  return await raw.connected()
}

/** The request of an upgrade; a header that is given as '' is left out. */
export function upgradeRequest (path = '/', headers: Record<string, string> = {}): string {
  const all: Record<string, string> = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers
  }
  const lines = Object.entries(all).filter(([, value]) => value !== '').map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** A whole masked WebSocket frame, as clients send it. */
export function frame (payload: string | Buffer, opcode = TEXT): Buffer {
  return oddFrame(payload, { opcode })
}

export interface FrameOptions {
  opcode?: number
  /** Default: true. */
  fin?: boolean
  /** The three reserved bits, as a number from 0 to 7. Default: 0. */
  rsv?: number
  /** Default: true, as clients must. */
  masked?: boolean
  /** The length that stands in the frame. Default: that of the payload. */
  length?: bigint
  /** Bytes that it takes: 1, 2 or 8. Default: no more than it needs. */
  lengthBytes?: number
}

/** A WebSocket frame that need not be one that a client may send. */
export function oddFrame (payload: string | Buffer, options: FrameOptions = {}): Buffer {
  const data = Buffer.from(payload as string)
  const { opcode = TEXT, fin = true, rsv = 0, masked = true, length = BigInt(data.length) } = options
  const lengthBytes = options.lengthBytes ?? (length < 126n ? 1 : length < 65536n ? 2 : 8)
  const head = Buffer.alloc(1 + (lengthBytes === 1 ? 1 : 1 + lengthBytes))
  head[0] = (fin ? 0x80 : 0) | rsv << 4 | opcode
  head[1] = (masked ? 0x80 : 0) | (lengthBytes === 1 ? Number(length & 0x7fn) : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) head.writeUInt16BE(Number(length & 0xffffn), 2)
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2)
  if (!masked) return Buffer.concat([head, data])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, data.map((byte, i) => byte ^ mask[i % 4]!)])
}

/**
 * Cuts what is sent into chunks.
 *
 * @param sizes of the chunks, over and over
 */
export function cut (bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}
