import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { MemoryBackplane, MemoryNetwork } from '../../src/backplane/memory.js'
import type { Authenticator, Grant } from '../../src/core/auth.js'
import type { Backplane } from '../../src/core/backplane.js'
import { SympleError } from '../../src/core/errors.js'
import type { Symple } from '../../src/core/symple.js'
import { FakeConnection } from '../fake-connection.js'
import { eventually, type Frame, type PeerObject } from '../helper.js'
import { seed } from '../seed.js'
import { BEGINNING, deferred, send, setUp, turn } from './service.js'

const DAY = 86_400

/** Grants by token, as a test writes them; what else comes is refused. */
function book (grants: Record<string, Partial<Grant> | (() => Promise<Grant>)>): Authenticator {
  return ({ token }) => {
    const grant = grants[token ?? '']
    if (grant === undefined) throw new SympleError(401, 'Invalid token')
    if (typeof grant === 'function') return grant()
    return { user: 'alice', name: undefined, rooms: [], fixed: {}, ...grant }
  }
}

const at = (seconds: number): number => BEGINNING + seconds * 1000

const types = (connection: FakeConnection): string[] =>
  connection.frames.map(({ type, status, room, data }) => {
    const { user, online } = data as Partial<PeerObject> ?? {}
    return [type, status, room, user, online].filter(part => part !== undefined).join(' ')
  })

// The end of a grant -------------------------------------------------------------------------------------------

t.test('ends a peer when its grant does, with 401 and 4401, and not before', async t => {
  const { symple, open, enter, pass } = setUp({
    authenticator: book({ a: { expires: at(60), rooms: ['lobby'] }, b: { user: 'bob', rooms: ['lobby'] } }),
    limits: { authTimeout: 59.9, pingInterval: 0 }
  })
  const [alice, bob, silent] = [enter({ token: 'a' }), enter({ token: 'b' }), open()]
  await turn()
  pass(59.9)
  await eventually(() => silent.connection.closedWith === 4408, 'a time just before')
  t.equal(alice.connection.closedWith, null)
  // Two ticks of the wheel.
  pass(0.3)
  await eventually(() => alice.connection.closedWith !== null, 'the end')
  await turn()
  t.equal(alice.connection.closedWith, 4401)
  t.strictSame(alice.connection.frames.at(-1), { type: 'error', status: 401, message: 'Token expired' })
  t.strictSame(types(bob.connection), ['welcome 200', 'presence alice true', 'presence alice false'])
  t.equal(bob.connection.closedWith, null)
  symple.close()
})

t.test('takes times that are further away than any timer waits for', async t => {
  for (const [days, ended] of [[40, true], [1e6, true], [1e8, false], [Infinity, false]] as const) {
    const { symple, open, enter, pass } = setUp({
      authenticator: book({ a: { expires: at(days * DAY) } }), limits: { authTimeout: 1e6 * DAY, pingInterval: 0 }
    })
    const [alice, silent] = [enter({ token: 'a' }), open()]
    if (days === 40) {
      pass(39 * DAY)
      send(alice.session, { type: 'join', room: 'x' })
      await turn()
      t.equal(types(alice.connection).at(-1), 'join:ok x')
    }
    pass(1e6 * DAY)
    await eventually(() => silent.connection.closedWith === 4408, 'the time has come')
    t.equal(alice.connection.closedWith, ended ? 4401 : null, `${days} days`)
    symple.close()
  }
})

t.test('follows the wall clock where it is set', async t => {
  const { symple, open, enter, pass, set } = setUp({
    authenticator: book({ a: { expires: at(60) }, b: { user: 'bob', expires: at(3600) } }),
    limits: { authTimeout: 61, pingInterval: 25, pingTimeout: 0 }
  })
  const [alice, bob, silent] = [enter({ token: 'a' }), enter({ token: 'b' }), open()]
  set(-100)
  pass(61)
  await eventually(() => silent.connection.closedWith === 4408, 'sixty seconds')
  t.equal(alice.connection.closedWith, null, 'it is not so late')
  set(100)
  pass(25.2)
  await eventually(() => alice.connection.closedWith === 4401, 'the end, at the next ping')
  t.equal(bob.connection.closedWith, null)
  symple.close()
})

t.test('lets a grant end that has ended when the peer comes in', async t => {
  const { symple, enter, pass } = setUp({ authenticator: book({ a: { expires: at(-1) } }) })
  const { connection } = enter({ token: 'a' })
  pass(0.2)
  await eventually(() => connection.closedWith === 4401, 'the end')
  t.strictSame(types(connection), ['welcome 200', 'error 401'])
  symple.close()
})

