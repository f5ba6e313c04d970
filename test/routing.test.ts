import { constants, inflateRawSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { connect, eventually, settle, startServer, type Frame, type TestClient } from './helper.js'
import { framesOf } from './raw-frames.js'
import { frame, openRaw } from './raw.js'

/** Clients by name; the name's first word is the user. */
type Cast = Record<string, TestClient>

/** Connects clients in a given order: each name is a user, and a digit behind it tells its peers apart. */
async function gather (t: Test, url: string, rooms: Record<string, string[]>): Promise<Cast> {
  const cast: Cast = {}
  for (const [name, own] of Object.entries(rooms)) {
    cast[name] = await connect(t, url, { user: name.replace(/\d$/, ''), rooms: own })
  }
  await settle(...Object.values(cast))
  for (const client of Object.values(cast)) client.take()
  return cast
}

let sent = 0

/** Sends a message and says who got it, as often as they got it. */
async function deliver (cast: Cast, sender: string, to: unknown): Promise<string[]> {
  const id = `m${++sent}`
  cast[sender]!.send({ type: 'message', to, id })
  await settle(...Object.values(cast))
  return Object.entries(cast).flatMap(([name, client]) => {
    return client.take().filter(frame => frame.type === 'message' && frame.id === id).map(() => name)
  })
}

t.test('delivers to those whom "to" names, once each', async t => {
  const { url } = await startServer(t)
  const cast = await gather(t, url, {
    alice: ['lobby', 'staff'],
    alice2: [],
    bob: ['lobby', 'staff'],
    bob2: ['lobby'],
    carol: ['secret', 'bob'],
    dave: ['staff'],
    erin: ['alice']
  })
  const address = (name: string) => cast[name]!.address
  const id = (name: string) => cast[name]!.peer.id
  const cases: Array<[to: unknown, recipients: string[]]> = [
    [undefined, ['alice2', 'bob', 'bob2', 'dave']],
    [null, ['alice2', 'bob', 'bob2', 'dave']],
    [address('bob2'), ['bob2']],
    [address('alice2'), ['alice2']],
    [id('bob2'), ['bob2']],
    [id('alice2'), ['alice2']],
    ['bob', ['bob', 'bob2']],
    ['alice', ['alice2']],
    ['dave', ['dave']],
    ['lobby', ['bob', 'bob2']],
    ['staff', ['bob', 'dave']],
    [['lobby'], ['bob', 'bob2']],
    [['lobby', 'staff'], ['bob', 'bob2', 'dave']],
    [['lobby', 'lobby'], ['bob', 'bob2']],
    [['lobby', 'secret'], ['bob', 'bob2']],
    [['alice', 'staff'], ['alice2', 'bob', 'dave']],
    [[], []],
    // Not visible, or not there.
    ['carol', []],
    [address('carol'), []],
    [id('carol'), []],
    ['erin', []],
    ['secret', []],
    [['secret'], []],
    ['nobody', []],
    ['nobody|' + id('bob'), []],
    ['carol|' + id('bob'), []],
    ['bob|nothing', []],
    ['bob|', []],
    ['|' + id('bob'), []],
    ['|', []],
    [`bob|${id('bob2')}|`, []],
    // An array names rooms, and the sender's own user; no other user and no peer.
    [['bob'], []],
    [[address('bob')], []],
    [[id('bob')], []],
    // Not to itself.
    [address('alice'), []],
    [id('alice'), []],
    // Names are compared exactly.
    ['Bob', []],
    ['bob ', []],
    ['LOBBY', []],
    ['__proto__', []],
    ['constructor', []],
    [['__proto__', 'toString'], []]
  ]
  for (const [to, recipients] of cases) {
    t.strictSame(await deliver(cast, 'alice', to), recipients, `to ${JSON.stringify(to)}`)
  }
  const complaints = cast['alice']!.frames.filter(({ type, id }) => type === 'error' && !String(id).startsWith('barrier-'))
  t.strictSame(complaints, [], 'the sender does not hear of what can\'t be delivered')
})

t.test('gives through a room that bears a user\'s name no access to that user', async t => {
  const { url } = await startServer(t)
  const cast = await gather(t, url, { bob: [], bob2: ['lobby'], mallory: ['bob'], eve: ['bob'], alice: ['lobby'] })
  t.strictSame(await deliver(cast, 'bob', null), ['bob2'])
  t.strictSame(await deliver(cast, 'bob', 'bob'), ['bob2'])
  t.strictSame(await deliver(cast, 'bob', ['bob']), ['bob2'])
  t.strictSame(await deliver(cast, 'alice', 'bob'), ['bob2'], 'the peer in the lobby only, and not the room')
  t.strictSame(await deliver(cast, 'mallory', 'bob'), ['eve'], 'the room, not the user')
  t.strictSame(await deliver(cast, 'mallory', ['bob']), ['eve'])
  t.strictSame(await deliver(cast, 'mallory', null), ['eve'])
  t.strictSame(await deliver(cast, 'mallory', cast['bob']!.address), [])
  t.strictSame(await deliver(cast, 'mallory', cast['bob']!.peer.id), [])
})

t.test('delivers to the visible peers of a user and to the room of that name, once each', async t => {
  const { url } = await startServer(t)
  const cast = await gather(t, url, { alice: ['bob', 'lobby', 'den'], bob: ['lobby'], bob2: [], carol: ['bob', 'den'] })
  t.strictSame(await deliver(cast, 'alice', 'bob'), ['bob', 'carol'])
  t.strictSame(await deliver(cast, 'alice', ['bob', 'den']), ['carol'], 'in an array it is the room alone')
})

t.test('never takes for a name what is the id of a peer, visible or not, or gone', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const { id } = bob.peer
  const cast: Cast = { bob, thief: await connect(t, url, { user: id, rooms: ['lobby'] }) }
  cast['alice'] = await connect(t, url, { user: 'alice', rooms: ['lobby', id] })
  cast['stranger'] = await connect(t, url, { user: 'stranger', rooms: [id] })
  t.strictSame(await deliver(cast, 'alice', id), ['bob'])
  t.strictSame(await deliver(cast, 'stranger', id), [], 'it can\'t see the peer')
  t.strictSame(await deliver(cast, 'stranger', [id]), ['alice'], 'an array names rooms')
  await bob.close()
  delete cast['bob']
  t.strictSame(await deliver(cast, 'alice', id), [], 'the peer has gone')
  t.strictSame(await deliver(cast, 'alice', cast['thief']!.address), ['thief'])
})

