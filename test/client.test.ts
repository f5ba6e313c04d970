import t, { type Test } from 'tap'
import WebSocket from 'ws'
import {
  mayReconnect, SympleConnection, type ConnectionEnd, type ConnectionEvents, type ConnectionOptions, type Fault,
  type Routed
} from '../src/client/index.js'
import { Backoff } from '../src/client/reconnecting.js'
import { connect as connectPlain, eventually, settle, startServer, type Frame } from './helper.js'
import { startScripted, WELCOME, type Scene } from './scripted-server.js'

/** A client that wastes no time between attempts; the test's teardown closes it. */
function client (t: Test, url: string, options: ConnectionOptions = {}): SympleConnection {
  const connection = new SympleConnection(url, { WebSocket, minDelay: 1, maxDelay: 5, ...options })
  t.teardown(() => { connection.close() })
  return connection
}

type Events = ConnectionEvents

/** All that comes by an event from now on. */
function collect<Name extends keyof Events> (connection: SympleConnection, name: Name): Array<Events[Name]> {
  const values: Array<Events[Name]> = []
  connection.on(name, value => { values.push(value) })
  return values
}

/** The next value that comes by an event. */
async function next<Name extends keyof Events> (connection: SympleConnection, name: Name): Promise<Events[Name]> {
  return await new Promise(resolve => { const off = connection.on(name, value => { off(); resolve(value) }) })
}

const closeWith = (code: number, ...frames: object[]): Scene => socket => {
  for (const frame of frames) socket.send(JSON.stringify(frame))
  socket.close(code, 'as scripted')
}

const welcome: Scene = socket => { socket.send(WELCOME) }

t.test('connects, and knows who it is, where it is and who is there', async t => {
  const { url } = await startServer(t)
  const bob = await connectPlain(t, url, { user: 'bob', rooms: ['lobby'], data: { status: 'busy' } })
  const alice = client(t, url, { user: 'alice', name: 'Alice', rooms: ['lobby'], data: { mood: 'sunny' } })
  const states = collect(alice, 'state')
  const changes = collect(alice, 'roster')
  t.equal(alice.state, 'idle')
  t.equal(alice.send({ type: 'message' }), false, 'nothing is sent before')
  const { peer, rooms } = await alice.connect()
  t.match(peer, { user: 'alice', name: 'Alice', mood: 'sunny', online: true })
  t.strictSame([rooms, [...alice.rooms], alice.address], [['alice', 'lobby'], ['alice', 'lobby'], `alice|${peer.id}`])
  t.strictSame((await alice.connect()).peer, peer, 'it is there already')
  await eventually(() => alice.roster.size === 1, 'the snapshot')
  t.match(alice.roster.get(bob.peer.id), { user: 'bob', status: 'busy' })

  bob.send({ type: 'presence', data: { status: 'free' } })
  await eventually(() => alice.roster.get(bob.peer.id)?.['status'] === 'free', 'what bob has published')
  bob.send({ type: 'presence', to: alice.address!, data: { status: 'for you alone' } })
  bob.send({ type: 'message', to: 'alice', data: 1 })
  await next(alice, 'message')
  t.equal(alice.roster.get(bob.peer.id)?.['status'], 'free', 'what is said to one alone is not published')
  await bob.close()
  await eventually(() => alice.roster.size === 0, 'bob has gone')
  t.strictSame(changes.map(({ kind }) => kind), ['online', 'update', 'offline'])

  alice.close()
  t.strictSame(states, ['connecting', 'online', 'closed'])
  t.strictSame([alice.peer, alice.rooms.size, alice.send({ type: 'message' })], [undefined, 0, false])
  alice.close()
  t.equal(states.length, 3)
})

