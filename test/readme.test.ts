import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { connect, eventually, startServer } from './helper.js'

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const WSCAT = fileURLToPath(new URL('../node_modules/wscat/bin/wscat', import.meta.url))
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

t.test('the client in JavaScript runs as it stands there', async t => {
  const { url } = await startServer(t)
  const [, code = ''] = /```js\n(.*?)```/s.exec(README) ?? []
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  // Node 20 has a WebSocket behind a flag; the package is imported by its own name, compiled.
  const child = spawn(process.execPath, ['--experimental-websocket', '--input-type=module', '--eval', code.replace(ADDRESS, url)], {
    cwd: fileURLToPath(new URL('..', import.meta.url)), stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => { child.kill() })
  let output = ''
  child.stdout!.on('data', (text: Buffer) => { output += String(text) })
  const hello = await bob.find('message')
  t.match(hello, { from: /^alice\|/, to: ['lobby'], data: 'Hello, all!' })
  bob.send({ type: 'message', to: hello.from, data: 'hi' })
  t.match(await bob.find('message'), { to: bob.address, data: 'You said hi' })
  await eventually(() => output.includes('bob'), 'the roster')
})
