import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { temporaryFolder } from './process.js'

/** Milliseconds after which a wait counts as failed: far more than anything takes. */
const PATIENCE = 20_000

const MISSING = 'redis-server is needed: apt-get install redis-server (Debian), brew install redis (macOS)'

export interface RedisOptions {
  /** Further arguments of `redis-server`, such as `['--requirepass', 'secret']`. */
  args?: readonly string[]
  /** Default: a free one. */
  port?: number
}

/** A Redis of this test alone, which keeps nothing on disk. */
export class RedisServer {
  readonly port: number
  readonly #args: readonly string[]
  readonly #folder: string
  readonly #clients: Redis[] = []
  #child: ChildProcess | null = null

  constructor (port: number, folder: string, args: readonly string[]) {
    this.port = port
    this.#folder = folder
    this.#args = args
  }

  get url (): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** The process that runs now. */
  get pid (): number {
    return this.#child!.pid!
  }

  /** Starts it and waits until it answers. */
  async start (): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder, '--save', '', '--appendonly', 'no']
    const child = spawn('redis-server', [...args, ...this.#args], { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#child = child
    let output = ''
    child.stdout.on('data', data => { output += String(data) })
    const failed = new Promise<never>((_resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        reject(error.code === 'ENOENT' ? new Error(MISSING) : error)
      })
      child.once('exit', () => { reject(new Error(`redis-server did not start:\n${output}`)) })
    })
    await Promise.race([failed, answers(this.port)])
    // Its end is nobody's fault from here on.
    failed.catch(() => {})
  }

  /** Ends it in good order. */
  async stop (): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** Ends it at once. */
  async kill (): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Ends it, if it runs, and starts it on the same port, with nothing in it. */
  async restart (): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Has it say nothing, with all connections open. */
  pause (): void {
    this.#child!.kill('SIGSTOP')
  }

  resume (): void {
    this.#child!.kill('SIGCONT')
  }

  /** A connection for the test itself. It lasts as long as the server, and comes back after a restart. */
  client (options: { password?: string } = {}): Redis {
    const client = new Redis({ port: this.port, host: '127.0.0.1', retryStrategy: () => 50, ...options })
    // While the server is away; what was asked rejects by itself.
    client.on('error', () => {})
    this.#clients.push(client)
    return client
  }

  /** Ends it with all its connections. */
  async close (): Promise<void> {
    for (const client of this.#clients) client.disconnect()
    await this.kill()
  }

  async #end (signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === null || child.pid === undefined) return
    this.#child = null
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    // Who is paused hears it only then.
    child.kill('SIGCONT')
    await exited
  }
}

/** Starts a real `redis-server` on a free port and waits until it answers; the test's teardown ends it. */
export async function startRedis (t: Test, { args = [], port }: RedisOptions = {}): Promise<RedisServer> {
  const server = new RedisServer(port ?? await freePort(), temporaryFolder(t), args)
  t.teardown(() => server.close())
  await server.start()
  return server
}

/**
 * A free port below those that systems give to outgoing connections: one of these would be taken while the server is
 * down, by a client that tries to reach it.
 */
export async function freePort (): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    try {
      await once(server, 'listening')
    } catch {
      continue
    }
    server.close()
    await once(server, 'close')
    return port
  }
}

/** Resolves when something answers at a port as Redis does, though it may want a password first. */
async function answers (port: number): Promise<void> {
  const started = performance.now()
  while (!await pings(port)) {
    if (performance.now() - started > PATIENCE) throw new Error(`redis-server does not answer at ${port}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

async function pings (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    socket.write('PING\r\n')
    const [answer] = await once(socket, 'data') as [Buffer]
    return /^\+PONG|^-NOAUTH/.test(String(answer))
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