t.test('sends and gets what is routed, answers probes, and shows every frame', async t => {
  const { url } = await startServer(t)
  const alice = client(t, url, { user: 'alice', rooms: ['lobby'] })
  const frames = collect(alice, 'frame')
  const got: Routed[] = []
  for (const type of ['message', 'command', 'event'] as const) alice.on(type, frame => { got.push(frame) })
  await alice.connect()
  const bob = await connectPlain(t, url, { user: 'bob', rooms: ['lobby'] })
  for (const type of ['message', 'command', 'event']) bob.send({ type, name: 'shutdown', data: type })
  bob.send({ type: 'presence', probe: true })
  t.strictSame(await bob.find(({ to }) => to === bob.address), {
    type: 'presence', to: bob.address, from: alice.address, data: alice.peer
  })
  t.strictSame(got.map(({ type, from, data }) => [type, from, data]), [
    ['message', bob.address, 'message'], ['command', bob.address, 'command'], ['event', bob.address, 'event']
  ])
  t.ok(alice.send({ type: 'message', to: bob.address, data: 'hi' }))
  t.ok(alice.presence({ status: 'away' }))
  t.match(await bob.next(), { type: 'message', data: 'hi' })
  t.match(await bob.next(), { type: 'presence', data: { status: 'away' } })

  const faults = collect(alice, 'error')
  alice.sendText('no JSON')
  alice.send({ type: 'message', to: '', id: 'm1' })
  await eventually(() => faults.length === 2, 'two errors')
  t.strictSame(faults.map(({ status, id }) => [status, id]), [[400, undefined], [400, 'm1']])
  const last = frames.filter(({ direction }) => direction === 'out').slice(-2)
  t.strictSame(last.map(({ text, frame }) => [text, frame?.type]), [['no JSON', undefined], ['{"type":"message","to":"","id":"m1"}', 'message']])
  t.equal(frames.filter(({ direction }) => direction === 'in').length, got.length + 5, 'welcome, two of presence, two errors')
})

t.test('joins and leaves: answered, refused, and from before it is online', async t => {
  const { url } = await startServer(t, { SYMPLE_MAX_ROOMS_PER_PEER: '2' })
  const bob = await connectPlain(t, url, { user: 'bob', rooms: ['den'] })
  const alice = client(t, url, { user: 'alice' })
  const early = alice.join('den')
  await alice.connect()
  await early
  await alice.join('attic')
  t.strictSame([...alice.rooms], ['alice', 'den', 'attic'])
  await eventually(() => alice.roster.has(bob.peer.id), 'who is in the den')
  const faults = collect(alice, 'error')
  await t.rejects(alice.join('third'), /Too many rooms/)
  await t.rejects(alice.join('a|b'), /room must be/)
  t.strictSame(faults.map(({ status }) => status), [400, 400])
  await alice.leave('den')
  await alice.leave('alice')
  t.strictSame([...alice.rooms], ['alice', 'attic'], 'one\'s own room stays')
  await eventually(() => alice.roster.size === 0, 'bob is not visible any more')
  const never = alice.join('b|c')
  alice.close()
  await t.rejects(never, /Closed with 1000/)
})

t.test('comes back after a restart, into its rooms, with a new roster', async t => {
  const first = await startServer(t)
  const { port, url } = first
  const alice = client(t, url, { user: 'alice', rooms: ['lobby'] })
  await alice.connect()
  await alice.join('den')
  await alice.join('attic')
  await alice.leave('attic')
  await connectPlain(t, url, { user: 'bob', rooms: ['lobby'] })
  await eventually(() => alice.roster.size === 1, 'bob')
  const { id } = alice.peer!
  const ends = collect(alice, 'end')
  const shutdowns = collect(alice, 'shutdown')
  await first.server.close()
  await eventually(() => alice.state !== 'online', 'the end')
  t.strictSame([alice.roster.size, alice.rooms.size, alice.peer], [0, 0, undefined])
  const lost = alice.join('cellar')

  const second = await startServer(t, { SYMPLE_PORT: String(port) })
  await lost
  t.equal(second.url, url)
  t.not(alice.peer!.id, id)
  t.strictSame([...alice.rooms], ['alice', 'lobby', 'den', 'cellar'])
  t.equal(alice.roster.size, 0)
  t.equal(shutdowns.length, 1)
  t.equal(ends[0]!.code, 1001)
  const [wait, ...waits] = ends.map(({ retryIn }) => retryIn!)
  const moment = wait! - (shutdowns[0]!['retryAfter'] as number) * 1000
  t.ok(moment >= 0 && moment < 5, 'as long as the server said, and a moment')
  t.ok(waits.every(wait => wait < 5))
})

