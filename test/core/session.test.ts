import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Grant } from '../../src/core/auth.js'
import { SympleError } from '../../src/core/errors.js'
import { encode } from '../../src/core/frame.js'
import type { Session } from '../../src/core/session.js'
import { FakeConnection } from '../fake-connection.js'
import { eventually } from '../helper.js'
import { seed } from '../seed.js'
import { client, deferred, send, setUp, turn } from './service.js'

const GRANT: Grant = { user: 'alice', name: undefined, rooms: [], fixed: {} }

t.test('handles what came while it authenticated afterwards, in order, and lets the socket wait', async t => {
  const hook = deferred()
  const { symple, open } = setUp({ authenticator: hook.authenticate })
  const { connection, session } = open()
  send(session, { type: 'auth', user: 'alice' })
  send(session, { type: 'join', room: 'a' })
  send(session, { type: 'nonsense' })
  send(session, { type: 'message', to: '', id: 1 })
  send(session, { type: 'join', room: 'b' })
  await turn()
  t.strictSame([connection.frames, connection.paused], [[], true])
  hook.grant(GRANT)
  await turn()
  t.strictSame(connection.frames.map(({ type, room, id }) => room ?? id ?? type), ['welcome', 'a', 1, 'b'])
  t.equal(connection.paused, false)
  symple.close()
})

t.test('handles nothing of what came behind an auth that is refused', async t => {
  const hook = deferred()
  const { symple, open } = setUp({ authenticator: hook.authenticate })
  const { connection, session } = open()
  send(session, { type: 'auth', user: 'alice', id: 'a1' })
  send(session, { type: 'join', room: 'a' })
  hook.refuse(new SympleError(401, 'Authentication refused'))
  await turn()
  t.strictSame(connection.frames, [{ type: 'error', status: 401, message: 'Authentication refused', id: 'a1' }])
  t.strictSame([connection.closedWith, connection.paused], [4401, false])
  t.equal(symple.gauges.peers, 0)
  symple.close()
})

t.test('keeps no more of what comes while it authenticates than may wait for a peer', async t => {
  for (const [maxBuffered, cut] of [[1000, false], [999, true], [0, false]] as const) {
    const hook = deferred()
    const { symple, open } = setUp({ authenticator: hook.authenticate, limits: { maxBuffered } })
    const { connection, session } = open()
    send(session, { type: 'auth', user: 'alice' })
    for (let i = 0; i < 10; i++) send(session, '{"type":"join","room":"a"}'.padEnd(100))
    t.equal(connection.terminated, cut, `${maxBuffered} bytes`)
    t.equal(symple.stats.limits.buffered, cut ? 1 : 0)
    if (cut) {
      send(session, { type: 'message' })
      t.equal(symple.stats.limits.buffered, 1, 'counted once')
      session.closed(1006)
    }
    hook.grant(GRANT)
    await turn()
    t.equal(connection.frames.filter(({ type }) => type === 'join:ok').length, cut ? 0 : 10)
    symple.close()
  }
})

t.test('makes no peer of a client that left while it authenticated', async t => {
  const hook = deferred()
  const { symple, open } = setUp({ authenticator: hook.authenticate })
  const { connection, session } = open()
  send(session, { type: 'auth', user: 'alice' })
  session.closed(1006)
  hook.grant(GRANT)
  await turn()
  t.strictSame(connection.frames, [])
  t.match(symple.gauges, { peers: 0, connections: 0 })
  t.equal(symple.stats.auths.abandoned, 1)
  symple.close()
})

/** Has a client go in order that has said something which waits for an answer. */
async function depart (
  t: Test, { connection, session }: { connection: FakeConnection, session: Session }
): Promise<void> {
  send(session, { type: 'join', room: 'lobby' })
  session.ended()
  connection.open = false
  session.closed(1006)
  await turn()
  t.equal(session.alive, true)
}

t.test('ends a client that has gone while it authenticates at once when the server does', async t => {
  const ends: Array<(session: Session) => void> = [
    session => { session.evict(new SympleError(503, 'Too many')) },
    session => { session.drain(encode({}), 1000) }
  ]
  for (const end of ends) {
    const hook = deferred()
    const { symple, enter } = setUp({ authenticator: hook.authenticate })
    const alice = enter({ user: 'alice' })
    await depart(t, alice)
    t.equal(symple.gauges.connections, 1)
    end(alice.session)
    t.match(symple.gauges, { peers: 0, connections: 0 })
    hook.grant(GRANT)
    await turn()
    t.match(symple.gauges, { peers: 0, connections: 0, rooms: 0 })
    t.equal(symple.stats.auths.ok, 0)
    symple.close()
  }
})

