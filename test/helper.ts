import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import WebSocket from 'ws'
import type { ServiceOptions } from '../plugins/symple.js'
import { assemble } from '../src/create-server.js'

/** A frame as a client reads it. */
export interface Frame {
  type: string
  status?: number
  message?: string
  id?: unknown
  from?: string
  to?: unknown
  room?: string
  rooms?: string[]
  peer?: PeerObject
  data?: unknown
  [key: string]: unknown
}

/** What peers tell of each other. */
export interface PeerObject {
  id: string
  user: string
  name: string
  online: boolean
  host: string
  [key: string]: unknown
}

/** Whom a client believes online: the data of each peer's last presence, by address. */
export type Roster = Record<string, PeerObject>

/** Milliseconds after which a wait counts as failed: far more than anything takes. */
const PATIENCE = 20_000

export interface TestServer {
  /** What the server is made of. */
  server: FastifyInstance
  port: number
  /** Where the WebSocket is. */
  url: string
  /** Where HTTP is, without a slash at the end. */
  origin: string
}

/** Starts a server in this process on a free port; the test's teardown ends it. */
export async function startServer (
  t: Test, env: Record<string, string> = {}, hooks: ServiceOptions = {}
): Promise<TestServer> {
  const { server: { listen }, scope: server } = await assemble({
    ...hooks,
    env: { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: '0', SYMPLE_DRAIN_SECONDS: '0', LOG_LEVEL: 'silent', ...env }
  })
  t.teardown(() => server.close())
  await listen()
  const { port } = server.server.address() as AddressInfo
  const secure = server.config.tls === undefined ? '' : 's'
  return {
    server,
    port,
    url: `ws${secure}://127.0.0.1:${port}${server.config.path}`,
    origin: `http${secure}://127.0.0.1:${port}`
  }
}

/**
 * A client of the kind that users have, on a real socket. It keeps all frames from its creation on, so that none is
 * missed, and builds its roster from presence frames alone.
 */
export class TestClient {
  readonly ws: WebSocket
  /** All frames so far. */
  readonly frames: Frame[] = []
  /** The code and reason with which the connection ended. */
  readonly closed: Promise<{ code: number, reason: string }>
  /** The `peer` of `welcome`; set by `authenticate`. */
  peer!: PeerObject
  #read = 0
  #barriers = 0
  #wake: () => void = () => {}

  constructor (url: string, options: WebSocket.ClientOptions = {}) {
    this.ws = new WebSocket(url, options)
    this.ws.on('message', data => {
      this.frames.push(JSON.parse(String(data)) as Frame)
      this.#wake()
    })
    this.closed = new Promise(resolve => {
      this.ws.on('close', (code, reason) => {
        resolve({ code, reason: String(reason) })
        this.#wake()
      })
    })
    // Refused upgrades are told by `opened`, what comes later by `closed`.
    this.ws.on('error', () => {})
  }

  /** `user|id` */
  get address (): string {
    return `${this.peer.user}|${this.peer.id}`
  }

  /** Resolves when the WebSocket is open; rejects where the upgrade was refused. */
  async opened (): Promise<this> {
    if (this.ws.readyState === WebSocket.CONNECTING) await once(this.ws, 'open')
    return this
  }

  /** Sends an object as JSON, anything else as it is: a string as a text frame, a Buffer as a binary one. */
  send (message: object | string | Buffer): void {
    this.ws.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message))
  }

  /** The next frame that has not been taken yet. */
  async next (): Promise<Frame> {
    await this.#until(() => this.frames.length > this.#read, 'a frame')
    return this.frames[this.#read++]!
  }

  /** The next frame of a type, or one that passes a test; those before it are skipped. */
  async find (wanted: string | ((frame: Frame) => boolean)): Promise<Frame> {
    const matches = typeof wanted === 'string' ? (frame: Frame) => frame.type === wanted : wanted
    for (;;) {
      const frame = await this.next()
      if (matches(frame)) return frame
    }
  }

  /** Says who it is and waits for the welcome. */
  async authenticate (auth: object): Promise<Frame> {
    await this.opened()
    this.send({ type: 'auth', ...auth })
    const welcome = await this.find('welcome')
    this.peer = welcome.peer!
    return welcome
  }

  /**
   * Waits until the server has handled all that this client has sent, and this client has read all that the server
   * sent it before that.
   */
  async barrier (): Promise<void> {
    const id = `barrier-${++this.#barriers}`
    // The one frame that is always answered, and changes nothing.
    this.send({ type: 'message', to: '', id })
    await this.#until(() => this.frames.some(frame => frame.type === 'error' && frame.id === id), 'an answer')
  }

  /** Takes all frames that are there and have not been taken, without those of `barrier`. */
  take (): Frame[] {
    const frames = this.frames.slice(this.#read)
    this.#read = this.frames.length
    return frames.filter(frame => !String(frame.id).startsWith('barrier-'))
  }

  /** The roster that its presence frames add up to. */
  get roster (): Roster {
    const roster: Roster = {}
    for (const frame of this.frames) {
      if (frame.type !== 'presence') continue
      const data = frame.data as PeerObject
      if (data.online) roster[frame.from!] = data
      else delete roster[frame.from!]
    }
    return roster
  }

  /** Ends the connection and waits for its end. */
  async close (): Promise<void> {
    this.ws.close()
    await this.closed
  }

  async #until (holds: () => boolean, what: string): Promise<void> {
    const deadline = setTimeout(() => { this.#wake() }, PATIENCE)
    const started = performance.now()
    try {
      while (!holds()) {
        if (this.ws.readyState === WebSocket.CLOSED) throw new Error(`closed while waiting for ${what}: ${this.#seen()}`)
        if (performance.now() - started >= PATIENCE) throw new Error(`${what} did not come: ${this.#seen()}`)
        await new Promise<void>(resolve => { this.#wake = resolve })
      }
    } finally {
      clearTimeout(deadline)
    }
  }

  #seen (): string {
    return `${this.frames.length} frames, the last ${JSON.stringify(this.frames.at(-1))}`
  }
}

/** Opens a connection and authenticates; the test's teardown drops it. */
export async function connect (t: Test, url: string, auth: object): Promise<TestClient> {
  const client = new TestClient(url)
  t.teardown(() => { client.ws.terminate() })
  await client.authenticate(auth)
  return client
}

/** Opens a connection that says nothing yet; the test's teardown drops it. */
export async function open (t: Test, url: string, options?: WebSocket.ClientOptions): Promise<TestClient> {
  const client = new TestClient(url, options)
  t.teardown(() => { client.ws.terminate() })
  return await client.opened()
}

/** Waits until all that these clients have sent has been handled, and has reached those of them whom it was for. */
export async function settle (...clients: TestClient[]): Promise<void> {
  for (const client of clients) await client.barrier()
  // What the last one sent may have reached the first after its own barrier.
  for (const client of clients) await client.barrier()
}

/**
 * Waits until something holds that no event tells of.
 *
 * @param patience milliseconds after which it counts as failed
 */
export async function eventually (
  holds: () => boolean | Promise<boolean>, what: string, patience = PATIENCE
): Promise<void> {
  const started = performance.now()
  while (!await holds()) {
    if (performance.now() - started > patience) throw new Error(`did not come true: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
