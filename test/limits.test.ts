import t from 'tap'
import { connect, eventually, open, settle, startServer } from './helper.js'
import { framesOf, messagesOf } from './raw-frames.js'
import { CLOSE, oddFrame, openRaw } from './raw.js'

/** A message of exactly that many bytes, of which many are not the first of their character. */
function messageOf (bytes: number, to?: string): string {
  const head = JSON.stringify({ type: 'message', to, data: 'é'.repeat(1000) }).slice(0, -2)
  return `${head}${'-'.repeat(bytes - Buffer.byteLength(head) - 2)}"}`
}

t.test('takes frames of as many bytes as they may have, and ends a connection with 413 and 1009 for one more', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  alice.send(messageOf(65536))
  alice.send(Buffer.from(messageOf(65536)))
  t.match([await bob.find('message'), await bob.find('message')], [{ type: 'message' }, { type: 'message' }])
  alice.send(messageOf(65537))
  alice.send({ type: 'message', n: 'too late' })
  t.match(await alice.closed, { code: 1009 })
  t.match(alice.frames.at(-1), { type: 'error', status: 413, message: /./ })
  t.match(await bob.next(), { type: 'presence', data: { online: false } })
})

t.test('ends a connection with 1009 for a frame of any size that is too large, the first one too', async t => {
  const { url } = await startServer(t, { SYMPLE_MAX_MESSAGE_SIZE: '3000' })
  for (const bytes of [3001, 6000, 6001, 1_000_000]) {
    const alice = await connect(t, url, { user: 'alice' })
    alice.send(messageOf(bytes))
    t.match(await alice.closed, { code: 1009 }, `${bytes} bytes`)
    const stranger = await open(t, url)
    stranger.send(messageOf(bytes))
    t.match(await stranger.closed, { code: 1009 }, `${bytes} bytes at first`)
  }
  const stranger = await open(t, url)
  stranger.send(messageOf(3001))
  await stranger.closed
  t.match(stranger.frames, [{ type: 'error', status: 413 }])
})

