import type { Socket } from 'node:net'
import type { WebSocket } from '@fastify/websocket'
import { FrameReader, type FrameReaderOwner } from './frame-reader.js'
import { directReads } from './tcp-handle.js'

const kInput = Symbol('symple.input')

/** A session, to which messages go. */
interface Receiver { receive (data: Buffer, binary: boolean): void }

type DataListener = (this: Socket, chunk: Buffer) => void

const readDirectly = directReads(function (bytes) {
  // Somebody else has come to listen, too.
  if (this.listenerCount('data') > 1) this.emit('data', Buffer.from(bytes))
  else onData.call(this, bytes)
})

/**
 * What comes over a socket, between it and the WebSocket library: messages that are a frame each go to the session at
 * once, and all else to the library, in whose stead it listens.
 */
export class SocketInput implements FrameReaderOwner {
  readonly #ws: WebSocket
  readonly #socket: Socket
  readonly #session: Receiver
  readonly #library: DataListener
  readonly #reader: FrameReader
  /** Whether the library listens no more, after a client's close or an error: what comes is for nobody. */
  #over = false

  private constructor (ws: WebSocket, socket: Socket, session: Receiver, library: DataListener, maxSize: number) {
    this.#ws = ws
    this.#socket = socket
    this.#session = session
    this.#library = library
    this.#reader = new FrameReader(this, maxSize)
  }

  /**
   * Comes between, where the library has just begun to listen. It goes on to read all by itself where frames may be
   * compressed, and where a gateway listens too, be it to the socket or to the messages.
   *
   * @param maxSize bytes of a message that the library would take
   */
  static between (ws: WebSocket, socket: Socket, session: Receiver, maxSize: number): void {
    const [library, ...others] = socket.listeners('data') as DataListener[]
    if (library === undefined || others.length > 0 || ws.listenerCount('message') > 1 || ws.extensions !== '') return
    const input = new SocketInput(ws, socket, session, library, maxSize)
    Object.assign(socket, { [kInput]: input })
    socket.on('data', onData)
    socket.off('data', library)
    Object.assign(ws, { [kInput]: input })
    ws.on('error', onError)
    readDirectly(socket)
  }

  get paused (): boolean {
    return this.#socket.isPaused()
  }

  /** @param chunk is lent for the call */
  push (chunk: Buffer): void {
    if (this.#over) return
    if (this.#ws.readyState === this.#ws.OPEN) this.#reader.push(chunk)
    // We have closed, and it waits for the client's answer.
    else this.#reader.pass(chunk)
  }

  message (payload: Buffer, binary: boolean): void {
    this.#session.receive(payload, binary)
  }

  /** The library listens meanwhile, so that it can stop to. It may keep what it gets. */
  handOver (bytes: Buffer): void {
    this.#socket.on('data', this.#library)
    this.#library.call(this.#socket, Buffer.from(bytes))
    this.#over = !this.#socket.listeners('data').includes(this.#library)
    this.#socket.off('data', this.#library)
  }

  /** It has refused what it got, and paused the socket until it said so: nothing came in between. */
  refused (): void {
    this.#over = true
  }
}

interface Owned { [kInput]: SocketInput }

function onData (this: Socket, chunk: Buffer): void {
  (this as Socket & Owned)[kInput].push(chunk)
}

function onError (this: WebSocket): void {
  (this as WebSocket & Owned)[kInput].refused()
}
