import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Symple } from '../../src/core/symple.js'
import type { VirtualMessage } from '../../src/core/virtual-peer.js'
import { startNode } from '../cluster/nodes.js'
import { connect, eventually, settle, startServer, type Frame, type PeerObject } from '../helper.js'
import { startRedis } from '../redis.js'
import { scrape } from '../scrape.js'

/** A bot that keeps what it gets. */
async function addBot (symple: Pick<Symple, 'addVirtualPeer'>, options: Parameters<Symple['addVirtualPeer']>[0]) {
  const frames: Frame[] = []
  const bot = await symple.addVirtualPeer(options, message => { frames.push(message) })
  return { bot, frames }
}

const hasPresence = (online: boolean, id: string) => ({ type, data }: Frame) =>
  type === 'presence' && (data as PeerObject).id === id && (data as PeerObject).online === online

t.test('is a peer like any other, on each node', async t => {
  const redis = await startRedis(t)
  const env = { SYMPLE_REDIS_URL: redis.url, SYMPLE_RATE_LIMIT: '0' }
  const { server, url } = await startServer(t, env)
  const { symple } = server
  const far = await startNode(t, redis.url, env)
  const early = await connect(t, far.url, { user: 'early', rooms: ['lobby'] })
  const { bot, frames } = await addBot(symple, { user: 'bot', name: 'Bot', rooms: ['lobby', 'bot'], data: { type: 'helper', token: 'T0ken', id: 'x' } })
  const peer = { id: bot.id, user: 'bot', name: 'Bot', online: true, host: 'virtual', type: 'helper' }
  t.match(await early.find(hasPresence(true, bot.id)), { from: bot.address, data: peer })
  const near = await connect(t, url, { user: 'near', rooms: ['lobby'] })
  const late = await connect(t, far.url, { user: 'late', rooms: ['lobby'] })
  await near.find(hasPresence(true, bot.id))
  await late.find(hasPresence(true, bot.id))
  for (const client of [early, near, late]) t.strictSame(client.roster[bot.address], peer)
  await eventually(() => frames.length === 4, 'it knows all three')
  t.strictSame(frames[0], { type: 'welcome', protocol: 'symple/4', status: 200, peer, rooms: ['bot', 'lobby'] })
  t.match(frames[1], { type: 'presence', from: early.address, data: { online: true } })
  t.strictSame(frames.slice(1).map(({ from }) => from).sort(), [early, near, late].map(({ address }) => address).sort())

  await t.test('gets messages in order, by any address', async t => {
    const before = frames.length
    for (let n = 0; n < 200; n++) late.send({ type: 'message', to: ['bot', bot.address, bot.id, 'lobby', undefined][n % 5], n })
    await eventually(() => frames.some(({ n }) => n === 199), 'the last message')
    const expected = Array.from({ length: 200 }, (_, n) => [n, late.address])
    t.strictSame(frames.slice(before).map(({ n, from }) => [n, from]), expected)
    await symple.send('lobby', { type: 'event', from: 'shop' })
    await eventually(() => frames.at(-1)!.from === 'shop', 'what the server sends')
  })

  await t.test('answers as itself, whatever it says', async t => {
    for (const client of [early, near, late]) client.take()
    for (let n = 0; n < 100; n++) t.equal(bot.send({ type: 'message', to: n % 2 === 0 ? 'lobby' : late.address, from: 'eve|x', n }), true)
    await late.find(({ n }) => n === 99)
    const got = late.frames.filter(({ from, type }) => from === bot.address && type === 'message')
    t.strictSame(got.map(({ n }) => n), Array.from({ length: 100 }, (_, n) => n))
    await near.find(({ n }) => n === 98)
    t.equal(bot.send({ type: 'command', to: 'stranger', node: 'x' }), true, 'nobody is no fault')
    t.notOk(frames.some(({ from }) => from === bot.address), 'it does not hear itself')
    for (const wrong of [undefined, null, 'x', {}, { type: 'join', room: 'x' }, { type: 'welcome' }, { type: 'message', to: '' }, { type: 'message', to: 7 }, { type: 'presence', data: 7 }]) {
      t.throws(() => bot.send(wrong as object), { name: 'TypeError', message: /^message/ }, JSON.stringify(wrong))
    }
    t.throws(() => bot.publish('x' as unknown as object), { name: 'TypeError', message: /^data/ })
    await t.rejects(bot.join('a|b'), { name: 'TypeError', message: /^room/ })
  })

  await t.test('publishes, joins and leaves', async t => {
    for (const client of [early, near, late]) client.take()
    bot.publish({ name: 'Botty', status: 'busy' })
    const published = { ...peer, name: 'Botty', status: 'busy', type: undefined }
    for (const client of [near, late]) t.match(await client.find('presence'), { from: bot.address, data: { name: 'Botty', status: 'busy' } })
    t.notOk('type' in late.roster[bot.address]!)
    const visitor = await connect(t, far.url, { user: 'visitor', rooms: ['den'] })
    t.equal(await bot.join('den'), true)
    const { data } = await visitor.find(hasPresence(true, bot.id))
    t.match(data, { ...published, type: undefined })
    await eventually(() => frames.some(hasPresence(true, visitor.peer.id)), 'it sees the visitor')
    t.strictSame((await symple.peer(bot.id))!.rooms, ['lobby', 'den'])
    t.equal((await symple.peer(bot.id))!.virtual, true)
    t.equal(await bot.leave('den'), true)
    await visitor.find(hasPresence(false, bot.id))
    t.equal((await symple.peers({ user: 'bot' })).peers.length, 1)
  })

  await t.test('goes offline everywhere when it is removed', async t => {
    bot.remove()
    bot.remove()
    for (const client of [early, near, late]) await client.find(hasPresence(false, bot.id))
    t.equal(bot.removed, true)
    t.strictSame([bot.send({ type: 'message' }), bot.publish({}), await bot.join('x'), await bot.leave('x')], [false, false, false, false])
    await eventually(async () => (await symple.peers({ user: 'bot' })).peers.length === 0, 'it is in no list')
    await settle(near)
    for (const client of [early, near, late]) t.notOk(bot.address in client.roster)
  })
})

