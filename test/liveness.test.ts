import t from 'tap'
import { connect, eventually, startServer, type PeerObject } from './helper.js'
import { framesOf, messagesOf, PING, PONG } from './raw-frames.js'
import { CLOSE, frame, openRaw, type RawSocket } from './raw.js'

function pings (raw: RawSocket): number {
  return framesOf(raw).filter(({ opcode }) => opcode === PING).length
}

t.test('pings its peers, and cuts those that do not answer, without a close frame', async t => {
  const { url, port, server } = await startServer(t, { SYMPLE_PING_INTERVAL: '0.2', SYMPLE_PING_TIMEOUT: '0.3' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const mute = await openRaw(t, port)
  await mute.authenticate({ user: 'mute', rooms: ['lobby'] })
  t.match(await bob.next(), { type: 'presence', data: { user: 'mute', online: true } })
  await mute.gone
  t.match(await bob.next(), { type: 'presence', data: { user: 'mute', online: false } })
  t.equal(pings(mute), 1)
  t.notOk(framesOf(mute).some(({ opcode }) => opcode === CLOSE))
  t.equal(server.symple.stats.limits.ping, 1)
  await bob.barrier()
  t.strictSame(bob.take(), [])
})

t.test('pings again and again, and keeps those that answer', async t => {
  const { url, port } = await startServer(t, { SYMPLE_PING_INTERVAL: '0.1', SYMPLE_PING_TIMEOUT: '0.5' })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  let pinged = 0
  alice.ws.on('ping', () => { pinged++ })
  const mute = await openRaw(t, port)
  await mute.authenticate({ user: 'mute', rooms: ['lobby'] })
  // Several times longer than the one that does not answer is left alone.
  await mute.gone
  await eventually(() => pinged >= 8, 'eight pings')
  await alice.barrier()
})

t.test('does not take other frames of a client, nor a pong that it did not ask for, as an answer', async t => {
  const { port } = await startServer(t, { SYMPLE_PING_INTERVAL: '0.5', SYMPLE_PING_TIMEOUT: '0.5' })
  const rude = await openRaw(t, port)
  await rude.authenticate({ user: 'rude' })
  rude.write(frame('', PONG))
  await eventually(() => pings(rude) === 1, 'a ping')
  const talk = setInterval(() => { rude.write(frame('{"type":"message"}')) }, 20)
  t.teardown(() => { clearInterval(talk) })
  await rude.gone
  t.equal(pings(rude), 1)
})

t.test('cuts a client that does not answer its close', async t => {
  const { url, port } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const rude = await openRaw(t, port)
  await rude.authenticate({ user: 'rude', rooms: ['lobby'] })
  rude.write(frame('{"type":"close"}'))
  await bob.find(({ type, data }) => type === 'presence' && !(data as PeerObject).online)
  await rude.gone
  const closes = framesOf(rude).filter(({ opcode }) => opcode === CLOSE)
  t.strictSame(closes.map(({ payload }) => payload.readUInt16BE(0)), [1000])
})

t.test('does not wait for a client that says goodbye and keeps its connection', async t => {
  const { url, port } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const rude = await openRaw(t, port)
  await rude.authenticate({ user: 'rude', rooms: ['lobby'] })
  rude.write(frame(Buffer.from([0x03, 0xe8]), CLOSE))
  // The WebSocket library alone would wait for longer than this does.
  await bob.find(({ type, data }) => type === 'presence' && !(data as PeerObject).online)
  await rude.gone
})

t.test('tells of a client that says goodbye and drops the connection at once, or is reset', async t => {
  const { url, port, server } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  for (const goodbye of [frame('{"type":"close"}'), frame('{"type":"message"}'), Buffer.from([0x81])]) {
    const client = await openRaw(t, port)
    await client.authenticate({ user: 'client', rooms: ['lobby'] })
    t.match(messagesOf(client)[0], { type: 'welcome' })
    client.write(goodbye)
    client.reset()
    await bob.find(({ type, data }) => type === 'presence' && !(data as PeerObject).online)
  }
  await eventually(() => server.symple.gauges.connections === 1, 'the connections are gone')
  await bob.barrier()
  t.strictSame(bob.take().filter(({ type }) => type === 'presence'), [], 'once each')
})
