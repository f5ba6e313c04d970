import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { emit } from './emit.js'
import { connect, eventually, open, startServer, type TestClient } from './helper.js'
import { run, type Program } from './process.js'
import { startRedis } from './redis.js'

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const WSCAT = fileURLToPath(new URL('../node_modules/wscat/bin/wscat', import.meta.url))
const API_KEY = 'k'.repeat(32)
const ADDRESS = 'ws://localhost:4500'

/** The blocks of a terminal in the README, each with the user whose terminal it is. */
function transcript (): Array<{ user: string, lines: string[] }> {
  const blocks = [...README.matchAll(/([^\n]+)\n\n```console\n(.*?)```/gs)]
  return blocks.map(([, before, block]) => ({
    user: /Alice|Bob/.exec(before!)![0].toLowerCase(),
    lines: block!.trimEnd().split('\n')
  }))
}

/** What the README shows of a line, where `…`, with the beginning of an id before it, stands for anything. */
function pattern (line: string): RegExp {
  return new RegExp(line.split(/\w*…/).map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*?'))
}

class Terminal {
  output = ''
  readonly #child: ChildProcess

  /** @param command as the README has it, `npx wscat` and what follows */
  constructor (t: Test, command: string, url: string) {
    const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
    t.strictSame(args.slice(0, 2), ['npx', 'wscat'])
    this.#child = spawn(process.execPath, [WSCAT, ...args.slice(2).map(arg => arg === ADDRESS ? url : arg)])
    this.#child.stdout!.on('data', (text: Buffer) => { this.output += String(text) })
    t.teardown(() => { this.#child.kill() })
  }

  type (line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  interrupt (): void {
    this.#child.kill('SIGINT')
  }

  async shows (line: string): Promise<void> {
    await eventually(() => pattern(line).test(this.output), `${line} in ${this.output}`)
  }
}

t.test('the transcript of two terminals is what a stock client shows', async t => {
  const { server, url } = await startServer(t)
  const blocks = transcript()
  t.strictSame(blocks.map(({ user }) => user), ['alice', 'bob', 'alice'])
  const terminals = new Map<string, Terminal>()
  for (const { user, lines } of blocks) {
    for (const line of lines) {
      const [sign, text] = [line.slice(0, 2), line.slice(2)]
      if (sign === '$ ') {
        terminals.set(user, new Terminal(t, text, url))
        await eventually(() => server.symple.gauges.connections === terminals.size, 'a connection')
      } else if (sign === '> ') {
        terminals.get(user)!.type(text)
      } else {
        t.equal(sign, '< ')
        await terminals.get(user)!.shows(text)
      }
    }
  }
  await terminals.get('bob')!.shows('{"from":"alice|…","type":"message","to":"bob","data":"Hello, Bob!"}')
  terminals.get('bob')!.interrupt()
  await terminals.get('alice')!.shows(/When Bob leaves.*`(.*)`/.exec(README)![1]!)
  t.pass('each line came')
})

/** The first block of JavaScript after some words of a page. */
function code (page: string, words: string): string {
  const start = page.indexOf(words)
  if (start < 0) throw new Error(`it has no ${words}`)
  return /```js\n(.*?)```/s.exec(page.slice(start))![1]!
}

/** A program that listens, or connects, somewhere else. */
function elsewhere (source: string, from: string, to: string): string {
  if (!source.includes(from)) throw new Error(`it has no ${from}`)
  return source.replace(from, to)
}

/** Runs a program; it finds the package by its own name, compiled. */
function runCode (t: Test, source: string, env: Record<string, string> = {}): Program {
  // Node 20 has a WebSocket behind a flag.
  const args = ['--experimental-websocket', '--input-type=module', '--eval', source]
  return run(t, process.execPath, args, { SYMPLE_DRAIN_SECONDS: '0', ...env }, fileURLToPath(new URL('..', import.meta.url)))
}

/** Where a program with a log listens. */
async function addressOf (program: Program): Promise<string> {
  const { msg } = await program.logged(line => line.msg.startsWith('Server listening'), '"Server listening"')
  return `localhost:${/:(\d+)$/.exec(msg)![1]}`
}

/** Whether a program, told to stop, tells a client of it and ends. */
async function drains (t: Test, program: Program, client: TestClient): Promise<void> {
  program.child.kill('SIGTERM')
  await client.find(({ name }) => name === 'shutdown')
  t.equal((await client.closed).code, 1001)
  t.strictSame(await program.exited, { code: 0, signal: null })
}

t.test('the client in JavaScript runs as it stands there', async t => {
  const { server, url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const program = runCode(t, elsewhere(code(README, '## Clients'), ADDRESS, url))
  const hello = await bob.find('message')
  t.match(hello, { from: /^alice\|/, to: ['lobby'], data: 'Hello, all!' })
  bob.send({ type: 'message', to: hello.from, data: 'hi' })
  await program.until(() => program.stdout.includes(`${bob.address} hi`), 'the message')
  t.match(program.stdout, "[ 'bob' ]", 'the roster')
  await server.symple.send('alice', { type: 'message', data: 'News' })
  await program.until(() => program.stdout.includes('undefined News'), 'a message of nobody')
  await bob.barrier()
  t.equal(bob.frames.filter(({ type }) => type === 'message').length, 1, 'it answers neither')
})

t.test('a backend lets people in, and writes to them, by the commands that stand there', async t => {
  const redis = await startRedis(t)
  const { url } = await startServer(t, { SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_URL: redis.url })
  const [set, publish] = [...README.matchAll(/^redis-cli (.*)$/gm)].map(([, command]) => async () => {
    const args = [...command!.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
    const program = run(t, 'redis-cli', ['-p', String(redis.port), ...args], {}, '.')
    t.strictSame(await program.exited, { code: 0, signal: null })
  })
  await set!()
  const [, auth = ''] = /The client sends `({.*?"s3cr3t"})`/.exec(README)!
  const alice = await connect(t, url, JSON.parse(auth) as object)
  t.match(alice.frames[0], { peer: { user: 'alice', name: 'Alice' }, rooms: ['alice', 'staff'] })
  await publish!()
  t.match(await alice.find('event'), { name: 'order:paid', data: { order: 42 } })
})

t.test('the gateway runs as it stands there', async t => {
  const program = runCode(t, elsewhere(code(README, '## Mount it in a Fastify gateway'), 'port: 3000', 'port: 0'))
  const host = await addressOf(program)
  const url = `ws://${host}/realtime`

  const stranger = await open(t, url)
  stranger.send({ type: 'auth', user: 'alice', token: 'other' })
  t.equal((await stranger.closed).code, 4401)

  const alice = await connect(t, url, { token: 's3cr3t', rooms: ['public-garden', 'secret-garden'] })
  t.match(alice.frames[0], { peer: { user: 'alice' }, rooms: ['alice', 'staff', 'public-garden'] })
  const answer = await fetch(`http://${host}/orders/42/paid`, { method: 'POST' })
  t.strictSame(await answer.json(), { told: true })
  t.match(await alice.find('event'), { name: 'order:paid', data: { order: '42' } })
  await drains(t, program, alice)
})

t.test('the script runs as it stands there', async t => {
  const script = elsewhere(code(README, '## Embed it in a script'), 'port: 4500', "port: 0, host: '127.0.0.1'")
  const program = runCode(t, script, { SYMPLE_API_KEY: API_KEY })
  // What it prints itself is no log.
  await program.until(() => program.stdout.includes('Server listening'), '"Server listening"')
  const host = `127.0.0.1:${/listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(program.stdout)![1]}`
  const alice = await connect(t, `ws://${host}`, { user: 'alice', token: 's3cr3t' })
  t.match(await alice.find('event'), { name: 'motd', data: 'Welcome, alice!' })
  await emit(host, API_KEY, { type: 'message', to: 'bot', data: 'I am nobody.' })
  alice.send({ type: 'message', to: 'bot', data: 'Who are you?' })
  t.match(await alice.find('message'), { from: /^bot\|/, data: 'I am a bot.' })
  t.equal(alice.frames.filter(({ type }) => type === 'message').length, 1, 'nobody is not answered')
  await program.until(() => program.stdout.includes('alice Who are you?'), 'the message')
  await drains(t, program, alice)
})

t.test('what was a script of the original runs as docs/migration.md says', async t => {
  const page = readFileSync(new URL('../docs/migration.md', import.meta.url), 'utf8')
  const program = runCode(t, code(page, '\nNow:\n'), { PORT: '0', SYMPLE_HOST: '127.0.0.1' })
  const alice = await connect(t, `ws://${await addressOf(program)}`, { user: 'alice' })
  t.match(alice.frames[0], { rooms: ['alice', 'staff'] })
  t.match(await alice.find('event'), { name: 'motd' })
})