t.test('ends a peer that has gone at once when the application or the server does', async t => {
  const answers: Array<(allowed: boolean) => void> = []
  const { symple, enter } = setUp({
    limits: { hookTimeout: 0 },
    authorizeJoin: async () => await new Promise<boolean>(resolve => { answers.push(resolve) })
  })
  const ends: Array<(session: Session) => void> = [
    session => { session.revoke(new SympleError(403, 'Disconnected')) },
    session => { session.drain(encode({}), 1000) }
  ]
  for (const end of ends) {
    const alice = enter({ user: 'alice' })
    await depart(t, alice)
    t.equal(symple.gauges.peers, 1)
    end(alice.session)
    t.match(symple.gauges, { peers: 0, connections: 0 })
    answers.pop()!(true)
    await turn()
    t.match(symple.gauges, { peers: 0, rooms: 0 })
  }
  symple.close()
})

t.test('waits for what a client has said that has gone, but not for ever', async t => {
  const hook = deferred()
  const { symple, open, enter, pass } = setUp({ authenticator: hook.authenticate, limits: { authTimeout: 9 } })
  const silent = open()
  const { session } = enter({ user: 'alice' })
  await depart(t, { connection: new FakeConnection(), session })
  pass(9.9)
  await eventually(() => silent.connection.closedWith === 4408, 'the wheel has turned')
  t.equal(session.alive, true)
  pass(0.2)
  await eventually(() => !session.alive, 'it is gone')
  hook.grant(GRANT)
  await turn()
  t.equal(symple.gauges.peers, 0)
  t.match(symple.stats.auths, { ok: 0, abandoned: 1 })
  symple.close()
})

t.test('never answers with 408 for time that the authenticator takes', async t => {
  const hook = deferred()
  const { symple, open, pass } = setUp({ authenticator: hook.authenticate, limits: { authTimeout: 10 } })
  const [late, { connection, session }] = [open(), open()]
  send(session, { type: 'auth', user: 'alice' })
  pass(60)
  await eventually(() => late.connection.closedWith !== null, 'the silent client is closed')
  t.equal(late.connection.closedWith, 4408)
  t.match(late.connection.frames, [{ type: 'error', status: 408 }])
  t.strictSame(connection.frames, [])
  hook.grant(GRANT)
  await turn()
  t.match(connection.frames, [{ type: 'welcome' }])
  symple.close()
})

t.test('keeps the request of a connection for hooks, and no longer than the handshake lasts', async t => {
  const asked: unknown[] = []
  const { symple } = setUp({
    authenticate: async ({ user }, _auth, request) => {
      asked.push(request)
      await turn()
      return { allowed: user !== 'eve' }
    }
  })
  for (const [user, type] of [['alice', 'welcome'], ['eve', 'error'], ['a|b', 'error']]) {
    const [connection, request] = [new FakeConnection(), { of: user }]
    const owner = { ...client, request }
    send(symple.open(connection, owner), { type: 'auth', user })
    await eventually(() => connection.frames.length > 0, 'an answer')
    t.match(connection.frames, [{ type }])
    t.equal(owner.request, undefined)
  }
  t.strictSame(asked, [{ of: 'alice' }, { of: 'eve' }])
  symple.close()
})

t.test('waits for auth for ever, and pings nobody, where those limits are 0', async t => {
  const off = setUp({ limits: { authTimeout: 0, pingInterval: 0 } })
  const on = setUp()
  const [silent, peer] = [off.open(), off.enter({ user: 'alice' })]
  const [otherSilent, otherPeer] = [on.open(), on.enter({ user: 'alice' })]
  off.pass(1e6)
  on.pass(1e6)
  await eventually(() => otherSilent.connection.closedWith === 4408 && otherPeer.connection.pings === 1, 'the limits of the other')
  t.strictSame([silent.connection.closedWith, peer.connection.pings, peer.connection.terminated], [null, 0, false])
  off.symple.close()
  on.symple.close()
})

