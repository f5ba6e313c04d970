import type { Socket } from 'node:net'
import type { WebSocket } from '@fastify/websocket'
import type { Session } from '../src/core/session.js'
import { FrameReader, type FrameReaderOwner } from './frame-reader.js'

const kInput = Symbol('symple.input')

type DataListener = (this: Socket, chunk: Buffer) => void

/**
 * What comes over a socket, between it and the WebSocket library: messages that are a frame each go to the session at
 * once, and all else to the library, in whose stead it listens.
 */
export class SocketInput implements FrameReaderOwner {
  readonly #ws: WebSocket
  readonly #socket: Socket
  readonly #session: Session
  readonly #library: DataListener
  readonly #reader: FrameReader
  #failed = false

  private constructor (ws: WebSocket, socket: Socket, session: Session, library: DataListener, maxSize: number) {
    this.#ws = ws
    this.#socket = socket
    this.#session = session
    this.#library = library
    this.#reader = new FrameReader(this, maxSize)
  }

  /**
   * Comes between, where the library has just begun to listen and there are no others. Where not, or where frames may
   * be compressed, the library goes on to read it all.
   *
   * @param maxSize bytes of a message that the library would take
   */
  static between (ws: WebSocket, socket: Socket, session: Session, maxSize: number): void {
    const [library, ...others] = socket.listeners('data') as DataListener[]
    if (library === undefined || others.length > 0 || ws.extensions !== '') return
    const input = new SocketInput(ws, socket, session, library, maxSize)
    Object.assign(socket, { [kInput]: input })
    socket.on('data', onData)
    socket.off('data', library)
    Object.assign(ws, { [kInput]: input })
    ws.on('error', onError)
  }

  push (chunk: Buffer): void {
    if (this.#ws.readyState === this.#ws.OPEN) this.#reader.push(chunk)
    // It waits for the client's close, and knows that nothing counts behind that.
    else if (!this.#failed) this.other(chunk)
  }

  /** The library reads no more: what comes is for nobody. */
  fail (): void {
    this.#failed = true
  }

  message (payload: Buffer, binary: boolean): void {
    this.#session.receive(payload, binary)
  }

  other (bytes: Buffer): void {
    this.#library.call(this.#socket, bytes)
  }
}

interface Owned { [kInput]: SocketInput }

function onData (this: Socket, chunk: Buffer): void {
  (this as Socket & Owned)[kInput].push(chunk)
}

function onError (this: WebSocket): void {
  (this as WebSocket & Owned)[kInput].fail()
}