// A fresh token ------------------------------------------------------------------------------------------------

t.test('goes on, as the same peer, with what a fresh token gives', async t => {
  const { symple, open, enter, pass } = setUp({
    authenticator: book({ a: { expires: at(60), token: 'a' }, b: { expires: at(120), token: 'b', rooms: ['lobby'] } }),
    limits: { authTimeout: 119, pingInterval: 0 }
  })
  const [{ connection, session }, silent] = [enter({ token: 'a' }), open()]
  await turn()
  t.strictSame(symple.tokens, ['a'])
  send(session, { type: 'auth', token: 'b' })
  await turn()
  const [first, second] = connection.frames as [Frame, Frame]
  t.strictSame(second, { ...first, rooms: ['alice', 'lobby'] })
  t.strictSame(symple.tokens, ['b'], 'the old one is nobody\'s')
  symple.revoke('a')
  pass(119)
  await eventually(() => silent.connection.closedWith === 4408, 'a time just before')
  t.equal(connection.closedWith, null)
  pass(1.2)
  await eventually(() => connection.closedWith === 4401, 'the end of the second')
  t.equal(symple.stats.auths.ok, 2)
  t.strictSame(symple.tokens, [])
  symple.close()
})

t.test('ends with the fresh token where that is withdrawn', async t => {
  const { symple, enter } = setUp({ authenticator: book({ a: { token: 'a' }, b: { token: 'b' } }) })
  const { connection, session } = enter({ token: 'a' })
  send(session, { type: 'auth', token: 'b' })
  await turn()
  symple.revoke('b')
  t.equal(connection.closedWith, 4401)
  symple.close()
})

t.test('stays as it is where a further auth is refused, and says why', async t => {
  const { symple, enter } = setUp({
    authenticator: book({
      a: { token: 'a', rooms: ['lobby'] },
      bob: { user: 'bob', rooms: ['lobby'] },
      nobody: { user: undefined },
      many: { rooms: ['1', '2', '3'] },
      away: () => Promise.reject(new SympleError(503, 'Sessions unavailable')),
      broken: () => Promise.reject(new TypeError('secret of the house'))
    }),
    limits: { maxRoomsPerPeer: 3, refreshInterval: 0 }
  })
  const { connection, session } = enter({ token: 'a' })
  send(session, { type: 'join', room: 'den' })
  const cases: Array<[auth: object, status: number, message: RegExp]> = [
    [{ token: 'bob' }, 401, /not this user/],
    [{ token: 'unknown' }, 401, /Invalid/],
    [{}, 401, /Invalid/],
    [{ token: 'nobody' }, 400, /user/],
    [{ token: 'many' }, 400, /Too many rooms: at most 3/],
    [{ token: 'away' }, 503, /Sessions unavailable/],
    [{ token: 'broken' }, 503, /^Authentication unavailable$/],
    [{ token: 7 }, 400, /token/],
    [{ token: 'a', rooms: 'lobby' }, 400, /rooms/],
    [{ token: 'a', user: 'a|b' }, 400, /user/]
  ]
  for (const [id, [auth, status, message]] of cases.entries()) {
    send(session, { type: 'auth', id, ...auth })
    await turn()
    t.match(connection.frames.at(-1), { type: 'error', status, message, id })
    t.equal(connection.frames.length, 3 + id, 'one answer')
  }
  t.strictSame([connection.closedWith, connection.paused], [null, false])
  t.strictSame(symple.tokens, ['a'])
  t.match(symple.stats.auths, { ok: 1, refused: 3, malformed: 5, unavailable: 2 })
  symple.revoke('a')
  t.equal(connection.closedWith, 4401)
  symple.close()
})

