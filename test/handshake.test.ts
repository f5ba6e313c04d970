import t from 'tap'
import { connect, eventually, open, settle, startServer, type TestClient } from './helper.js'
import { messagesOf } from './raw-frames.js'
import { frame, openRaw, upgradeRequest } from './raw.js'

t.test('welcomes a client with its peer and its rooms', async t => {
  const { url } = await startServer(t)
  const alice = await open(t, url)
  const welcome = await alice.authenticate({ user: 'alice', name: 'Alice', rooms: ['lobby'], data: { status: 'busy' } })
  const { id } = alice.peer
  t.strictSame(welcome, {
    type: 'welcome',
    protocol: 'symple/4',
    status: 200,
    peer: { id, user: 'alice', name: 'Alice', online: true, host: '127.0.0.1', status: 'busy' },
    rooms: ['alice', 'lobby']
  })
  t.notMatch(id, '|')
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  await settle(alice, bob)
  t.strictSame(Object.keys(bob.roster), [alice.address])
})

t.test('makes of each connection a peer with an id of its own that nobody can guess', async t => {
  const { url } = await startServer(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, url, { user: 'alice' })))
  const ids = clients.map(client => client.peer.id)
  t.equal(new Set(ids).size, 20)
  for (const id of ids) {
    t.notMatch(id, '|')
    // Base64 carries six bits a character; what two ids have in common was not made by chance.
    const common = [...id].findIndex((character, i) => ids.some(other => other[i] !== character))
    t.ok((id.length - common) * 6 >= 96, `${id} has ${id.length - common} random characters`)
  }
})

t.test('takes from auth what it says, and the user where it gives no name', async t => {
  const { url } = await startServer(t)
  const cases: Array<[auth: object, name: string, rooms: string[]]> = [
    [{ user: 'alice' }, 'alice', ['alice']],
    [{ user: 'alice', name: '' }, 'alice', ['alice']],
    [{ user: 'alice', name: null, rooms: null, data: null, token: null }, 'alice', ['alice']],
    [{ user: 'alice', name: 'A | b' }, 'A | b', ['alice']],
    [{ user: 'alice', rooms: [] }, 'alice', ['alice']],
    [{ user: 'alice', rooms: ['b', 'a', 'b'] }, 'alice', ['alice', 'b', 'a']],
    [{ user: 'alice', rooms: ['alice', 'a'] }, 'alice', ['alice', 'a']],
    [{ user: 'alice', rooms: ['bob'] }, 'alice', ['alice', 'bob']]
  ]
  for (const [auth, name, rooms] of cases) {
    const client = await open(t, url)
    const welcome = await client.authenticate(auth)
    t.match(welcome, { peer: { user: 'alice', name }, rooms })
    t.equal(welcome.rooms!.length, rooms.length)
    await client.close()
  }
})

t.test('forces the fields of a peer that are not the client\'s, and shows no token', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const data = '{"id":"x","user":"eve","name":"Eve","online":false,"host":"6.6.6.6","token":"T0ken","__proto__":{"admin":true},"status":"busy"}'
  const raw = await open(t, url)
  raw.send(`{"type":"auth","user":"alice","token":"T0ken","rooms":["lobby"],"data":${data}}`)
  const welcome = await raw.find('welcome')
  const { id } = welcome.peer!
  const expected = { id, user: 'alice', name: 'alice', online: true, host: '127.0.0.1', status: 'busy' }
  t.strictSame(welcome.peer, expected)
  t.not(id, 'x')
  const presence = await bob.find('presence')
  t.strictSame(presence, { type: 'presence', from: `alice|${id}`, data: expected })
  t.notMatch(JSON.stringify([raw.frames, bob.frames]), 'T0ken')
})

t.test('believes a client\'s word about its address only where it trusts the proxy', async t => {
  for (const [trust, host] of [['false', '127.0.0.1'], ['true', '203.0.113.7']] as const) {
    const { url } = await startServer(t, { SYMPLE_TRUST_PROXY: trust })
    const client = await open(t, url, { headers: { 'X-Forwarded-For': '203.0.113.7' } })
    t.equal((await client.authenticate({ user: 'alice' })).peer!.host, host)
  }
})

t.test('sends the welcome first, then the snapshot, then all else', async t => {
  const { url } = await startServer(t)
  const room = ['lobby']
  const peers = await Promise.all(['bob', 'carol', 'alice'].map(user => connect(t, url, { user, rooms: room })))
  const talk = { on: true }
  const keepTalking = async (peer: TestClient) => {
    while (talk.on) {
      for (const to of [null, 'alice', 'lobby']) peer.send({ type: 'message', to })
      await peer.barrier()
    }
  }
  const talkers = peers.map(keepTalking)
  for (let i = 0; i < 5; i++) {
    const newcomer = await open(t, url)
    await newcomer.authenticate({ user: 'alice', rooms: room })
    await newcomer.find('message')
    t.equal(newcomer.frames[0]!.type, 'welcome')
    t.strictSame(newcomer.frames.slice(1, 4).map(({ type }) => type), ['presence', 'presence', 'presence'])
    t.strictSame(newcomer.frames.slice(1, 4).map(({ from }) => from).sort(), peers.map(peer => peer.address).sort())
    t.equal(newcomer.frames[4]!.type, 'message')
    newcomer.ws.terminate()
    await eventually(() => peers.every(peer => Object.keys(peer.roster).length === 2), 'the newcomer is gone')
  }
  talk.on = false
  await Promise.all(talkers)
})