t.test('is counted apart, is not asked about by hooks, and may talk as much as it likes', async t => {
  const { server, url, origin } = await startServer(t, { SYMPLE_RATE_LIMIT: '5', SYMPLE_PING_INTERVAL: '0.1', SYMPLE_PING_TIMEOUT: '0.1' })
  const { symple } = server
  const asked: unknown[] = []
  symple.authenticate = peer => { asked.push(peer.user); return { allowed: true } }
  symple.authorizeJoin = peer => { asked.push(peer.user); return true }
  symple.authorizeMessage = peer => { asked.push(peer.user); return true }
  symple.onAuthorize = (_socket, peer) => { asked.push(peer.user) }
  const online: unknown[] = []
  symple.on('online', peer => { online.push([peer.user, peer.virtual]) })
  const { bot } = await addBot(symple, { user: 'bot', rooms: ['lobby'] })
  t.match(symple.gauges, { connections: 0, peers: 0, virtuals: 1, rooms: 1 })
  const alice = await connect(t, url, { user: 'alice' })
  await symple.join(alice.peer.id, 'lobby')
  await bot.join('den')
  for (let n = 0; n < 100; n++) bot.send({ type: 'message', to: 'alice', n })
  await alice.find(({ n }) => n === 99)
  t.strictSame(asked, ['alice', 'alice'], 'whether she may come in, and that she has')
  t.strictSame(online, [['bot', true], ['alice', false]])
  const { samples } = await scrape(origin)
  t.match([samples.get('symple_peers'), samples.get('symple_virtual_peers'), samples.get('symple_open_connections')], [1, 1, 1])
})

t.test('is harmed by no handler that fails, and harms nobody', async t => {
  const { server, url } = await startServer(t)
  const seen: unknown[] = []
  const bot = await server.symple.addVirtualPeer({ user: 'bot', rooms: ['lobby'] }, async message => {
    seen.push(message['n'])
    if (message['n'] === 1) throw new Error('x')
    if (message['n'] === 2) await new Promise(() => {})
  })
  await server.symple.addVirtualPeer({ user: 'bad', rooms: ['lobby'] }, () => { throw new Error('x') })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  for (const n of [1, 2, 3]) alice.send({ type: 'message', to: 'lobby', n })
  await bob.find(({ n }) => n === 3)
  await eventually(() => seen.includes(3), 'the last one')
  t.strictSame(seen.filter(n => n !== undefined), [1, 2, 3])
  t.equal(bot.removed, false)
})

t.test('talks to others of its kind without end, and the server serves on', async t => {
  const { server, url } = await startServer(t)
  const { symple } = server
  let rallies = 0
  const player = async (user: string, to: string) => {
    const bot = await symple.addVirtualPeer({ user, rooms: ['court'] }, (message: VirtualMessage) => {
      if (message.type !== 'message') return
      rallies++
      bot.send({ type: 'message', to })
    })
    return bot
  }
  const ping = await player('ping', 'pong')
  await player('pong', 'ping')
  ping.send({ type: 'message', to: 'pong' })
  await eventually(() => rallies > 100, 'a rally')
  const alice = await connect(t, url, { user: 'alice' })
  await alice.barrier()
  ping.remove()
  await turn()
  const end = rallies
  await alice.barrier()
  t.ok(rallies <= end + 1)
})

t.test('is sent away like others, and goes when the server drains', async t => {
  const { server, url } = await startServer(t)
  const { symple } = server
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const { bot, frames } = await addBot(symple, { user: 'bot', rooms: ['lobby'] })
  t.equal(await symple.disconnect(bot.address, 'Enough'), 1)
  await alice.find(hasPresence(false, bot.id))
  await eventually(() => frames.at(-1)!.type === 'error', 'it is told')
  t.match(frames.at(-1), { status: 403, message: 'Enough' })
  t.equal(bot.removed, true)
  const { bot: other, frames: last } = await addBot(symple, { user: 'other', rooms: ['lobby'] })
  const drained = symple.drain(0)
  await alice.find(hasPresence(false, other.id))
  await drained
  t.match(last.at(-1), { type: 'event', name: 'shutdown' })
  t.match(symple.gauges, { peers: 0, virtuals: 0, rooms: 0, users: 0 })
  await t.rejects(symple.addVirtualPeer({ user: 'late' }, () => {}), { name: 'SympleError', status: 503 })
})