t.test('ends nobody whose fresh token came in time, while that is checked; if it is refused, at once', async t => {
  for (const good of [true, false]) {
    const check = deferred()
    const { symple, open, enter, pass } = setUp({
      authenticator: book({ a: { expires: at(10), token: 'a' }, b: check.authenticate }), limits: { authTimeout: 11, pingInterval: 0 }
    })
    const [{ connection, session }, silent] = [enter({ token: 'a' }), open()]
    send(session, { type: 'auth', token: 'b', id: 1 })
    send(session, { type: 'join', room: 'x' })
    await turn()
    pass(11.2)
    symple.revoke('a')
    await eventually(() => silent.connection.closedWith === 4408, 'the end of the old token')
    t.strictSame(types(connection), ['welcome 200'])
    t.equal(connection.paused, true, 'the socket waits too')
    if (good) check.grant({ user: 'alice', name: undefined, rooms: [], fixed: {} })
    else check.refuse(new SympleError(401, 'Invalid token'))
    await turn()
    t.strictSame(types(connection), good
      ? ['welcome 200', 'welcome 200', 'join:ok x']
      : ['welcome 200', 'error 401', 'error 401'])
    t.strictSame([connection.closedWith, connection.paused], [good ? null : 4401, false])
    symple.close()
  }
})

t.test('ends who has token after token checked while its own is withdrawn, as soon as one is refused', async t => {
  for (const good of [true, false]) {
    const check = deferred()
    const { symple, enter } = setUp({ authenticator: book({ a: { token: 'a' }, b: check.authenticate }) })
    const { connection, session } = enter({ token: 'a' })
    send(session, { type: 'auth', token: 'b' })
    await turn()
    t.strictSame(symple.tokens, ['a'], 'whether it is still good has to be asked')
    symple.revoke('a')
    t.equal(connection.closedWith, null, 'a better one may come of it')
    if (good) check.grant({ user: 'alice', name: undefined, rooms: [], fixed: {}, token: 'b' })
    else check.refuse(new SympleError(401, 'Invalid token'))
    await turn()
    t.strictSame(types(connection), good ? ['welcome 200', 'welcome 200'] : ['welcome 200', 'error 401', 'error 401'])
    t.equal(connection.closedWith, good ? null : 4401)
    t.strictSame(symple.tokens, good ? ['b'] : [])
    symple.close()
  }
})

t.test('makes nothing of a fresh token whose peer has left', async t => {
  const check = deferred()
  const { symple, enter } = setUp({ authenticator: book({ a: { token: 'a' }, b: check.authenticate }) })
  const { connection, session } = enter({ token: 'a' })
  send(session, { type: 'auth', token: 'b' })
  await turn()
  session.closed(1006)
  check.grant({ user: 'alice', name: undefined, rooms: ['lobby'], fixed: {}, token: 'b' })
  await turn()
  t.equal(connection.frames.length, 1)
  t.strictSame(symple.tokens, [])
  t.match(symple.gauges, { peers: 0, rooms: 0, connections: 0 })
  symple.close()
})

/** A node of two, whose directory answers for some rooms when the test lets it. */
function slowNode (...rooms: string[]) {
  const network = new MemoryNetwork()
  const backplane: Backplane = new MemoryBackplane(network, 'n1')
  const waiting = new Map<string, () => void>()
  const read = backplane.read.bind(backplane)
  backplane.read = place => rooms.some(room => place === `room:${room}`)
    ? new Promise(resolve => { waiting.set(place, () => { resolve(read(place)) }) })
    : read(place)
  return {
    network,
    backplane,
    async asked (room: string): Promise<void> {
      await eventually(() => waiting.has(`room:${room}`), 'the directory is asked')
    },
    /** @returns what answers, later */
    take (room: string): () => void {
      const answer = waiting.get(`room:${room}`)!
      waiting.delete(`room:${room}`)
      return answer
    },
    answer (room: string): void {
      waiting.get(`room:${room}`)!()
    }
  }
}

t.test('enters rooms of a fresh token and of the application one after the other, and says what is so', async t => {
  const { network, backplane, asked, answer } = slowNode('first', 'new', 'second')
  const near = setUp({
    backplane,
    authenticator: book({ a: { rooms: ['old', 'own'] }, b: { rooms: ['new'] } }),
    limits: { refreshInterval: 0 }
  })
  const far = setUp({ backplane: new MemoryBackplane(network, 'n2') })
  for (const { symple } of [near, far]) await symple.start()
  const { symple } = near
  const { connection, session } = near.enter({ token: 'a' })
  send(session, { type: 'join', room: 'mine' })
  await turn()
  const { id } = session.peer!
  const before = connection.frames.length
  const joined = symple.join(id, 'first')
  await asked('first')
  send(session, { type: 'auth', token: 'b' })
  await turn()
  const calls = [symple.leave(id, 'mine'), symple.join(id, 'second')]
  await turn()
  answer('first')
  await asked('new')
  await turn()
  t.strictSame(types(connection).slice(before), ['join:ok first'], 'all that came later waits')
  answer('new')
  await asked('second')
  answer('second')
  t.strictSame(await Promise.all([joined, ...calls]), [true, true, true])
  await turn()
  t.strictSame(types(connection).slice(before), ['join:ok first', 'welcome 200', 'leave:ok mine', 'join:ok second'])
  t.strictSame(connection.frames.at(before + 1)!.rooms, ['alice', 'new', 'mine', 'first'])
  t.strictSame((await symple.peer(id))!.rooms, ['first', 'new', 'second'])
  for (const { symple } of [near, far]) await symple.close()
})

