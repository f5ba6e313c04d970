import { Socket, type SocketConstructorOpts } from 'node:net'
import { getSystemErrorName } from 'node:util'

/**
 * What a socket of Node stands on, over TCP or of the file system. Reading and writing there saves what streams cost:
 * memory for each read, and a queue for each write. It is no public API, so each part of it is found by what it does;
 * where one is missing, or Node is newer than what this was tested with, the streams do it.
 */
interface Handle {
  /** Bytes that were written, and the kernel has not taken yet. */
  readonly writeQueueSize: number
  /** Has all that is read from now on be put into this memory. */
  useUserBuffer (memory: Buffer): void
  /**
   * What the kernel does not take at once follows, and then `oncomplete` is called.
   *
   * @param request null: from Node 26 on, which makes one where it needs it
   * @returns 0, an error number, or the request that was made
   */
  writeBuffer (request: WriteRequest | null, bytes: Buffer): number | WriteRequest
}

/** Stands for one write, and for no other: even where nothing waits, Node may not be done with it. */
interface WriteRequest {
  oncomplete?: (this: WriteRequest, status: number) => void
  /** What must not be collected while it is being written. */
  bytes?: Buffer
  socket?: Socket
  writer?: Writer
}

/** Who is told when what it wrote has left. */
export interface Writer { written (): void }

type Fields = Record<symbol, unknown>

/** The newest release of Node with which the tests have passed: CONTRIBUTING.md says how that is found. */
const NEWEST_MAJOR = 26

const supported = process.platform !== 'win32' && Number.parseInt(process.versions.node) <= NEWEST_MAJOR

/** All reads are into it, one after the other: each is done with before the next. */
const memory = Buffer.allocUnsafeSlow(64 * 1024)

const readKeys = findReadKeys()

/** Makes what a write needs to be asked for; undefined: no stream has shown it yet; null: it is something unknown. */
let ask: (() => WriteRequest | null) | null | undefined

/** Where a socket keeps what the public option `onread` of sockets that connect says. */
function findReadKeys (): { memory: symbol, take: symbol } | undefined {
  const callback = () => true
  const socket = new Socket({ onread: { buffer: memory, callback } } as SocketConstructorOpts) as Socket & Fields
  const keys = Object.getOwnPropertySymbols(socket)
  const [memoryKey, takeKey] = [memory, callback].map(value => keys.find(key => socket[key] === value))
  return memoryKey === undefined || takeKey === undefined ? undefined : { memory: memoryKey, take: takeKey }
}

function handleOf (socket: Socket): Handle | null {
  // A TLS socket has another one, that encrypts.
  if (!supported || socket.constructor !== Socket) return null
  return (socket as Socket & { _handle?: Handle | null })._handle ?? null
}

/**
 * Makes what has reads of sockets go past their streams, but for what comes while they are paused: that waits there.
 *
 * @param take called on the socket for each read, with memory that is lent for the call
 * @returns a function that does so for one socket; false: it can't, and all goes on as it was
 */
export function directReads (take: (this: Socket, bytes: Buffer) => void): (socket: Socket) => boolean {
  /** @returns false: no more for now */
  function onRead (this: Socket, size: number): boolean {
    const bytes = memory.subarray(0, size)
    if (this.isPaused() || this.readableLength > 0) return this.push(Buffer.from(bytes))
    take.call(this, bytes)
    return true
  }
  return socket => {
    const handle = handleOf(socket)
    const fields = socket as Socket & Fields
    if (readKeys === undefined || typeof handle?.useUserBuffer !== 'function') return false
    if (fields[readKeys.memory] !== null || fields[readKeys.take] !== null) return false
    fields[readKeys.memory] = memory
    fields[readKeys.take] = onRead
    socket.on('pause', readOn)
    handle.useUserBuffer(memory)
    return true
  }
}

/** Else a client that goes while its socket is paused would do so unnoticed. */
function readOn (this: Socket): void {
  this.read(0)
}

/**
 * Hands bytes to the kernel at once, where nothing waits that was written before. What it does not take follows by
 * itself, before what the stream is given from then on; `writer` is told when it has. It is no activity that keeps
 * `socket.setTimeout` from calling.
 *
 * @returns how many bytes are to follow; undefined: it can't, and nothing was written
 */
export function writeDirectly (socket: Socket, bytes: Buffer, writer: Writer): number | undefined {
  const handle = handleOf(socket)
  if (handle === null || socket.writableLength > 0) return undefined
  if (ask === undefined) learn(handle)
  if (!ask || handle.writeQueueSize !== 0) return undefined
  const request = ask()
  const answer = handle.writeBuffer(request, bytes)
  if (typeof answer === 'number' && answer !== 0) {
    fail(socket, answer)
    return 0
  }
  const waiting = handle.writeQueueSize
  if (waiting > 0) Object.assign(request ?? answer, { oncomplete: onWritten, bytes, socket, writer })
  return waiting
}

/** Has the next write of a stream show how it asks for it. */
function learn (handle: Handle): void {
  if (typeof handle.writeQueueSize !== 'number' || typeof handle.writeBuffer !== 'function') ask = null
  if (ask === null || Object.hasOwn(handle, 'writeBuffer')) return
  const writeBuffer = (request: WriteRequest | null, bytes: Buffer): number | WriteRequest => {
    Reflect.deleteProperty(handle, 'writeBuffer')
    ask = asking(request)
    return handle.writeBuffer(request, bytes)
  }
  Object.assign(handle, { writeBuffer })
}

function asking (request: WriteRequest | null): typeof ask {
  if (request === null) return () => null
  const Request = request.constructor as new () => WriteRequest
  return Request.name === 'WriteWrap' ? () => new Request() : null
}

function onWritten (this: WriteRequest, status: number): void {
  const { socket, writer } = this
  if (socket!.destroyed) return
  if (status < 0) fail(socket!, status)
  else writer!.written()
}

function fail (socket: Socket, status: number): void {
  const code = getSystemErrorName(status)
  socket.destroy(Object.assign(new Error(`write ${code}`), { errno: status, code, syscall: 'write' }))
}
