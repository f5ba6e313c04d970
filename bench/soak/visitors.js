import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { encodeFrame, encodeText, OPCODE } from '../load/frames.js'

/** Milliseconds after which a visitor waits no more: far more than anything takes. */
const PATIENCE = 30_000

/** Characters that a visitor remembers: more than comes behind what it waits for, such as the snapshot of presence. */
const KEPT = 2 ** 20

const UPGRADE = 'GET / HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

/** A short connection that does as it likes. */
class Visitor {
  #socket
  #received = ''
  #gone = false
  #wake = () => {}

  constructor (port) {
    this.#socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const end = () => {
      this.#gone = true
      this.#wake()
    }
    this.#socket.on('data', data => {
      this.#received = (this.#received + data.toString('latin1')).slice(-KEPT)
      this.#wake()
    })
    this.#socket.on('end', end).on('close', end).on('error', () => {})
  }

  write (data) {
    this.#socket.write(data)
  }

  say (message) {
    this.write(encodeText(JSON.stringify(message)))
  }

  /** Reads no more. */
  stall () {
    this.#socket.pause()
  }

  async until (text) {
    await this.#wait(() => this.#received.includes(text), text)
  }

  async gone () {
    await this.#wait(() => this.#gone, 'the end of its connection')
  }

  async upgrade () {
    this.write(UPGRADE)
    await this.until('HTTP/1.1 101 ')
  }

  async enter (who) {
    await this.upgrade()
    this.say({ type: 'auth', ...who })
    await this.until('"type":"welcome"')
  }

  finish () {
    this.#socket.end()
    // Else it would never read that the server has ended it, too.
    this.#socket.resume()
  }

  drop () {
    this.#socket.destroy()
  }

  reset () {
    this.#socket.resetAndDestroy()
  }

  async #wait (holds, what) {
    const deadline = performance.now() + PATIENCE
    const timer = setTimeout(() => { this.#wake() }, PATIENCE)
    try {
      while (!holds()) {
        if (performance.now() >= deadline) throw new Error(`a visitor waits in vain for ${what}`)
        // What it waited for will not come: it was cut, which is one of the ways to go.
        if (this.#gone) return
        await new Promise(resolve => { this.#wake = resolve })
      }
    } finally {
      clearTimeout(timer)
    }
  }
}

const who = i => ({ user: `visitor-${i % 500}`, rooms: ['square', `corner-${i % 50}`] })

/** How far a visitor gets, and how it goes. */
export const states = {
  'TCP only': async () => { await delay(50) },
  'half a request': async visitor => { visitor.write(UPGRADE.slice(0, 60)) },
  'another request': async visitor => {
    visitor.write('GET /healthz HTTP/1.1\r\nHost: soak\r\n\r\n')
    await visitor.until('"ok"')
  },
  'never authenticates': async visitor => {
    await visitor.upgrade()
    await visitor.gone()
  },
  'drops before it authenticates': async visitor => { await visitor.upgrade() },
  malformed: async visitor => {
    await visitor.upgrade()
    visitor.write(encodeText('{"type":'))
    await visitor.gone()
  },
  refused: async visitor => {
    await visitor.upgrade()
    visitor.say({ type: 'message' })
    await visitor.gone()
  },
  'broken framing': async visitor => {
    await visitor.upgrade()
    visitor.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    await visitor.gone()
  },
  'half a frame': async (visitor, i) => {
    await visitor.enter(who(i))
    visitor.write(encodeText(JSON.stringify({ type: 'message', data: 'x'.repeat(1000) })).subarray(0, 500))
  },
  'auth, and gone': async (visitor, i) => {
    visitor.write(UPGRADE)
    visitor.say({ type: 'auth', ...who(i) })
    await delay(i % 20)
  },
  'welcome, and gone': async (visitor, i) => { await visitor.enter(who(i)) },
  busy: async (visitor, i) => {
    await visitor.enter(who(i))
    for (let n = 0; n < 5; n++) {
      visitor.say({ type: 'join', room: `alley-${i}-${n}` })
      visitor.say({ type: 'presence', data: { n } })
      visitor.say({ type: 'message', to: 'square', n })
      visitor.say({ type: 'leave', room: `alley-${i}-${n - 1}` })
    }
    await visitor.until(`alley-${i}-4`)
  },
  'polite close': async (visitor, i) => {
    await visitor.enter(who(i))
    visitor.say({ type: 'close' })
    await visitor.gone()
  },
  'closing handshake': async (visitor, i) => {
    await visitor.enter(who(i))
    visitor.write(encodeFrame(OPCODE.close, Buffer.from([0x03, 0xe8])))
    await visitor.gone()
  },
  'reads nothing': async (visitor, i) => {
    await visitor.enter(who(i))
    visitor.stall()
    // Each is answered at length.
    for (let n = 0; n < 50; n++) visitor.say({ type: 'join', room: '', id: 'x'.repeat(2000) })
    await delay(200)
  },
  'stays a while': async (visitor, i) => {
    await visitor.enter(who(i))
    await delay(1000)
  }
}

const ENDS = ['finish', 'drop', 'reset']

/** Visitors that come one after the other, in all states, at all nodes. */
export class Visitors {
  /** How many have come, and gone again. */
  count = 0
  failures = []
  #ports
  #interval
  #timer = null
  #serial = 0
  #here = new Set()

  /** @param rate visitors in a second */
  constructor (ports, rate) {
    this.#ports = ports
    this.#interval = 1000 / rate
  }

  start () {
    let due = performance.now()
    this.#timer = setInterval(() => {
      for (; due < performance.now(); due += this.#interval) this.#come()
    }, Math.max(5, this.#interval))
  }

  /** No more come; resolves when all have gone. */
  async stop () {
    clearInterval(this.#timer)
    await Promise.all(this.#here)
  }

  #come () {
    const i = this.#serial++
    const names = Object.keys(states)
    const name = names[i % names.length]
    const round = Math.floor(i / names.length)
    const visit = this.#visit(states[name], i, round).catch(error => { this.failures.push(`${name}: ${error.message}`) })
    this.#here.add(visit)
    visit.finally(() => { this.#here.delete(visit) })
  }

  async #visit (state, i, round) {
    const visitor = new Visitor(this.#ports[round % this.#ports.length])
    try {
      await state(visitor, i)
      visitor[ENDS[round % ENDS.length]]()
      await visitor.gone()
    } finally {
      visitor.drop()
    }
    this.count++
  }
}
