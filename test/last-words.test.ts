import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { connect, eventually, startServer, type PeerObject, type TestClient } from './helper.js'
import { PING } from './raw-frames.js'
import { CLOSE, frame, openRaw, type RawSocket } from './raw.js'
import { startRedis } from './redis.js'
import { startSessionServer } from './session-server.js'

const AUTH = { type: 'auth', user: 'alice', rooms: ['lobby'] }

function framesFor (...messages: object[]): Buffer {
  return Buffer.concat(messages.map(message => frame(JSON.stringify(message))))
}

/** How a client goes in order, in one chunk with what it says. */
const WAYS: Record<string, (raw: RawSocket, said: Buffer) => void> = {
  'a close': (raw, said) => { raw.write(Buffer.concat([said, frame('', CLOSE)])) },
  'the end of its connection': (raw, said) => { raw.socket.end(said) },
  both: (raw, said) => { raw.socket.end(Buffer.concat([said, frame('', CLOSE)])) },
  'a close, all behind a ping': (raw, said) => { raw.write(Buffer.concat([frame('', PING), said, frame('', CLOSE)])) }
}

/** Has a client say its last, and waits until its connection is gone. */
async function visit (
  t: Test, port: number, go: (raw: RawSocket) => void, sockets: () => Promise<number>
): Promise<void> {
  const before = await sockets()
  const raw = await (await openRaw(t, port)).upgrade()
  go(raw)
  await raw.gone
  raw.socket.end()
  await eventually(async () => await sockets() === before, 'the server has no socket of it')
}

function socketsOf ({ server }: FastifyInstance): () => Promise<number> {
  return promisify(server.getConnections.bind(server)) as () => Promise<number>
}

/** What somebody is told of alice, up to her end, in few words. */
async function toldOfAlice (witness: TestClient): Promise<unknown[]> {
  const told: unknown[] = []
  for (;;) {
    const { type, data, n } = await witness.find(({ from }) => from?.startsWith('alice|') === true)
    if (type === 'message') told.push(n)
    else told.push((data as PeerObject).online ? 'online' : 'offline')
    if (told.at(-1) === 'offline') return told
  }
}

/** A server whose hook answers when the test says so, with somebody in the lobby. */
async function scene (t: Test) {
  let answer: ((allowed: boolean) => void) | null = null
  const { url, port, server } = await startServer(t, { SYMPLE_HOOK_TIMEOUT: '0' }, {
    authenticate: async ({ user }) => ({
      allowed: user !== 'alice' || await new Promise<boolean>(resolve => { answer = resolve }), rooms: ['lobby']
    })
  })
  const bob = await connect(t, url, { user: 'bob' })
  return {
    port,
    bob,
    symple: server.symple,
    sockets: socketsOf(server),
    asked: async () => { await eventually(() => answer !== null, 'the hook is asked') },
    answer (allowed: boolean) {
      answer!(allowed)
      answer = null
    }
  }
}

const LAST = [{ type: 'message', to: 'lobby', n: 1 }, { type: 'message', to: 'lobby', n: 2 }]

t.test('what a client says before it goes in order is handled when it is let in, however late', async t => {
  const { port, bob, symple, sockets, answer } = await scene(t)
  for (const [way, go] of Object.entries(WAYS)) {
    await visit(t, port, raw => { go(raw, framesFor(AUTH, ...LAST)) }, sockets)
    t.strictSame(bob.take(), [], `${way}: nobody hears of her before`)
    answer(true)
    t.strictSame(await toldOfAlice(bob), ['online', 1, 2, 'offline'], way)
    t.match(symple.gauges, { connections: 1, peers: 1 })
  }
  t.match(symple.stats.auths, { ok: 1 + Object.keys(WAYS).length, abandoned: 0 })
})