t.test('delivers once, however many rooms are shared', async t => {
  const { url } = await startServer(t)
  const rooms = Array.from({ length: 50 }, (_, i) => `room-${i}`)
  const names = Array.from({ length: 10 }, (_, i) => `${i % 2 === 0 ? 'even' : 'odd'}${i}`)
  const cast = await gather(t, url, Object.fromEntries(names.map(name => [name, rooms])))
  const others = names.slice(1)
  for (const to of [null, rooms, 'room-7', ['even', ...rooms]]) {
    t.strictSame(await deliver(cast, 'even0', to), others)
  }
  t.strictSame(await deliver(cast, 'even0', 'odd'), names.filter(name => name.startsWith('odd')))
  t.strictSame(await deliver(cast, 'even0', cast['odd1']!.address), ['odd1'])
})

t.test('refuses any other "to" with 400, routes nothing, and echoes the id', async t => {
  const { url } = await startServer(t)
  const { alice, bob } = await gather(t, url, { alice: ['lobby'], bob: ['lobby'] })
  for (const type of ['message', 'command', 'event', 'presence']) {
    for (const to of ['', 0, 1, true, false, {}, { user: 'bob' }, [''], ['lobby', ''], ['lobby', 7], [null], [['lobby']]]) {
      alice!.send({ type, to, id: { of: [to] } })
      t.match(await alice!.next(), { type: 'error', status: 400, message: /./, id: { of: [to] } }, `${type} to ${JSON.stringify(to)}`)
    }
    alice!.send({ type, to: '' })
    t.notOk('id' in await alice!.next())
  }
  await settle(alice!, bob!)
  t.strictSame(bob!.take(), [])
})

t.test('echoes the id of a frame in its error as it is, of whatever type', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice' })
  for (const id of ['x', '', 0, 7.5, null, true, ['a'], { b: { c: null } }, 'é😀', '__proto__']) {
    const wrong = [{ type: 'message', to: 7 }, { type: 'join', room: '' }, { type: 'leave' }, { type: 'presence', data: 7 }, { type: 7 }]
    for (const frame of wrong) {
      alice.send({ ...frame, id })
      t.strictSame((await alice.next()).id, id)
    }
  }
  alice.send('{"type":"message","to":7,"id":"\\ud800"}')
  t.equal((await alice.next()).id, '\ud800')
})