t.test('pings on, and cuts nobody, where the time for a pong is 0', async t => {
  const { symple, enter, pass } = setUp({ limits: { pingTimeout: 0 } })
  const { connection } = enter({ user: 'alice' })
  for (const pings of [1, 2, 3]) {
    pass(30)
    await eventually(() => connection.pings === pings, `ping ${pings}`)
  }
  t.equal(connection.terminated, false)
  symple.close()
})

t.test('cuts nobody for a pong that could not be read while a hook thought about a message', async t => {
  let answer: ((verdict: boolean) => void) | null = null
  const { symple, enter, pass } = setUp({
    limits: { hookTimeout: 0 },
    authorizeMessage: async () => await new Promise<boolean>(resolve => { answer = resolve })
  })
  const { connection, session } = enter({ user: 'alice' })
  send(session, { type: 'message' })
  t.equal(connection.paused, true)
  pass(30)
  await eventually(() => connection.pings === 1, 'a ping')
  for (let i = 0; i < 3; i++) {
    pass(30)
    // A tick of the wheel.
    await new Promise(resolve => { setTimeout(resolve, 150) })
  }
  t.equal(connection.terminated, false)
  answer!(true)
  await turn()
  t.equal(connection.paused, false)
  pass(30)
  await eventually(() => connection.terminated, 'the end of who answers no ping')
  symple.close()
})

t.test('survives JSON that can be parsed and not be serialised, wherever it stands', async t => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const { symple, open, enter } = setUp({ limits: { maxMessageSize: 0 } })
  for (const first of [
    `{"type":"auth","user":${deep}}`, `{"type":"auth","user":"x","data":{"x":${deep}}}`, `{"type":"auth","rooms":${deep}}`,
    `{"type":"message","id":${deep}}`, `{"type":"auth","user":"","id":${deep}}`
  ]) {
    const { connection, session } = open()
    t.doesNotThrow(() => { send(session, first) })
    t.match(connection.frames, [{ type: 'error', message: String }])
    t.not(connection.closedWith, null)
  }
  const [alice, bob] = [enter({ user: 'alice', rooms: ['lobby'] }), enter({ user: 'bob', rooms: ['lobby'] })]
  for (const text of [
    `{"type":"join","room":"","id":${deep}}`, `{"type":"message","to":${deep}}`, `{"type":${deep}}`, `{"type":"join","room":${deep}}`,
    `{"type":"presence","data":{"x":${deep}}}`, `{"type":"presence","x":${deep}}`, `{"type":"message","from":1,"x":${deep}}`,
    `{"type":"message","to":"","id":${deep}}`
  ]) {
    await turn()
    const before = alice.connection.frames.length
    t.doesNotThrow(() => { send(alice.session, text) })
    await turn()
    t.match(alice.connection.frames.slice(before), [{ type: 'error', status: 400 }])
  }
  send(alice.session, { type: 'message', to: 'bob', id: 'after' })
  await turn()
  t.match(bob.connection.frames.at(-1), { type: 'message', id: 'after' })
  symple.close()
})

t.test('stores nothing of a presence that it refuses', async t => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const { symple, enter } = setUp({ limits: { maxMessageSize: 0 } })
  const [alice, bob] = [enter({ user: 'alice', rooms: ['lobby'] }), enter({ user: 'bob', rooms: ['lobby'] })]
  send(alice.session, `{"type":"presence","data":{"status":"away"},"x":${deep}}`)
  await turn()
  t.match(alice.connection.frames.at(-1), { type: 'error', status: 400 })
  const carol = enter({ user: 'carol', rooms: ['lobby'] })
  await turn()
  for (const { connection } of [bob, carol]) {
    const presence = connection.frames.filter(({ type, from }) => type === 'presence' && from?.startsWith('alice|'))
    t.equal(presence.length, 1)
    t.notOk('status' in (presence[0]!.data as object))
  }
  symple.close()
})

// Whatever comes -----------------------------------------------------------------------------------------------