t.test('drops frames beyond the rate, complains at most once a second, and closes with 4429 after three times as many', async t => {
  const { url, server } = await startServer(t, { SYMPLE_RATE_LIMIT: '20', SYMPLE_RATE_SECONDS: '100000' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const started = performance.now()
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  for (let n = 0; n < 200; n++) alice.send(n % 2 === 0 ? { type: 'message', n } : { type: 'event', n })
  t.match(await alice.closed, { code: 4429 })
  await bob.barrier()
  const messages = bob.take().filter(({ type }) => type !== 'presence')
  t.strictSame(messages.map(({ n }) => n), Array.from({ length: 20 }, (_, n) => n), 'auth does not count')
  t.equal(server.symple.stats.drops.rate_limited, 61)
  const complaints = alice.take().filter(({ type }) => type === 'error')
  t.match(complaints[0], { status: 429, message: /./ })
  t.ok(complaints.length <= 1 + (performance.now() - started) / 1000, `${complaints.length} complaints`)
})

t.test('goes on with a peer whose rate is back in its limit', async t => {
  const { url } = await startServer(t, { SYMPLE_RATE_LIMIT: '50', SYMPLE_RATE_SECONDS: '0.5' })
  const alice = await connect(t, url, { user: 'alice' })
  for (let n = 0; n < 100; n++) alice.send({ type: 'join', room: `room-${n}` })
  await alice.find(({ type, status }) => type === 'error' && status === 429)
  await eventually(async () => {
    alice.send({ type: 'join', room: 'last' })
    return alice.frames.some(({ room }) => room === 'last')
  }, 'frames pass again')
})

t.test('refuses connections beyond the number that may be with 503 and 1013, peers or not', async t => {
  const { url } = await startServer(t, { SYMPLE_MAX_CONNECTIONS: '2' })
  const alice = await connect(t, url, { user: 'alice' })
  const silent = await open(t, url)
  for (let i = 0; i < 3; i++) {
    const refused = await open(t, url)
    t.match(await refused.closed, { code: 1013 })
    t.match(refused.frames, [{ type: 'error', status: 503, message: /./ }])
  }
  await alice.barrier()
  await silent.close()
  const bob = await open(t, url)
  await bob.authenticate({ user: 'bob' })
  alice.send({ type: 'close' })
  await alice.closed
  await connect(t, url, { user: 'carol' })
})

t.test('cuts a client that reads too slowly, alone, and keeps nobody else waiting', async t => {
  const { url, port, server } = await startServer(t, { SYMPLE_MAX_BUFFERED: '300000', SYMPLE_RATE_LIMIT: '0' })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const slow = await openRaw(t, port)
  await slow.authenticate({ user: 'slow', rooms: ['lobby'] })
  const { peer } = messagesOf(slow)[0]!
  slow.socket.pause()
  let n = 0
  // The kernel takes some megabytes before the server learns that nobody reads.
  while (server.symple.stats.limits.buffered === 0 && n < 2000) {
    alice.send({ type: 'message', n: n++, data: '-'.repeat(50_000) })
    // Each message reaches the other at once, whatever becomes of the slow one.
    await bob.find(frame => frame.n === n - 1)
  }
  t.equal(server.symple.stats.limits.buffered, 1)
  for (const client of [alice, bob]) {
    await client.find(({ type, from, data }) => {
      return type === 'presence' && from === `slow|${peer!.id}` && !(data as { online: boolean }).online
    })
  }
  slow.socket.resume()
  await slow.gone
  t.notOk(framesOf(slow).some(({ opcode }) => opcode === CLOSE), 'no close frame')
  const numbers = messagesOf(slow).filter(({ type }) => type === 'message').map(({ n }) => n)
  t.strictSame(numbers, numbers.map((_, i) => i), 'in order')
  alice.send({ type: 'message', n })
  t.match(await bob.next(), { n })
  t.equal(server.symple.stats.limits.buffered, 1)
})

t.test('waits for slow readers as long as they wish where that limit is 0', async t => {
  const { url, port, server } = await startServer(t, { SYMPLE_MAX_BUFFERED: '0', SYMPLE_RATE_LIMIT: '0' })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const slow = await openRaw(t, port)
  await slow.authenticate({ user: 'slow', rooms: ['lobby'] })
  slow.socket.pause()
  // Up to more than the default, and more than the kernel takes.
  for (let n = 0; server.symple.gauges.unsent < 5 * 1024 * 1024; n++) {
    alice.send({ type: 'message', n, data: '-'.repeat(60_000) })
    await alice.barrier()
  }
  alice.send({ type: 'message', last: true })
  slow.socket.resume()
  await slow.until('"last":true')
  const numbers = messagesOf(slow).filter(({ type }) => type === 'message').map(({ n }) => n)
  t.strictSame(numbers.slice(0, -1), numbers.slice(0, -1).map((_, i) => i))
})

t.test('refuses browsers from other origins with 403 before the upgrade', async t => {
  const { url, origin: own } = await startServer(t, { SYMPLE_ALLOWED_ORIGINS: 'https://app.example.com, http://b.example:8080/' })
  for (const origin of [undefined, 'https://app.example.com', 'http://b.example:8080', own]) {
    const client = await open(t, url, origin === undefined ? {} : { origin })
    await client.authenticate({ user: 'alice' })
  }
  for (const origin of [
    'https://evil.example', 'http://app.example.com', 'https://app.example.com.evil.example', 'https://app.example.com:8443', 'https://x.app.example.com',
    'http://b.example', 'null', '', 'nonsense', `http://127.0.0.1:1${own.slice(-3)}`, 'http://127.0.0.1'
  ]) {
    await t.rejects(open(t, url, { headers: { Origin: origin } }), /Unexpected server response: 403/, origin)
  }
  const anybody = await startServer(t)
  await open(t, anybody.url, { origin: 'https://evil.example' })
})

t.test('passes a probe on to as many as the limit says, and beyond that the frame without it', async t => {
  for (const [limit, kept] of [['3', [true, true, false]], ['0', [true, true, true]]] as const) {
    const { url } = await startServer(t, { SYMPLE_PROBE_LIMIT: limit })
    const alice = await connect(t, url, { user: 'alice', rooms: ['two', 'three', 'four'] })
    const bobs = await Promise.all([['two', 'three', 'four'], ['two', 'three', 'four'], ['three', 'four'], ['four']].map(rooms => {
      return connect(t, url, { user: 'bob', rooms })
    }))
    await settle(alice, ...bobs)
    for (const [i, room] of ['two', 'three', 'four'].entries()) {
      bobs[0]!.take()
      alice.send({ type: 'presence', to: [room], probe: true, more: 1 })
      const presence = await bobs[0]!.next()
      t.match(presence, { type: 'presence', from: alice.address, more: 1, data: alice.peer })
      t.equal(presence['probe'], kept[i] ? true : undefined, `limit ${limit}, ${room}`)
    }
  }
})

t.test('lets a peer be in so many rooms, its own not counted', async t => {
  const { url } = await startServer(t, { SYMPLE_MAX_ROOMS_PER_PEER: '3' })
  const refused = await open(t, url)
  refused.send({ type: 'auth', user: 'alice', rooms: ['a', 'b', 'c', 'd'], id: 1 })
  t.match(await refused.closed, { code: 4400 })
  t.match(refused.frames, [{ type: 'error', status: 400, message: /./, id: 1 }])

  const alice = await open(t, url)
  t.strictSame((await alice.authenticate({ user: 'alice', rooms: ['a', 'b', 'alice', 'a', 'b'] })).rooms, ['alice', 'a', 'b'])
  const d = await connect(t, url, { user: 'bob', rooms: ['d'] })
  for (const room of ['c', 'c', 'a', 'alice']) {
    alice.send({ type: 'join', room })
    t.strictSame(await alice.next(), { type: 'join:ok', room })
  }
  alice.send({ type: 'join', room: 'd', id: 'j' })
  t.match(await alice.next(), { type: 'error', status: 400, message: /./, id: 'j' })
  await settle(alice, d)
  t.strictSame([alice.take(), d.take()], [[], []], 'not joined')
  for (const [type, room] of [['leave', 'a'], ['join', 'd']]) {
    alice.send({ type, room })
    t.strictSame(await alice.next(), { type: `${type}:ok`, room })
  }
  t.match(await d.next(), { type: 'presence', from: alice.address })
})

t.test('has the defaults of 256 rooms, 256 bytes of a name and 8 KiB of data', async t => {
  const { url } = await startServer(t)
  const rooms = Array.from({ length: 256 }, (_, i) => `room-${i}`)
  const alice = await connect(t, url, { user: 'alice', rooms })
  alice.send({ type: 'join', room: 'one more' })
  t.match(await alice.next(), { type: 'error', status: 400 })
  for (const auth of [{ rooms: [...rooms, 'x'] }, { name: 'x'.repeat(257) }, { data: { x: '-'.repeat(8185) } }]) {
    const client = await open(t, url)
    client.send({ type: 'auth', user: 'alice', ...auth })
    t.match(await client.closed, { code: 4400 })
  }
})

t.test('turns each limit off with 0', async t => {
  const names = ['MAX_NAME_LENGTH', 'MAX_DATA_SIZE', 'MAX_ROOMS_PER_PEER', 'MAX_MESSAGE_SIZE', 'RATE_LIMIT', 'MAX_CONNECTIONS', 'AUTH_TIMEOUT']
  const { url } = await startServer(t, Object.fromEntries(names.map(name => [`SYMPLE_${name}`, '0'])))
  const hasty = await startServer(t, { SYMPLE_AUTH_TIMEOUT: '0.3' })
  const [patient, late] = [await open(t, url), await open(t, hasty.url)]
  t.match(await late.closed, { code: 4408 })
  await patient.authenticate({ user: 'patient' })

  const rooms = Array.from({ length: 2000 }, (_, i) => `room-${i}`)
  const data = { x: '-'.repeat(200_000) }
  const long = 'x'.repeat(20_000)
  const alice = await open(t, url)
  t.match(await alice.authenticate({ user: 'alice', name: long, rooms: [long, ...rooms], data }), { peer: { name: long, x: data.x } })
  const bob = await connect(t, url, { user: 'bob', rooms: [long] })
  for (const room of [`${long}2`, 'another', 'third']) {
    alice.send({ type: 'join', room })
    t.equal((await alice.find('join:ok')).room, room)
  }
  alice.send({ type: 'presence', data: { x: '='.repeat(300_000) } })
  t.equal((await bob.find(frame => JSON.stringify(frame).includes('=='))).type, 'presence')
  for (let n = 0; n < 3000; n++) alice.send({ type: 'message', to: 'bob', n })
  alice.send(messageOf(1_000_000, 'bob'))
  await settle(alice, bob)
  t.equal(bob.take().filter(({ type }) => type === 'message').length, 3001)
})

t.test('survives JSON that is nested deeply, has keys twice or a key __proto__', async t => {
  const { url, server } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const nested = (size: number) => '['.repeat(size / 2) + ']'.repeat(size / 2)
  for (const field of ['id', 'to', 'data', 'x', 'from', '__proto__']) {
    alice.send(`{"type":"message","to":7,"${field}":${nested(65_000)}}`)
    t.match(await alice.find('error'), { type: 'error', status: 400 })
  }
  for (const text of [
    nested(60_000), '['.repeat(60_000), '{"a":'.repeat(10_000), `{"type":"auth","user":"x","data":{"x":${nested(60_000)}}}`, `{"type":"auth","id":${nested(60_000)}}`
  ]) {
    alice.send(text)
    t.match(await alice.find('error'), { status: 400 })
    const stranger = await open(t, url)
    stranger.send(text)
    t.match(await stranger.closed, { code: 4400 })
  }
  alice.send('{"type":"event","type":"message","to":"carol","to":"bob","n":1,"n":2,"__proto__":{"n":3},"constructor":{"prototype":{"n":4}}}')
  const message = await bob.find('message')
  t.strictSame([message.from, message['n'], Object.hasOwn(message, '__proto__')], [alice.address, 2, true])
  alice.send('{"type":"presence","data":{"n":1,"n":2,"__proto__":{"polluted":1}},"__proto__":{"polluted":1}}')
  t.strictSame(await bob.next(), { type: 'presence', from: alice.address, data: { ...alice.peer, n: 2 } })
  t.notOk('polluted' in {})
  await settle(alice, bob)
  t.equal(server.symple.gauges.peers, 2)
})

t.test('closes with 1007 for text that is not UTF-8', async t => {
  const { url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice' })
  alice.ws.send(Buffer.from([0x7b, 0xff, 0x7d]), { binary: false })
  t.match(await alice.closed, { code: 1007 })
})

t.test('takes a message in as many frames as it may come in, and ends a connection with 1008 for one more', async t => {
  const { url, port, server } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const pieces = (count: number) => {
    const text = JSON.stringify({ type: 'message', data: '-'.repeat(count) }).slice(0, count)
    const message = `${text.slice(0, -2)}"}`
    const frames = Array.from(message, (byte, i) => oddFrame(byte, { opcode: i === 0 ? 1 : 0, fin: i === count - 1 }))
    return Buffer.concat(frames)
  }
  for (const [count, taken] of [[1024, true], [1025, false]] as const) {
    const raw = await openRaw(t, port)
    await raw.authenticate({ user: 'alice', rooms: ['lobby'] })
    raw.write(pieces(count))
    if (taken) {
      t.match(await bob.find('message'), { data: /^-+$/ })
    } else {
      await raw.gone
      t.equal(framesOf(raw).at(-1)!.payload.readUInt16BE(0), 1008)
    }
  }
  await bob.barrier()
  t.strictSame(bob.take().filter(({ type }) => type === 'message'), [])
  t.equal(server.symple.stats.limits.fragments, 1)
})