t.test('says nothing of a fresh token whose peer leaves before it is in its new rooms', async t => {
  const { network, backplane, asked, answer } = slowNode('new')
  const logged: string[] = []
  const note = (_details: object, message: string) => { logged.push(message) }
  const near = setUp({
    backplane,
    authenticator: book({ a: { token: 'a' }, b: { token: 'b', rooms: ['new'] } }),
    log: { debug: note, info: note, warn: note, error: note }
  })
  const far = setUp({ backplane: new MemoryBackplane(network, 'n2') })
  for (const { symple } of [near, far]) await symple.start()
  const { connection, session } = near.enter({ token: 'a' })
  send(session, { type: 'auth', token: 'b' })
  await asked('new')
  session.closed(1006)
  answer('new')
  await turn()
  t.strictSame(types(connection), ['welcome 200'])
  t.strictSame(logged.filter(message => /refresh/.test(message)), [])
  t.strictSame(near.symple.tokens, [])
  t.match(near.symple.gauges, { peers: 0, rooms: 0, connections: 0 })
  for (const { symple } of [near, far]) await symple.close()
})

t.test('has no more than one token of a peer checked in SYMPLE_REFRESH_INTERVAL, whatever came of it', async t => {
  let asked = 0
  const { symple, enter, pass } = setUp({
    authenticator: ({ token }) => {
      asked++
      if (token === 'bad') throw new SympleError(401, 'Invalid token')
      return { user: 'alice', name: undefined, rooms: [], fixed: {} }
    },
    limits: { refreshInterval: 5 }
  })
  const { connection, session } = enter({})
  send(session, { type: 'auth', token: 'bad' })
  for (let id = 0; id < 10; id++) send(session, { type: 'auth', id })
  await turn()
  t.equal(asked, 2)
  t.match(connection.frames.at(-1), { type: 'error', status: 429, message: /too often/, id: 9 })
  t.strictSame([symple.stats.limits.refresh, symple.stats.drops.rate_limited], [10, 10])
  pass(5)
  send(session, { type: 'auth' })
  await turn()
  t.equal(asked, 3)
  t.equal(types(connection).at(-1), 'welcome 200')
  symple.close()
})

t.test('counts fresh tokens that are refused among the failures of an address, and no others', async t => {
  const { symple, enter } = setUp({
    authenticator: book({ a: {}, away: () => Promise.reject(new SympleError(503, 'Sessions unavailable')) }),
    limits: { ipAuthFailures: 2, ipRateSeconds: 1000, refreshInterval: 0 }
  })
  const { connection, session } = enter({ token: 'a' })
  const last = async (token: string) => {
    send(session, { type: 'auth', token })
    await turn()
    return connection.frames.at(-1)
  }
  for (const token of ['a', 'a', 'away', 'away', 'bad', 'a', 'away', 'bad']) {
    t.match(await last(token), { a: { type: 'welcome' }, away: { status: 503 }, bad: { status: 401 } }[token]!, token)
  }
  t.match(await last('a'), { type: 'error', status: 429, message: /failed/, retryAfter: Number })
  t.equal(symple.stats.limits.ip_auth_failures, 1)
  t.equal(connection.closedWith, null, 'it has what it had')
  t.match(symple.knock('127.0.0.1'), { status: 429 })
  symple.close()
})

t.test('counts a further auth for the rate', async t => {
  const { symple, enter } = setUp({ authenticator: book({ a: {} }), limits: { rateLimit: 3, refreshInterval: 0 } })
  const { connection, session } = enter({ token: 'a' })
  for (let i = 0; i < 5; i++) send(session, { type: 'auth', token: 'a' })
  await turn()
  t.strictSame(types(connection), ['welcome 200', 'welcome 200', 'welcome 200', 'welcome 200', 'error 429'])
  symple.close()
})

