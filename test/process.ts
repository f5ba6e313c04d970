import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/** The compiled server: `npm test` builds it first, `npx tap` does not. */
export const SERVER = fileURLToPath(new URL('../dist/src/server.js', import.meta.url))

/** Milliseconds after which a wait counts as failed: far more than anything takes. */
const PATIENCE = 60_000

/** A line of the server's log. */
export interface LogLine {
  level: number
  msg: string
  [key: string]: unknown
}

/** How a process ended. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A process of this test, its output line by line, and its end. */
export class Program {
  readonly child: ChildProcess
  /** Resolves when the process has ended and all its output has been read. */
  readonly exited: Promise<Exit>
  stdout = ''
  stderr = ''
  #wake: () => void = () => {}
  #ended = false

  constructor (command: string, args: string[], options: { env: Record<string, string>, cwd: string }) {
    this.child = spawn(command, args, { ...options, stdio: 'pipe' })
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#wake()
    })
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => { this.stderr += text })
    this.exited = once(this.child, 'close').then(([code, signal]) => {
      this.#ended = true
      this.#wake()
      return { code, signal } as Exit
    })
  }

  /** Types a line into it. */
  type (line: string): void {
    this.child.stdin!.write(`${line}\n`)
  }

  /** What it has logged so far. Throws where a line is no JSON. */
  get log (): LogLine[] {
    return this.stdout.split('\n').slice(0, -1).map(line => JSON.parse(line) as LogLine)
  }

  /** The first line of the log that passes a test, as soon as it is there. */
  async logged (matches: (line: LogLine) => boolean, what: string): Promise<LogLine> {
    let line: LogLine | undefined
    await this.until(() => {
      line = this.log.find(matches)
      return line !== undefined
    }, what)
    return line!
  }

  /** Waits until what it has written so far passes a test. */
  async until (holds: () => boolean, what: string): Promise<void> {
    const started = performance.now()
    const deadline = setTimeout(() => { this.#wake() }, PATIENCE)
    try {
      while (!holds()) {
        if (this.#ended) throw new Error(`ended before ${what}: ${this.stderr}${this.stdout}`)
        if (performance.now() - started >= PATIENCE) throw new Error(`${what} did not come: ${this.stderr}${this.stdout}`)
        await new Promise<void>(resolve => { this.#wake = resolve })
      }
    } finally {
      clearTimeout(deadline)
    }
  }

  /** Ends it with a signal, and says how it ended. */
  async stop (signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.child.kill(signal)
    return await this.exited
  }
}

export interface ServerProcess extends Program {
  port: number
  /** Where the WebSocket is. */
  url: string
  /** Where HTTP is, without a slash at the end. */
  origin: string
}

/** A new empty folder; the test's teardown removes it. */
export function temporaryFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'symple-test-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

/** Runs a command with no more of an environment than is given; the test's teardown kills it. */
export function run (t: Test, command: string, args: string[], env: Record<string, string>, cwd: string): Program {
  const program = new Program(command, args, { env: { PATH: process.env['PATH'] ?? '', ...env }, cwd })
  t.teardown(async () => {
    program.child.kill('SIGKILL')
    await program.exited
  })
  return program
}

/** Runs the server with exactly these variables, in a folder without `.env` unless one is given. */
export function runServer (
  t: Test, env: Record<string, string>, options: { cwd?: string | undefined, args?: string[] } = {}
): Program {
  const { cwd = temporaryFolder(t), args = [] } = options
  if (!existsSync(SERVER)) throw new Error(`${SERVER} is missing: run "npm run build" first`)
  return run(t, process.execPath, [SERVER, ...args], env, cwd)
}

/** Starts the server in a process of its own on a free port, and waits until it listens. */
export async function startProcess (t: Test, env: Record<string, string> = {}, cwd?: string): Promise<ServerProcess> {
  const server = runServer(t, { SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: '0', SYMPLE_DRAIN_SECONDS: '0', ...env }, { cwd })
  const { msg } = await server.logged(line => line.msg.startsWith('Server listening'), '"Server listening"')
  const [, secure = '', port = ''] = /http(s?):\/\/127\.0\.0\.1:(\d+)/.exec(msg) ?? []
  return Object.assign(server, {
    port: Number(port),
    url: `ws${secure}://127.0.0.1:${port}${env['SYMPLE_PATH'] ?? '/'}`,
    origin: `http${secure}://127.0.0.1:${port}`
  })
}