t.test('nobody hears of a client that has gone and is not let in, or said no more than who it is', async t => {
  const { port, bob, symple, sockets, asked, answer } = await scene(t)
  for (const go of Object.values(WAYS)) {
    await visit(t, port, raw => { go(raw, framesFor(AUTH, ...LAST)) }, sockets)
    answer(false)
    await eventually(() => symple.gauges.connections === 1, 'she is gone')
    await visit(t, port, raw => { go(raw, framesFor(AUTH)) }, sockets)
    await eventually(() => symple.gauges.connections === 1, 'she is gone, before the answer')
    await asked()
    answer(true)
  }
  await bob.barrier()
  t.strictSame(bob.take(), [])
  const visits = Object.keys(WAYS).length
  t.match(symple.stats.auths, { ok: 1, refused: visits, abandoned: visits })
})

t.test('what a client has said whose connection breaks is not handled any more', async t => {
  const { port, bob, symple, asked, answer } = await scene(t)
  const raw = await (await openRaw(t, port)).upgrade()
  raw.write(framesFor(AUTH, ...LAST))
  await asked()
  raw.reset()
  await eventually(() => symple.gauges.connections === 1, 'she is gone')
  answer(true)
  await bob.barrier()
  t.strictSame(bob.take(), [])
  t.equal(symple.stats.auths.abandoned, 1)
})

t.test('what a client says before it goes is handled after the hooks on joins and messages', async t => {
  const { url, port, server } = await startServer(t, { SYMPLE_HOOK_TIMEOUT: '0' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  let answers: Array<(allowed: boolean) => void> = []
  const hook = async () => await new Promise<boolean>(resolve => { answers.push(resolve) })
  Object.assign(server.symple, { authorizeJoin: hook, authorizeMessage: hook })
  for (const [way, go] of Object.entries(WAYS)) {
    const said = framesFor({ type: 'auth', user: 'alice', rooms: ['lobby'] }, { type: 'join', room: 'garden' }, ...LAST)
    await visit(t, port, raw => { go(raw, said) }, socketsOf(server))
    for (let i = 0; i < 4; i++) {
      await eventually(() => answers.length === 1, 'a hook is asked')
      const [answer] = answers
      answers = []
      answer!(true)
    }
    t.strictSame(await toldOfAlice(bob), ['online', 1, 2, 'offline'], way)
  }
})

t.test('what a client says before it goes is handled when Redis has answered', async t => {
  const redis = await startRedis(t)
  const { url, port, server } = await startServer(t, { SYMPLE_REDIS_URL: redis.url, SYMPLE_REDIS_TIMEOUT: '60' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  for (const [way, go] of Object.entries(WAYS)) {
    redis.pause()
    await visit(t, port, raw => { go(raw, framesFor(AUTH, ...LAST)) }, socketsOf(server))
    redis.resume()
    t.strictSame(await toldOfAlice(bob), ['online', 1, 2, 'offline'], `${way}, while it enters`)
    const raw = await (await openRaw(t, port)).authenticate(AUTH)
    redis.pause()
    go(raw, framesFor({ type: 'join', room: 'garden' }, ...LAST))
    await raw.gone
    raw.socket.end()
    await eventually(async () => await socketsOf(server)() === 1, 'the server has no socket of it')
    redis.resume()
    t.strictSame(await toldOfAlice(bob), ['online', 1, 2, 'offline'], `${way}, while it joins`)
  }
})

t.test('what a client says before it goes is handled when its session has been found', async t => {
  const { url, redis, write } = await startSessionServer(t, { SYMPLE_REDIS_TIMEOUT: '60' })
  const port = Number(new URL(url).port)
  await write('a', { user: 'alice', rooms: ['lobby'] })
  await write('b', { user: 'bob', rooms: ['lobby'] })
  const bob = await connect(t, url, { token: 'b' })
  for (const go of Object.values(WAYS)) {
    redis.pause()
    const raw = await (await openRaw(t, port)).upgrade()
    go(raw, framesFor({ type: 'auth', token: 'a' }, ...LAST))
    await raw.gone
    raw.socket.end()
    redis.resume()
    t.strictSame(await toldOfAlice(bob), ['online', 1, 2, 'offline'])
  }
})