t.test('ignores a further auth where clients are taken at their word', async t => {
  const { symple, enter } = setUp()
  const { connection, session } = enter({ user: 'alice' })
  send(session, { type: 'auth', user: 'bob', rooms: ['lobby'] })
  send(session, { type: 'auth', user: 7 })
  await turn()
  t.strictSame(types(connection), ['welcome 200'])
  t.match(symple.stats, { drops: { unknown_type: 2 }, auths: { ok: 1 }, received: { auth: 1, unknown: 2 } })
  t.match(symple.gauges, { users: 1, rooms: 0 })
  symple.close()
})

// What others see of it ----------------------------------------------------------------------------------------

t.test('tells those who see a peer once what a fresh token has changed of it', async t => {
  const { symple, enter } = setUp({
    authenticator: book({
      a: { name: 'Alice', rooms: ['lobby'], fixed: { type: 'guest', team: 'red' } },
      b: { name: 'Alice', rooms: ['lobby'], fixed: { team: 'red', type: 'guest' } },
      c: { rooms: ['lobby'], fixed: { type: 'staff' } },
      bob: { user: 'bob', rooms: ['lobby'] },
      carol: { user: 'carol', rooms: ['lobby'] }
    }),
    limits: { refreshInterval: 0 }
  })
  const [bob, alice] = [enter({ token: 'bob' }), enter({ token: 'a', name: 'Al', data: { mood: 'sunny' } })]
  send(alice.session, { type: 'presence', data: { mood: 'cloudy' } })
  await turn()
  const before = bob.connection.frames.length
  send(alice.session, { type: 'auth', token: 'b', data: { mood: 'sunny' }, rooms: ['den'] })
  await turn()
  t.equal(bob.connection.frames.length, before, 'nothing has changed')
  send(alice.session, { type: 'auth', token: 'c', name: 'Ally' })
  await turn()
  const told = bob.connection.frames.slice(before)
  const data = { user: 'alice', name: 'Al', online: true, host: '127.0.0.1', type: 'staff', mood: 'cloudy' }
  t.match(told, [{ type: 'presence', data }])
  t.notOk('team' in (told[0]!.data as object))
  t.match(alice.connection.frames.at(-1), { type: 'welcome', peer: data, rooms: ['alice', 'lobby'] })
  const carol = enter({ token: 'carol' })
  await turn()
  t.match(carol.connection.frames.find(({ from }) => from?.startsWith('alice|')), { data })
  symple.close()
})

t.test('has rooms follow the grant, and leaves those that the peer joined by itself', async t => {
  const { symple, enter } = setUp({
    authenticator: book({
      a: { rooms: ['old', 'both', 'left'] },
      b: { rooms: ['both', 'new', 'left', 'own'] },
      c: { rooms: [] },
      ...Object.fromEntries(['old', 'both', 'new', 'own', 'mine'].map(room => [room, { user: `in ${room}`, rooms: [room] }])),
      changer: { user: 'changer', rooms: ['old', 'new'] },
      me: {}
    }),
    limits: { refreshInterval: 0 }
  })
  const others = ['old', 'both', 'new', 'own', 'mine', 'changer', 'me'].map(token => enter({ token }))
  const { connection, session } = enter({ token: 'a' })
  for (const [type, room] of [['join', 'mine'], ['join', 'own'], ['leave', 'left']]) send(session, { type, room })
  await turn()
  const seen = () => others.map(({ connection }) => types(connection).filter(type => type.startsWith('presence alice')).length)
  const [before, mine] = [seen(), connection.frames.length]
  send(session, { type: 'auth', token: 'b' })
  await turn()
  t.strictSame(connection.frames[mine]!.rooms, ['alice', 'both', 'new', 'left', 'own', 'mine'])
  t.strictSame(types(connection).slice(mine + 1), ['presence in new true', 'presence in old false'])
  t.strictSame(seen().map((count, i) => count - before[i]!), [1, 0, 1, 0, 0, 0, 0])
  send(session, { type: 'auth', token: 'c' })
  await turn()
  t.strictSame(connection.frames.filter(({ type }) => type === 'welcome').at(-1)!.rooms, ['alice', 'mine'])
  symple.close()
})