t.test('loses no frame that comes with the answer to the upgrade, or right after welcome', async t => {
  const { url } = await startScripted(t, socket => {
    socket.send(WELCOME)
    for (let n = 0; n < 100; n++) socket.send(JSON.stringify({ type: 'message', from: 'bob|1', n }))
  })
  const alice = client(t, url, { user: 'alice' })
  const messages = collect(alice, 'message')
  await alice.connect()
  await eventually(() => messages.length === 100, '100 messages')
  t.strictSame(messages.map(({ n }) => n), Array.from({ length: 100 }, (_, n) => n))
})

t.test('a welcome that comes again changes rooms and peer, and keeps the roster', async t => {
  const { url } = await startScripted(t, socket => {
    socket.send(WELCOME)
    socket.send(JSON.stringify({ type: 'presence', from: 'bob|1', data: { id: '1', user: 'bob', name: 'bob', online: true } }))
    socket.send(WELCOME.replace('"lobby"', '"staff"'))
  })
  const alice = client(t, url)
  const states = collect(alice, 'state')
  await alice.connect()
  await eventually(() => alice.rooms.has('staff'), 'the other rooms')
  t.strictSame([[...alice.rooms], alice.roster.size, states], [['alice', 'staff'], 1, ['connecting', 'online']])
})

t.test('close codes', async t => {
  t.test('that say stay away', async t => {
    for (const code of [1000, 1002, 1007, 4400, 4401, 4499, 4999]) {
      t.notOk(mayReconnect(code), String(code))
      const { url, auths } = await startScripted(t, closeWith(code, { type: 'error', status: 401, message: 'No' }))
      const alice = client(t, url, { user: 'alice' })
      const end = next(alice, 'end')
      await t.rejects(alice.connect(), new RegExp(`${code}`))
      t.strictSame(await end, { code, reason: 'as scripted', retryIn: undefined })
      t.equal(alice.state, 'closed')
      t.equal(auths.length, 1)
    }
  })

  t.test('that say come back', async t => {
    for (const code of [1001, 1006, 1009, 1011, 1012, 1013, 3000, 4408, 4429]) t.ok(mayReconnect(code), String(code))
    for (const code of [1001, 1009, 1013, 4408]) {
      const { url } = await startScripted(t, closeWith(code), welcome)
      const alice = client(t, url, { user: 'alice' })
      await alice.connect()
      t.equal(alice.state, 'online', String(code))
    }
  })

  t.test('but not if the user does not want it', async t => {
    const { url } = await startScripted(t, closeWith(1013))
    await t.rejects(client(t, url, { reconnect: false }).connect(), /1013: as scripted/)
  })

  t.test('4429 asks for a long wait, and a hint of the server for as long as it says', async t => {
    const shutdown = { type: 'event', name: 'shutdown', retryAfter: 7 }
    const cases: Array<[scene: Scene, wait: number]> = [
      [closeWith(4429), 10_000.5],
      [closeWith(1013, { type: 'error', status: 503, message: 'Full', retryAfter: 2.5 }), 2500.5],
      [socket => { socket.send(WELCOME); closeWith(1001, shutdown)(socket, shutdown) }, 7000.5],
      [closeWith(1013, { type: 'error', status: 503, message: 'Full', retryAfter: 1e9 }), 3_600_000.5],
      [closeWith(1013, { type: 'error', status: 503, message: 'Full', retryAfter: 'soon' }), 0.5],
      [closeWith(1013, { type: 'error', status: 503, message: 'Full', retryAfter: -1 }), 0.5]
    ]
    for (const [scene, wait] of cases) {
      const { url } = await startScripted(t, scene)
      const alice = client(t, url, { random: () => 0.5 })
      const end = next(alice, 'end')
      alice.connect()
      t.equal((await end).retryIn, wait)
      t.equal(alice.state, 'waiting')
      alice.close()
    }
  })
})