const FRAMES = [
  '{"type":"auth","user":"alice","name":"","rooms":["lobby"],"data":{"status":"busy","__proto__":{"polluted":true}}}',
  '{"type":"message","to":"bob","id":"m1","subtype":"call:init","data":{"text":"hello"},"from":"alice|x"}',
  '{"type":"presence","data":{"name":"A","constructor":{"prototype":{"polluted":true}},"online":false},"probe":true}',
  '{"type":"event","name":"doorbell","to":["lobby","bob"],"__proto__":{"polluted":true}}',
  '{"type":"command","to":null,"node":"camera","action":"start"}',
  '{"type":"join","room":"den","id":7}',
  '{"type":"leave","room":"lobby"}',
  '{"type":"close"}'
]

/** Valid frames with a few bytes taken out, put in or changed; and frames of all kinds put together wrongly. */
const mutated = fc.tuple(
  fc.constantFrom(...FRAMES),
  fc.array(fc.tuple(
    fc.nat(), fc.nat(3), fc.oneof(fc.constantFrom(...'{}[]",:\\u0|'), fc.string({ unit: 'binary' }))
  ), { maxLength: 4 })
).map(([frame, edits]) => edits.reduce((text, [place, cut, insert]) => {
  const at = place % (text.length + 1)
  return text.slice(0, at) + insert + text.slice(at + cut)
}, frame))

t.test('survives whatever comes: it never throws, answers with JSON, and goes on serving others', async () => {
  const text = fc.oneof({ weight: 3, arbitrary: mutated }, fc.json())
  const encoded = text.map(text => Buffer.from(text))
  const bytes = fc.oneof({ weight: 3, arbitrary: encoded }, fc.uint8Array().map(bytes => Buffer.from(bytes)))
  const frame = fc.tuple(bytes, fc.boolean())
  await fc.assert(fc.asyncProperty(fc.boolean(), fc.array(frame, { maxLength: 12 }), async (welcomed, frames) => {
    const { symple, open, enter } = setUp()
    const [bob, carol] = [enter({ user: 'bob', rooms: ['lobby'] }), enter({ user: 'carol', rooms: ['lobby'] })]
    const alice = welcomed ? enter({ user: 'alice', rooms: ['lobby'] }) : open()
    for (const [bytes, binary] of frames) alice.session.receive(bytes, binary)
    send(carol.session, { type: 'message', to: 'bob', id: 'after' })
    await turn()
    assert.equal(bob.connection.frames.at(-1)?.id, 'after')
    for (const frame of [...alice.connection.frames, ...bob.connection.frames]) {
      assert.equal(typeof frame.type, 'string')
      if (frame.type === 'error') assert.deepEqual([typeof frame.status, typeof frame.message], ['number', 'string'])
      if (frame.type !== 'error' && frame.from !== undefined) assert.match(frame.from, /^[^|]+\|[^|]{16,}$/)
    }
    alice.session.closed(1006)
    symple.close()
    assert.deepEqual(Object.keys(Object.prototype), [])
    assert.equal('polluted' in {}, false)
  }), { seed, numRuns: 500 })
})

t.test('shows no token to anybody, wherever a client puts one', async () => {
  const TOKEN = 'T0ken-3b1f0c'
  const fields = fc.dictionary(fc.oneof(fc.constantFrom('status', 'name', 'online', 'id', '__proto__'), fc.string()), fc.jsonValue())
  const presence = fc.record({ data: fields, extra: fields, to: fc.constantFrom(undefined, null, 'bob', ['lobby'], '', 7, 'nobody') })
  await fc.assert(fc.asyncProperty(fields, fc.array(presence, { maxLength: 4 }), async (data, presences) => {
    const { symple, enter } = setUp()
    const bob = enter({ user: 'bob', rooms: ['lobby'] })
    const alice = enter({ user: 'alice', rooms: ['lobby'], token: TOKEN, data: { ...data, token: TOKEN } })
    for (const { data, extra, to } of presences) {
      send(alice.session, { ...extra, type: 'presence', to, token: TOKEN, data: { ...data, token: TOKEN } })
      send(alice.session, { type: 'presence', token: { token: TOKEN } })
    }
    const carol = enter({ user: 'carol', rooms: ['lobby'] })
    await turn()
    alice.session.closed(1006)
    await turn()
    symple.close()
    for (const { connection } of [alice, bob, carol]) {
      assert.ok(connection.frames.length > 1)
      assert.ok(!connection.texts.some(text => text.includes(TOKEN)), connection.texts.join('\n'))
    }
  }), { seed, numRuns: 200 })
})
