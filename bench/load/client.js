import { connect } from 'node:net'
import { encodeFrame, encodeText, FrameScanner, OPCODE } from './frames.js'
import { messageStamp, peerStamp, StampFinder, isMessage, writeSequence } from './stamp.js'

// All sockets read into the same memory: each chunk is dealt with before the next is read.
const chunk = Buffer.allocUnsafe(256 * 1024)
const finder = new StampFinder()
/** When the chunk came that is being dealt with. */
let arrival = 0

/**
 * One peer, on a plain TCP socket.
 *
 * Its inbox is told what arrives: `message` and `presence` (client, buffer, at, end, arrival) with the place of the
 * stamp, the end of the payload and the time, `unexpected` (client, text), and `closed` (client, reason) when the
 * server ends the connection.
 */
export class Client {
  id = null
  /** What a ledger keeps of it. */
  account = null
  #state = 'new'
  #socket = null
  #head = ''
  #scanner = new FrameScanner((opcode, buffer, start, end) => { this.#frame(opcode, buffer, start, end) })
  #settle = null
  #template = null
  #stampAt = 0

  /** A group is a set of peers that write to each other; the slot is the place in it. */
  constructor ({ port, dialect, inbox, group, slot, room }) {
    this.port = port
    this.dialect = dialect
    this.inbox = inbox
    this.group = group
    this.slot = slot
    this.room = room
    this.user = `u${String(group).padStart(4, '0')}-${String(slot).padStart(4, '0')}`
  }

  get address () {
    return `${this.user}|${this.id}`
  }

  /** Opens the WebSocket. */
  connect () {
    return this.#until(() => {
      this.#state = 'upgrading'
      this.#socket = connect({
        port: this.port,
        host: '127.0.0.1',
        noDelay: true,
        onread: { buffer: chunk, callback: size => this.#read(chunk.subarray(0, size)) }
      })
      this.#socket.on('connect', () => {
        this.#socket.write(`GET ${this.dialect.path} HTTP/1.1\r\nHost: 127.0.0.1:${this.port}\r\n` +
          'Connection: Upgrade\r\nUpgrade: websocket\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
      })
      this.#socket.on('error', error => { this.#end(error.message) })
      this.#socket.on('close', () => { this.#end('closed') })
    })
  }

  /** Becomes a peer. */
  authenticate () {
    return this.#until(() => {
      this.#state = 'authenticating'
      const rooms = [this.room]
      this.#write(encodeText(this.dialect.auth({ user: this.user, name: peerStamp(this.group, this.slot), rooms })))
    })
  }

  /** Encodes what `send` sends. */
  prepare (to, bytes) {
    this.#template = encodeText(this.dialect.message(to, messageStamp(this.group, this.slot, bytes)))
    this.#stampAt = this.#template.indexOf('@M')
  }

  send (sequence) {
    const frame = Buffer.from(this.#template)
    writeSequence(frame, this.#stampAt, sequence)
    this.#write(frame)
  }

  say (text) {
    this.#write(encodeText(text))
  }

  /** Stops to read; what the server sends piles up. */
  stall () {
    this.#socket.pause()
  }

  resume () {
    this.#socket.resume()
  }

  /** Drops the connection. */
  leave () {
    this.#state = 'left'
    this.#socket?.destroy()
  }

  #until (begin) {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      begin()
    })
  }

  #write (frame) {
    if (this.#state !== 'left') this.#socket.write(frame)
  }

  #read (data) {
    if (this.#state === 'left') return false
    arrival = performance.now()
    try {
      if (this.#state === 'upgrading') this.#upgrade(data)
      else this.#scanner.push(data)
    } catch (error) {
      this.#end(error.message)
    }
    return true
  }

  #upgrade (data) {
    this.#head += data.toString('latin1')
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) return
    if (!this.#head.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade: ${this.#head.slice(0, 60)}`)
    const rest = Buffer.from(this.#head.slice(end + 4), 'latin1')
    this.#head = ''
    this.#state = 'greeting'
    if (!this.dialect.greets) this.#opened()
    if (rest.length > 0) this.#scanner.push(rest)
  }

  #opened () {
    this.#state = 'open'
    this.#settle.resolve()
  }

  #frame (opcode, buffer, start, end) {
    if (opcode === OPCODE.text) {
      if (this.#state === 'online') this.#text(buffer, start, end)
      else this.#handshake(buffer.toString('utf8', start, end))
    } else if (opcode === OPCODE.ping) {
      this.#write(encodeFrame(OPCODE.pong, buffer.subarray(start, end)))
    } else if (opcode === OPCODE.close) {
      this.#end(`closed with ${end - start < 2 ? 'no code' : buffer.readUInt16BE(start)}`)
    }
  }

  #text (buffer, start, end) {
    const at = finder.find(buffer, start, end)
    if (at >= 0) {
      if (isMessage(buffer, at)) this.inbox.message(this, buffer, at, end, arrival)
      else this.inbox.presence(this, buffer, at, end, arrival)
      return
    }
    const text = buffer.toString('utf8', start, end)
    const answer = this.dialect.answer(text)
    if (answer === undefined) this.inbox.unexpected(this, text)
    else this.#write(encodeText(answer))
  }

  #handshake (text) {
    if (this.#state === 'greeting') return this.#opened()
    const id = this.dialect.welcomed(text)
    if (id === undefined) return
    this.id = id
    this.#state = 'online'
    this.#settle.resolve()
  }

  #end (reason) {
    if (this.#state === 'left') return
    const wasOnline = this.#state === 'online'
    this.leave()
    if (wasOnline) this.inbox.closed(this, reason)
    else this.#settle.reject(new Error(`${this.user}: ${reason}`))
  }
}