t.test('sets from, and hands on every other field as it is', async t => {
  const { url } = await startServer(t)
  const { alice, bob } = await gather(t, url, { alice: ['lobby'], bob: ['lobby'] })
  const data = { from: 'x', to: null, deep: [[{ a: [] }]], text: 'é😀\u2028\0"\\/', number: 1.5e-7, big: 2 ** 60, no: false }
  const call = { id: 'x', subtype: 'call:offer', name: 'n', node: 'camera', action: 'start', status: 404 }
  const fields = { ...call, token: 'mine', probe: true, room: 'r', rooms: ['a'], peer: {}, none: null, data }
  for (const type of ['message', 'command', 'event']) {
    for (const to of [undefined, null, 'bob', ['lobby'], bob!.peer.id]) {
      for (const from of [undefined, null, '', 'bob|x', 7, { user: 'bob' }, alice!.peer.id]) {
        const frame = JSON.parse(JSON.stringify({ type, to, from, ...fields })) as Frame
        alice!.send(frame)
        t.strictSame(await bob!.next(), { ...frame, from: alice!.address })
      }
    }
  }
  alice!.send('{"type":"event","\\u0066rom":"bob|x","n":"\\ud83d","from":"eve","from":"mallory"}')
  t.strictSame(await bob!.next(), { type: 'event', from: alice!.address, n: '\ud83d' })
})

t.test('answers what is no message with 400 and ignores types that it does not know; neither ends the connection', async t => {
  const { url } = await startServer(t)
  const { alice, bob } = await gather(t, url, { alice: ['lobby'], bob: ['lobby'] })
  for (const frame of ['', 'x', '{', '[]', '[{"type":"message"}]', 'null', '7', '"message"', '{}', '{"type":7}', '{"type":null}', '{"type":["message"]}']) {
    alice!.send(frame)
    t.match(await alice!.next(), { type: 'error', status: 400, message: /./ }, frame)
  }
  for (const type of ['', 'Message', 'hello', 'welcome', 'error', 'join:ok', 'leave:ok', '__proto__', 'constructor', 'toString']) {
    alice!.send({ type, to: 'bob', id: 'x' })
  }
  await settle(alice!, bob!)
  t.strictSame([alice!.take(), bob!.take()], [[], []])
})

t.test('keeps the order in which each sender sent, compressed or not, whatever the way', async t => {
  for (const compression of ['false', 'true']) {
    const { url } = await startServer(t, { SYMPLE_COMPRESSION: compression, SYMPLE_RATE_LIMIT: '0' })
    const cast = await gather(t, url, { alice: ['lobby', 'den'], bob: ['lobby', 'den'], carol: ['lobby', 'den'] })
    const { alice, bob, carol } = cast
    t.equal(bob!.ws.extensions, compression === 'true' ? 'permessage-deflate' : '')
    const ways = [null, 'bob', ['lobby'], ['den', 'lobby'], bob!.address, bob!.peer.id, 'den']
    for (let n = 0; n < 700; n++) {
      for (const sender of [alice!, carol!]) {
        const type = n % 10 === 0 ? 'presence' : 'message'
        // Some large, so that they take the turns of a library that compresses elsewhere.
        sender.send({ type, to: ways[n % ways.length], n, data: { pad: '-'.repeat(n % 50 === 0 ? 5000 : n % 7) } })
      }
    }
    await settle(alice!, bob!, carol!)
    const frames = bob!.take()
    for (const { address } of [alice!, carol!]) {
      const order = frames.filter(({ from }) => from === address).map(({ n }) => n)
      t.strictSame(order, Array.from({ length: 700 }, (_, n) => n))
    }
  }
})

t.test('compresses what it sends to a client that takes it so, where that is on', async t => {
  for (const compression of ['true', 'false']) {
    const { port } = await startServer(t, { SYMPLE_COMPRESSION: compression })
    const raw = await openRaw(t, port)
    await raw.upgrade('/', { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    raw.write(frame(JSON.stringify({ type: 'auth', user: 'alice', data: { x: '-'.repeat(5000) } })))
    await eventually(() => framesOf(raw).length > 0, 'the welcome')
    const { payload } = framesOf(raw)[0]!
    t.equal(payload.length < 1000, compression === 'true', `${payload.length} bytes`)
    const inflate = () => inflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH })
    const text = compression === 'true' ? inflate() : payload
    t.match(JSON.parse(String(text)), { type: 'welcome', peer: { x: '-'.repeat(5000) } })
  }
})