t.test('has hooks decide again, and tells the application what has changed', async t => {
  const asked: unknown[] = []
  const { symple } = setUp({
    authenticator: book({ a: { rooms: ['one', 'two'] }, b: { rooms: ['two', 'three'], fixed: { team: 'red' } }, c: {} }),
    authenticate: async ({ session }, { token }, request) => {
      asked.push([token, session, request])
      return { allowed: token !== 'c', user: 'somebody', rooms: ['hooked'] }
    },
    limits: { refreshInterval: 0 }
  })
  const told: unknown[] = []
  symple.on('join', ({ user }, room) => { told.push(['join', user, room]) })
  symple.on('leave', ({ user }, room) => { told.push(['leave', user, room]) })
  symple.on('presence', ({ user, data }) => { told.push(['presence', user, data]) })
  const connection = new FakeConnection()
  const request = { headers: {} }
  const session = symple.open(connection, { host: '127.0.0.1', request })
  for (const token of ['a', 'b', 'c']) {
    send(session, { type: 'auth', token })
    await turn()
  }
  t.strictSame(types(connection), ['welcome 200', 'welcome 200', 'error 401'])
  t.strictSame(connection.frames[1]!.rooms, ['somebody', 'two', 'three', 'hooked'])
  t.strictSame(asked, ['a', 'b', 'c'].map(token => [token, null, request]))
  t.match(told, [['presence', 'somebody', { team: 'red' }], ['join', 'somebody', 'three'], ['leave', 'somebody', 'one']])
  t.equal(told.length, 3)
  await symple.close()
})

t.test('tells no more of a peer that a listener has sent away', async t => {
  const { symple, enter } = setUp({
    authenticator: book({ a: { rooms: ['one'] }, b: { rooms: ['two', 'three', 'four'] } }), limits: { refreshInterval: 0 }
  })
  const told: string[] = []
  for (const event of ['online', 'offline'] as const) symple.on(event, () => { told.push(event) })
  for (const event of ['join', 'leave'] as const) symple.on(event, (_peer, room) => { told.push(`${event} ${room}`) })
  symple.on('join', ({ id }, room) => { if (room === 'two') symple.disconnect(id) })
  const { session } = enter({ token: 'a' })
  send(session, { type: 'auth', token: 'b' })
  await turn()
  t.strictSame(told, ['online', 'join two', 'offline'])
  await symple.close()
})

// Out of some rooms, into others ---------------------------------------------------------------------------------

const GRANTS = {
  red: { rooms: ['old', 'stays'], fixed: { team: 'red' } },
  blue: { rooms: ['new', 'stays'], fixed: { team: 'blue' } },
  'red elsewhere': { rooms: ['new', 'stays'], fixed: { team: 'red' } },
  ...Object.fromEntries([['old'], ['new'], ['stays'], ['old', 'new']].map(rooms =>
    [rooms.join('+'), { user: `in ${rooms.join('+')}`, rooms }]))
}

/** Alice on one node and, there or on another, who is with her before a fresh token, afterwards, or both. */
async function moving (here: string[], there: string[]) {
  const { network, backplane, asked, take } = slowNode('new')
  const options = { authenticator: book(GRANTS), limits: { refreshInterval: 0 } }
  const near = setUp({ ...options, backplane })
  const far = setUp({ ...options, backplane: new MemoryBackplane(network, 'n2') })
  const nodes = [near.symple, far.symple]
  for (const symple of nodes) await symple.start()
  const enter = (node: typeof near, tokens: string[]) => tokens.map(token => ({ token, ...node.enter({ token }) }))
  const witnesses = enter(far, there)
  await settled(nodes)
  witnesses.push(...enter(near, here))
  if (here.some(token => token.includes('new'))) {
    await asked('new')
    take('new')()
  }
  await settled(nodes)
  const alice = near.enter({ token: 'red' })
  await settled(nodes)
  const known = new Map([alice, ...witnesses].map(({ connection }) => [connection, connection.frames.length]))
  const since = (connection: FakeConnection) => connection.frames.slice(known.get(connection))
  return {
    ...alice,
    witnesses,
    asked,
    take,
    rest: async () => { await settled(nodes) },
    /** What one has been told of Alice since, and what she said. */
    story: (connection: FakeConnection) => since(connection).flatMap(({ type, from, data }) => {
      const { online, team } = data as PeerObject
      if (!from!.startsWith('alice')) return []
      return type === 'message' ? String(data) : `${online ? '+' : '-'}${String(team)}`
    }),
    /** What she has been told herself. */
    told: () => since(alice.connection).map(({ type, from, data }) => {
      if (type !== 'presence') return type === 'message' ? String(data) : type
      return `${(data as PeerObject).online ? '+' : '-'}${from!.split('|')[0]!.replace('in ', '')}`
    }),
    close: async () => { for (const symple of nodes) await symple.close() }
  }
}