t.test('a wait can be cut short, or ended', async t => {
  const { url } = await startScripted(t, closeWith(4429), welcome, closeWith(4429))
  const alice = client(t, url)
  alice.connect()
  await next(alice, 'end')
  t.match((await alice.connect()).peer, { user: 'alice' }, 'at once')
  const bob = client(t, url)
  const given = t.rejects(bob.connect(), /Closed with 1000/)
  await next(bob, 'end')
  bob.close()
  await given
  t.equal(bob.state, 'closed')
})

t.test('an attempt has its time, and one that was given up does not come back', async t => {
  const { url, auths } = await startScripted(t, () => {}, welcome)
  const alice = client(t, url, { timeout: 200 })
  const ends = collect(alice, 'end')
  await alice.connect()
  t.match(ends, [{ code: 1006, reason: 'No welcome in time' }])
  t.equal(auths.length, 2)

  const bob = client(t, url)
  const states = collect(bob, 'state')
  const failed = t.rejects(bob.connect(), /1000/)
  bob.close()
  await failed
  t.strictSame(states, ['connecting', 'closed'])
})

t.test('a server that is not there, or refuses the upgrade, is tried again', async t => {
  const { server, url, port } = await startServer(t)
  await server.close()
  const alice = client(t, url, { user: 'alice' })
  const ends = collect(alice, 'end')
  const online = alice.connect()
  await eventually(() => ends.length >= 3, 'three attempts')
  t.equal(ends[0]!.code, 1006)
  t.match(ends[0]!.reason, 'ECONNREFUSED')
  await startServer(t, { SYMPLE_PORT: String(port) })
  await online
})

t.test('where no socket can be made, it says so and stays away', async t => {
  class Forbidden {
    constructor (url: string) {
      throw new Error(`${url} is not secure`)
    }
  }
  const alice = client(t, 'ws://a.example/', { WebSocket: Forbidden as unknown as typeof WebSocket })
  await t.rejects(alice.connect(), /ws:\/\/a.example\/ is not secure/)
  t.equal(alice.state, 'closed')
})

t.test('tokens', async t => {
  t.test('a function gives one for each attempt, late or not', async t => {
    let count = 0
    const token = async () => `t${++count}`
    const { url, auths } = await startScripted(t, closeWith(1013), closeWith(4401, { type: 'error', status: 401, message: 'Old' }), welcome)
    await client(t, url, { token }).connect()
    t.strictSame(auths.map(({ token }) => token), ['t1', 't2', 't3'], 'another one may be good')
  })

  t.test('one that was refused is not tried again', async t => {
    const refuse = closeWith(4401, { type: 'error', status: 401, message: 'Invalid token' })
    for (const token of ['same', () => 'same']) {
      const { url, auths } = await startScripted(t, refuse)
      const alice = client(t, url, { token })
      const faults: Fault[] = collect(alice, 'error')
      await t.rejects(alice.connect(), /4401/)
      t.strictSame([auths.length, faults], [1, [{ status: 401, message: 'Invalid token' }]])
    }
  })

  t.test('a function that fails is asked again', async t => {
    let count = 0
    const token = () => {
      if (++count === 1) throw new Error('the backend is away')
      return 'good'
    }
    const { url, auths } = await startScripted(t, welcome)
    const alice = client(t, url, { token })
    const ends: ConnectionEnd[] = collect(alice, 'end')
    await alice.connect()
    t.match(ends, [{ code: 1006, reason: 'No token: the backend is away' }])
    t.equal(auths[0]!['token'], 'good')
  })
})