t.test('handles frames that come in the same packet as auth', async t => {
  const { url, port } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['den'] })
  const frames = Buffer.concat([
    { type: 'auth', user: 'alice' }, { type: 'join', room: 'den' }, { type: 'message', id: 'm1' }
  ].map(message => frame(JSON.stringify(message))))
  const packet = Buffer.concat([Buffer.from(upgradeRequest()), frames])
  for (const atOnce of [false, true]) {
    const alice = await openRaw(t, port)
    if (atOnce) alice.write(packet)
    else (await alice.upgrade()).write(frames)
    await alice.until('"type":"presence"')
    t.strictSame(messagesOf(alice).map(({ type }) => type), ['welcome', 'join:ok', 'presence'])
    t.match(await bob.find('message'), { id: 'm1', from: /^alice\|/ })
    alice.reset()
    await eventually(() => Object.keys(bob.roster).length === 0, 'alice is gone')
  }
})

t.test('refuses a first frame that is an object and no auth with 401 and 4401', async t => {
  const { url } = await startServer(t)
  for (const first of [{ type: 'message' }, { type: 'join', room: 'a' }, { type: 'close' }, { type: 'AUTH', user: 'a' }, { type: 7 }, {}]) {
    const client = await open(t, url)
    client.send({ ...first, id: 'f1' })
    t.match((await client.closed), { code: 4401 })
    t.strictSame(client.frames, [{ type: 'error', status: 401, message: 'Not authenticated', id: 'f1' }])
  }
})

t.test('refuses a first frame that is no object with 400 and 4400', async t => {
  const { url } = await startServer(t)
  for (const first of ['', 'hello', '[]', 'null', '"auth"', '{"type":"auth","user":"a"', Buffer.from([0xff, 0xfe])]) {
    const client = await open(t, url)
    client.send(first)
    t.match((await client.closed), { code: 4400 })
    t.match(client.frames, [{ type: 'error', status: 400, message: /./ }])
    t.notOk('id' in client.frames[0]!)
  }
})

t.test('refuses an auth that breaks a rule with 400 and 4400, and echoes its id', async t => {
  const { url, server } = await startServer(t)
  const wrong: object[] = [
    {}, { user: '' }, { user: null }, { user: 1 }, { user: 'a|b' }, { user: 'a\n' }, { user: 'é'.repeat(129) },
    { user: 'a', name: 'x'.repeat(257) }, { user: 'a', name: '\u0000' }, { user: 'a', name: [] },
    { user: 'a', token: 7 }, { user: 'a', data: [] }, { user: 'a', data: 'x' }, { user: 'a', data: { x: 'x'.repeat(8185) } },
    { user: 'a', rooms: 'lobby' }, { user: 'a', rooms: [7] }, { user: 'a', rooms: ['a|b'] }, { user: 'a', rooms: ['a', ''] }
  ]
  const lone = '{"type":"auth","id":{"n":1},"user":"\\ud800"}'
  for (const first of [...wrong.map(auth => JSON.stringify({ type: 'auth', id: { n: 1 }, ...auth })), lone]) {
    const client = await open(t, url)
    client.send(first)
    t.match((await client.closed), { code: 4400 }, first.slice(0, 60))
    t.match(client.frames, [{ type: 'error', status: 400, message: /./, id: { n: 1 } }])
    t.equal(client.frames.length, 1)
  }
  t.equal(server.symple.gauges.peers, 0)
})

t.test('takes names and data that are just as long as they may be', async t => {
  const { url } = await startServer(t)
  for (const name of ['x'.repeat(256), 'é'.repeat(128), '😀'.repeat(64)]) {
    const data = { x: 'é'.repeat(10) + '-'.repeat(8192 - 28) }
    const client = await open(t, url)
    t.match(await client.authenticate({ user: name, name, rooms: [name, `r${name.slice(2)}`], data }), {
      peer: { user: name, name, x: data.x }, rooms: [name, `r${name.slice(2)}`]
    })
  }
})

t.test('ends a connection that says nothing with 408 and 4408, and no other', async t => {
  const { url } = await startServer(t, { SYMPLE_AUTH_TIMEOUT: '0.3' })
  const alice = await connect(t, url, { user: 'alice' })
  for (let i = 0; i < 2; i++) {
    const silent = await open(t, url)
    t.match((await silent.closed), { code: 4408 })
    t.match(silent.frames, [{ type: 'error', status: 408, message: /./ }])
  }
  await alice.barrier()
})

t.test('ignores a second auth', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice' })
  alice.send({ type: 'auth', user: 'eve', rooms: ['secret'], id: 'again' })
  alice.send({ type: 'auth', user: 7 })
  await alice.barrier()
  t.strictSame(alice.take(), [])
})

t.test('takes frames that are binary and hold JSON in UTF-8', async t => {
  const { url } = await startServer(t)
  const client = await open(t, url)
  client.send(Buffer.from('{"type":"auth","user":"müller"}'))
  t.match(await client.next(), { type: 'welcome', peer: { user: 'müller' } })
  client.send(Buffer.from('{"type":"join","room":"☃"}'))
  t.strictSame(await client.next(), { type: 'join:ok', room: '☃' })
  client.send(Buffer.from([0x7b, 0xff, 0x7d]))
  t.match(await client.next(), { type: 'error', status: 400 })
  await client.barrier()
})

t.test('serves the WebSocket at its path and nowhere else', async t => {
  const { url, origin } = await startServer(t, { SYMPLE_PATH: '/live' })
  await connect(t, url, { user: 'alice' })
  for (const path of ['/', '/live/x', '/healthz', '/metrics', '/nowhere']) {
    const elsewhere = url.replace('/live', path)
    await t.rejects(open(t, elsewhere), /Unexpected server response: 4/)
  }
  t.match(await (await fetch(`${origin}/live`)).text(), 'symple/4')
})