const WITNESSES = ['old', 'new', 'stays', 'old+new']
const CASTS: Array<[here: string[], there: string[]]> =
  [[WITNESSES, []], [[], WITNESSES], [WITNESSES, WITNESSES], [['old', 'stays'], WITNESSES]]

t.test('moves a peer at once: nobody learns what it is to others than those who see it', async t => {
  const stories: Record<string, Record<string, string[]>> = {
    blue: { old: ['-red'], new: ['+blue', 'hi'], stays: ['+blue'], 'old+new': ['+blue', 'hi'] },
    'red elsewhere': { old: ['-red'], new: ['+red', 'hi'], stays: [], 'old+new': ['hi'] }
  }
  for (const [token, wanted] of Object.entries(stories)) {
    for (const [here, there] of CASTS) {
      const name = `${token}, ${here.length} on her node, ${there.length} on another`
      const { session, connection, witnesses, asked, take, rest, story, told, close } = await moving(here, there)
      send(session, { type: 'auth', token })
      send(session, { type: 'message', to: ['new'], data: 'hi' })
      if (!here.includes('new')) {
        // Who sees her already answers at once.
        const other = witnesses.find(({ token }) => token === 'new')!
        for (let i = 0; i < 50 && story(other.connection).length === 0; i++) await turn()
        send(other.session, { type: 'message', to: session.peer!.id, data: 'early' })
        await asked('new')
        await rest()
        t.strictSame(told(), [], `${name}: nothing before it is known who is there`)
        take('new')()
      }
      await rest()
      for (const witness of witnesses) t.strictSame(story(witness.connection), wanted[witness.token], `${name}: ${witness.token}`)
      const present = [...here, ...there]
      const [first, ...others] = told()
      t.equal(first, 'welcome')
      t.strictSame(others, [
        ...present.filter(token => token === 'new').map(token => `+${token}`),
        ...present.filter(token => token === 'old').map(token => `-${token}`),
        ...here.includes('new') ? [] : ['early']
      ], name)
      t.equal(connection.closedWith, null)
      await close()
    }
  }
})

t.test('tells of one that goes while it moves what each saw of it', async t => {
  const { session, witnesses, asked, take, rest, story, close } = await moving(['old', 'stays'], WITNESSES)
  send(session, { type: 'auth', token: 'blue' })
  await asked('new')
  await rest()
  session.closed(1006)
  await rest()
  take('new')()
  await rest()
  t.strictSame(witnesses.map(({ token, connection }) => [token, ...story(connection)]), [
    ['old', '-red'], ['new', '+blue', '-blue'], ['stays', '+blue', '-blue'], ['old+new', '+blue', '-blue'],
    ['old', '-red'], ['stays', '-red']
  ])
  await close()
})

t.test('reads a room anew that others hold to be left, as often as somebody comes meanwhile', async t => {
  const { network, backplane, asked, take } = slowNode('old', 'new')
  const options = { authenticator: book(GRANTS), limits: { refreshInterval: 0 } }
  const near = setUp({ ...options, backplane })
  const far = setUp({ ...options, backplane: new MemoryBackplane(network, 'n2') })
  const nodes = [near.symple, far.symple]
  for (const symple of nodes) await symple.start()
  const alice = near.enter({ token: 'red' })
  await asked('old')
  take('old')()
  await settled(nodes)
  send(alice.session, { type: 'auth', token: 'blue' })
  await asked('new')
  const first = near.enter({ token: 'stays' })
  send(first.session, { type: 'join', room: 'old' })
  await asked('old')
  const late = take('old')
  first.session.closed(1006)
  const [second, other] = [near.enter({ token: 'old' }), far.enter({ token: 'old' })]
  await asked('old')
  late()
  await settled(nodes)
  t.strictSame(types(second.connection), [], 'what was read before is out of date')
  take('old')()
  take('new')()
  await settled(nodes)
  t.strictSame(types(second.connection).slice(0, 1), ['welcome 200'])
  for (const { connection } of [second, other]) {
    t.strictSame(Object.values(rosterOf(connection, false)).map(({ user }) => user), ['in old'], 'they see each other alone')
  }
  for (const symple of nodes) await symple.close()
})

// Whatever comes -----------------------------------------------------------------------------------------------