t.test('a fresh token on the same connection', async t => {
  let count = 0
  const refused = JSON.stringify({ type: 'error', status: 401, message: 'Invalid token', id: 'auth-3' })
  const { url, auths } = await startScripted(t, socket => {
    socket.send(WELCOME)
    const answers = [WELCOME.replace('"lobby"', '"staff"'), refused]
    socket.on('message', data => {
      auths.push(JSON.parse(String(data)) as Frame)
      const answer = answers.shift()
      if (answer === undefined) socket.close(4401)
      else socket.send(answer)
    })
  }, welcome)
  const alice = client(t, url, { token: () => `t${++count}` })
  await t.rejects(alice.refresh(), /Not online/)
  await alice.connect()
  t.strictSame([(await alice.refresh()).rooms, [...alice.rooms]], [['alice', 'staff'], ['alice', 'staff']])
  await t.rejects(alice.refresh(), /Invalid token/)
  t.equal(alice.state, 'online', 'the old one counts')
  await t.rejects(alice.refresh(), /has ended/)
  await alice.connect()
  t.strictSame(auths.map(({ token }) => token), ['t1', 't2', 't3', 't4', 't5'])
})

t.test('what a listener throws or does keeps nothing from going on', async t => {
  const { url } = await startServer(t)
  const alice = client(t, url, { user: 'alice', rooms: ['lobby'] })
  const thrown: unknown[] = []
  const catchIt = (error: unknown) => { thrown.push(error) }
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', catchIt)
  t.teardown(() => {
    process.off('uncaughtException', catchIt)
    for (const other of others) process.on('uncaughtException', other)
  })
  alice.on('welcome', () => { throw new Error('mine') })
  await alice.connect()
  await eventually(() => thrown.length === 1, 'it is reported')
  t.match(thrown[0], { message: 'mine' })

  const bob = client(t, url, { user: 'bob' })
  const welcomes = collect(bob, 'welcome')
  bob.on('state', state => { if (state === 'online') bob.close() })
  await t.rejects(bob.connect(), /1000/)
  t.strictSame([bob.state, welcomes.length], ['closed', 0])
})

t.test('the roster is that of the other clients', async t => {
  const { url } = await startServer(t)
  const plain = await Promise.all(['bob', 'carol', 'dave'].map(async user => await connectPlain(t, url, { user, rooms: ['a'] })))
  const alice = client(t, url, { user: 'alice', rooms: ['a', 'b'] })
  await alice.connect()
  const [bob, carol, dave] = plain as [typeof plain[0], typeof plain[0], typeof plain[0]]
  bob.send({ type: 'join', room: 'b' })
  bob.send({ type: 'leave', room: 'a' })
  carol.send({ type: 'leave', room: 'a' })
  dave.send({ type: 'presence', data: { status: 'x' } })
  await settle(...plain)
  alice.send({ type: 'message', to: '', id: 'end' })
  await next(alice, 'error')
  t.strictSame(Object.fromEntries(alice.roster), {
    [bob.peer.id]: bob.peer, [dave.peer.id]: { ...dave.peer, status: 'x' }
  })
})

t.test('waits double up to a bound, each a random part of its whole, and begin anew', async t => {
  const backoff = new Backoff({ minDelay: 1000, maxDelay: 30_000, random: () => 0.5 })
  t.strictSame(Array.from({ length: 7 }, () => backoff.next()), [500, 1000, 2000, 4000, 8000, 15_000, 15_000])
  for (let n = 0; n < 2000; n++) backoff.next()
  t.equal(backoff.next(), 15_000)
  backoff.reset()
  t.equal(backoff.next(), 500)
})

t.test('URLs', async t => {
  const urlOf = (url: string | URL) => new SympleConnection(url).url
  t.equal(urlOf('http://a.example/ws'), 'ws://a.example/ws')
  t.equal(urlOf(new URL('https://a.example')), 'wss://a.example/')
  t.equal(urlOf('wss://a.example/x?y=1'), 'wss://a.example/x?y=1')
  t.throws(() => urlOf('ftp://a.example'), TypeError)
  t.throws(() => urlOf('nowhere'), TypeError)
})
