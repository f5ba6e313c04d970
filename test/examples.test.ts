import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { emit } from './emit.js'
import { startServer, TestClient } from './helper.js'
import { run, type Program } from './process.js'

const API_KEY = 'k'.repeat(32)
const FOLDER = fileURLToPath(new URL('../examples/', import.meta.url))

/** Runs an example as its README says; it finds the package by its own name, compiled. */
function example (t: Test, args: string[], env: Record<string, string> = {}): Program {
  return run(t, process.execPath, args, env, FOLDER)
}

/** Where an example listens, on a free port: `localhost:…`. */
async function serve (t: Test, name: string): Promise<{ host: string, program: Program }> {
  const env = { PORT: '0', SYMPLE_HOST: '127.0.0.1', SYMPLE_DRAIN_SECONDS: '0', SYMPLE_API_KEY: API_KEY }
  const program = example(t, [name], env)
  const { msg } = await program.logged(line => line.msg.startsWith('Server listening'), '"Server listening"')
  return { host: `localhost:${/:(\d+)$/.exec(msg)![1]}`, program }
}

/** A terminal with the chat in it, and what it shows. */
class Chat {
  readonly program: Program

  constructor (t: Test, args: string[], env?: Record<string, string>) {
    this.program = example(t, ['chat.js', ...args], env)
  }

  say (line: string): void {
    this.program.type(line)
  }

  async shows (line: string | RegExp): Promise<void> {
    await this.program.until(() => {
      return this.program.stdout.split('\n').some(shown => typeof line === 'string' ? shown === line : line.test(shown))
    }, String(line))
  }
}

async function signIn (host: string, user: string): Promise<string> {
  const answer = await fetch(`http://${host}/login`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user })
  })
  return (await answer.json() as { token: string }).token
}

t.test('README.md tells how to run each example', async t => {
  const readme = readFileSync(`${FOLDER}README.md`, 'utf8')
  for (const name of readdirSync(FOLDER)) {
    if (name !== 'README.md') t.match(readme, `node ${name}`)
  }
})

t.test('gateway.js lets in who has its token, as the user and into the rooms of that', async t => {
  const { host, program } = await serve(t, 'gateway.js')
  const url = `ws://${host}/realtime`

  const [header, claims] = (await signIn(host, 'alice')).split('.') as [string, string, string]
  const [, , signature] = (await signIn(host, 'bob')).split('.')
  for (const token of [undefined, 'forged', `${header}.${claims}.${signature}`]) {
    const stranger = new TestClient(url)
    await stranger.opened()
    stranger.send({ type: 'auth', user: 'alice', ...(token !== undefined && { token }) })
    t.match(await stranger.find('error'), { status: 401, message: 'Sign in first' })
    t.equal((await stranger.closed).code, 4401)
  }

  const bob = new TestClient(url)
  t.teardown(() => { bob.ws.terminate() })
  const welcome = await bob.authenticate({ token: await signIn(host, 'bob'), user: 'mallory', rooms: ['lobby', 'staff'] })
  t.match(welcome, { peer: { user: 'bob' }, rooms: ['bob', 'lobby'] })
  bob.send({ type: 'join', room: 'staff', id: 1 })
  t.match(await bob.find('error'), { status: 403, id: 1 })

  const alice = new Chat(t, ['alice', 'lobby', url], { TOKEN: await signIn(host, 'alice') })
  await alice.shows('* bob is here')
  bob.send({ type: 'message', to: 'alice', data: 'Hello, Alice!' })
  await alice.shows('bob to you: Hello, Alice!')

  program.child.kill()
  await bob.find(({ name }) => name === 'shutdown')
  t.equal((await bob.closed).code, 1001)
  t.strictSame(await program.exited, { code: 0, signal: null })
})

t.test('bot.js welcomes people and answers them', async t => {
  const { host, program } = await serve(t, 'bot.js')
  const alice = new Chat(t, ['alice', 'lobby', `ws://${host}`])
  await alice.shows('* Bot is here')
  await alice.shows('Bot to you: Welcome, alice! Ask me "who" or "time".')
  await emit(host, API_KEY, { type: 'message', to: 'bot', data: 'who' })
  alice.say('who')
  await alice.shows(/^Bot to you: (Bot, alice|alice, Bot)$/)
  alice.say('@bot time')
  await alice.shows(/^Bot to you: \d+:\d+:\d+/)
  alice.say('constructor')
  await alice.shows("Bot to you: I don't know constructor.")
  t.equal(alice.program.stdout.match(/alice, Bot|Bot, alice/g)?.length, 1, 'who has no address is not answered')
  t.strictSame(await program.stop(), { code: 0, signal: null })
  await alice.shows('* Bot has left')
})

t.test('chat.js is a conversation', async t => {
  const { server, url } = await startServer(t)
  const alice = new Chat(t, ['alice', 'garden', url])
  await alice.shows('* You are alice')
  const bob = new Chat(t, ['bob', 'garden', url])
  await alice.shows('* bob is here')
  await bob.shows('* alice is here')
  alice.say('Hello, all!')
  await bob.shows('alice: Hello, all!')
  bob.say('@alice Hello, Alice!')
  await alice.shows('bob to you: Hello, Alice!')
  await server.symple.send('alice', { type: 'message', data: 'Hello from nobody!' })
  await alice.shows('The server to you: Hello from nobody!')
  bob.program.child.stdin!.end()
  await alice.shows('* bob has left')
  t.strictSame(await bob.program.exited, { code: 0, signal: null })
})
