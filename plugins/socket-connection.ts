import { Socket } from 'node:net'
import type { WebSocket } from '@fastify/websocket'
import type { Connection } from '../src/core/connection.js'
import { payloads } from '../src/core/frame.js'
import { writeDirectly, type Writer } from './tcp-handle.js'

/**
 * A WebSocket as the core's connection. The core has encoded whole frames, so they go to the TCP or TLS socket as they
 * are, many in one write; the library writes whole frames to the same socket, so its control frames fall between them.
 *
 * Where the library must frame the messages itself, since it compresses or stands on something else than a socket, it
 * gets them one by one.
 */
export class SocketConnection implements Connection, Writer {
  readonly #ws: WebSocket
  readonly #socket: Socket | null
  readonly #closing: ((this: WebSocket) => void) | undefined
  /** Bytes that went past the stream, and did not leave at once. */
  #unsent = 0

  /**
   * @param stream what the upgrade request came over
   * @param closing called on the WebSocket when the closing handshake has begun
   */
  constructor (ws: WebSocket, stream: unknown, closing?: (this: WebSocket) => void) {
    this.#ws = ws
    this.#closing = closing
    this.#socket = stream instanceof Socket && ws.extensions === '' ? stream : null
  }

  get open (): boolean {
    return this.#ws.readyState === this.#ws.OPEN && this.#socket?.destroyed !== true
  }

  get buffered (): number {
    return this.#ws.bufferedAmount + this.#unsent
  }

  get congested (): boolean {
    return this.#unsent > 0 || this.#socket?.writableNeedDrain === true
  }

  write (frames: Buffer): number {
    const socket = this.#socket
    if (socket !== null) {
      const unsent = writeDirectly(socket, frames, this)
      if (unsent === undefined) socket.write(frames)
      else this.#unsent = unsent
      return socket.writableLength + this.#unsent
    }
    for (const payload of payloads(frames)) this.#ws.send(payload, { binary: false })
    return this.#ws.bufferedAmount
  }

  /** What did not leave at once has left. */
  written (): void {
    this.#unsent = 0
    this.#socket!.emit('drain')
  }

  ping (): void {
    this.#ws.ping()
  }

  pause (): void {
    this.#ws.pause()
  }

  resume (): void {
    this.#ws.resume()
  }

  close (code: number, reason: string): void {
    this.#ws.close(code, reason)
    this.#closing?.call(this.#ws)
  }

  terminate (): void {
    this.#ws.terminate()
  }
}