const ROOMS = ['r1', 'r2', 'r3']
const USERS = ['alice', 'bob', 'carol', 'carol', 'dave', 'dave']

/**
 * What a client believes; it fails where it is told anything twice.
 *
 * @param published whether peers published: such a message may come after what it tells has been learned by a join
 */
function rosterOf ({ frames }: FakeConnection, published: boolean): Record<string, PeerObject> {
  const roster: Record<string, PeerObject> = {}
  for (const { type, data } of frames) {
    if (type !== 'presence') continue
    const peer = data as PeerObject
    if (peer.online) assert.ok(published || !isDeepStrictEqual(roster[peer.id], peer), 'no online twice')
    else assert.ok(peer.id in roster, 'no offline for one who is not there')
    if (peer.online) roster[peer.id] = peer
    else delete roster[peer.id]
  }
  return roster
}

t.test('keeps presence exact on two nodes, whoever has whatever token refreshed', async () => {
  const step = fc.record({
    who: fc.nat(USERS.length - 1),
    what: fc.constantFrom('refresh', 'refresh', 'refresh', 'join', 'leave', 'publish'),
    rooms: fc.uniqueArray(fc.constantFrom(...ROOMS)),
    value: fc.nat(2),
    pause: fc.boolean()
  })
  // Both go and come back at once, and what one was given in between is taken back.
  const crossing = [[3, [], 1], [0, [], 0], [3, ['r1'], 0], [0, ['r1'], 0]] as Array<[number, string[], number]>
  const example = crossing.map(([who, rooms, value]) => ({ who, what: 'refresh' as const, rooms, value, pause: false }))
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 20 }), async steps => {
    const network = new MemoryNetwork()
    const authenticator: Authenticator = async ({ user, token }) => {
      await Promise.resolve()
      const { rooms, fixed } = JSON.parse(token!) as Pick<Grant, 'rooms' | 'fixed'>
      return { user, name: undefined, rooms, fixed }
    }
    const nodes = ['n1', 'n2'].map(node =>
      setUp({ backplane: new MemoryBackplane(network, node), authenticator, limits: { refreshInterval: 0 } }))
    for (const { symple } of nodes) await symple.start()
    const players = USERS.map((user, i) => {
      const token = JSON.stringify({ rooms: [ROOMS[i % 3]], fixed: {} })
      const rooms = () => new Set([ROOMS[i % 3]!])
      return { user, granted: rooms(), rooms: rooms(), ...nodes[i % 2]!.enter({ user, token }) }
    })
    for (let i = 0; i < 3; i++) await turn()
    for (const { who, what, rooms, value, pause } of steps) {
      const player = players[who]!
      const { session, user } = player
      if (what === 'publish') send(session, { type: 'presence', data: { mood: value } })
      if (what === 'refresh') {
        send(session, { type: 'auth', user, token: JSON.stringify({ rooms, fixed: value === 0 ? {} : { team: value } }) })
        for (const room of player.granted) player.rooms.delete(room)
        player.granted = new Set(rooms)
        for (const room of rooms) player.rooms.add(room)
      }
      for (const room of what === 'join' || what === 'leave' ? rooms : []) {
        send(session, { type: what, room })
        if (what === 'join') player.rooms.add(room)
        else player.rooms.delete(room)
      }
      if (pause) await turn()
    }
    const published = steps.some(({ what }) => what === 'publish')
    await settled(nodes.map(({ symple }) => symple))
    for (const player of players) {
      const visible = players.filter(other => other !== player &&
        (other.user === player.user || [...other.rooms].some(room => player.rooms.has(room))))
      const wanted = Object.fromEntries(visible.map(({ session }) => [session.peer!.id, session.peer!.describe(true)]))
      assert.deepEqual(rosterOf(player.connection, published), wanted)
      const welcome = player.connection.frames.filter(({ type }) => type === 'welcome').at(-1)!
      assert.equal(new Set(welcome.rooms).size, welcome.rooms!.length)
    }
    for (const { symple } of nodes) await symple.close()
  }), { seed, numRuns: 200, examples: [[example]] })
})

/** Waits until nodes have nothing more to say to each other. */
async function settled (nodes: readonly Symple[]): Promise<void> {
  const said = () => nodes.map(({ stats }) => stats.cluster.sent + stats.cluster.received).join()
  let before: string
  do {
    before = said()
    for (let i = 0; i < 5; i++) await turn()
  } while (said() !== before)
}
