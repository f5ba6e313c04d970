import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { peerId } from '../../src/core/backplane.js'
import type { PeerDetails, PeerInfo } from '../../src/core/peer-info.js'
import { startNode } from '../cluster/nodes.js'
import { connect, eventually, settle, startServer, type Frame, type PeerObject, type TestClient } from '../helper.js'
import type { ServerProcess } from '../process.js'
import { startRedis, type RedisServer } from '../redis.js'

interface Scene {
  /** The service of the node that runs in this process. */
  symple: FastifyInstance['symple']
  /** The node here, and two in processes of their own. */
  urls: string[]
  processes: ServerProcess[]
  redis: RedisServer
}

/** Three nodes, each a process of its own, and the service of the one that is this process. */
async function setScene (t: Test): Promise<Scene> {
  const redis = await startRedis(t)
  const env = { SYMPLE_REDIS_URL: redis.url, SYMPLE_NODE_TTL: '6', SYMPLE_RATE_LIMIT: '0', SYMPLE_REDIS_TIMEOUT: '2' }
  const { server, url } = await startServer(t, env)
  const processes = await Promise.all([startNode(t, redis.url, env), startNode(t, redis.url, env)])
  await eventually(async () => (await server.symple.nodes()).filter(({ alive }) => alive).length === 3, 'three nodes')
  const urls = [url, ...processes.map(({ url }) => url)]
  return { symple: server.symple, urls, processes, redis }
}

const ids = (peers: readonly PeerInfo[]) => peers.map(({ id }) => id).sort()
const idsOf = (...clients: TestClient[]) => clients.map(({ peer }) => peer.id).sort()

/** What a client was told that is no presence. */
const told = (client: TestClient): Frame[] => client.take().filter(({ type }) => type !== 'presence')

/** All pages of a list, one after the other. */
async function all<T> (page: (cursor: string | null) => Promise<[T[], string | null]>): Promise<T[][]> {
  const pages: T[][] = []
  let cursor: string | null = null
  do {
    const [items, next]: [T[], string | null] = await page(cursor)
    pages.push(items)
    cursor = next
  } while (cursor !== null)
  return pages
}

t.test('acts on peers of all nodes', async t => {
  const { symple, urls, redis } = await setScene(t)
  const names = ['alice', 'bob', 'carol']
  const [alice, bob, carol] = await Promise.all(names.map(async (user, i) =>
    await connect(t, urls[i]!, { user, name: user.toUpperCase(), rooms: ['lobby', `of-${user}`], data: { status: 'here' } })))
  const bob2 = await connect(t, urls[2]!, { user: 'bob' })
  const clients = [alice!, bob!, carol!, bob2]
  await eventually(() => Object.keys(carol!.roster).length === 2 && Object.keys(bob2.roster).length === 1, 'all are known')
  await settle(...clients)
  for (const client of clients) client.take()

  await t.test('nodes', async t => {
    const nodes = await symple.nodes()
    t.equal(new Set(nodes.map(({ id }) => id)).size, 3)
    t.strictSame(nodes.filter(({ self }) => self).map(({ pid }) => pid), [process.pid])
    for (const { host, started, alive } of nodes) t.ok(host !== '' && alive && Date.parse(started) <= Date.now())
    t.ok(nodes.some(({ id }) => bob!.peer.id.startsWith(`${id}-`)))
  })

  await t.test('peers and rooms', async t => {
    const { peers, cursor } = await symple.peers()
    t.strictSame([ids(peers), cursor], [idsOf(...clients), null])
    const { id, user } = carol!.peer
    t.strictSame(peers.find(peer => peer.id === id), {
      id, user, name: 'CAROL', address: carol!.address, host: '127.0.0.1', node: id.slice(0, id.indexOf('-')), data: { status: 'here' }
    })
    t.strictSame(ids((await symple.peers({ room: 'lobby' })).peers), idsOf(alice!, bob!, carol!))
    t.strictSame(ids((await symple.peers({ user: 'bob' })).peers), idsOf(bob!, bob2))
    t.strictSame(ids((await symple.peers({ user: 'bob', room: 'lobby' })).peers), idsOf(bob!))
    for (const options of [{ room: 'bob' }, { user: 'lobby' }, { room: 'nowhere' }, { user: 'alice', room: 'of-bob' }]) {
      t.strictSame(await symple.peers(options), { peers: [], cursor: null })
    }
    t.strictSame(await symple.rooms(), {
      rooms: [{ name: 'lobby', members: 3 }, ...names.map(name => ({ name: `of-${name}`, members: 1 }))], cursor: null
    })
    const pages = await all(async cursor => {
      const { rooms, cursor: next } = await symple.rooms({ cursor, limit: 3 })
      return [rooms.map(({ name }) => name), next]
    })
    t.strictSame(pages, [['lobby', 'of-alice', 'of-bob'], ['of-carol']])
  })

  await t.test('one peer, by id and by address', async t => {
    for (const client of clients) {
      const { id, user } = client.peer
      const found = await symple.peer(id)
      const rooms = client === bob2 ? [] : ['lobby', `of-${user}`]
      t.match(found, { id, user, address: client.address, rooms, virtual: false })
      t.strictSame(await symple.peer(client.address), found)
      t.equal(await symple.peer(`x|${id}`), undefined)
      t.equal(await symple.peer(`${id}x`), undefined)
    }
    for (const name of ['nobody', 'alice', '-', '|', 'x-y', `${alice!.peer.id.split('-')[0]}-x`]) t.equal(await symple.peer(name), undefined)
  })

  await t.test('send and broadcast', async t => {
    let n = 0
    const send = async (to: string | string[]) => {
      await symple.send(to, { type: 'event', name: 'x', from: 'shop', n: ++n })
      return await arrived()
    }
    /** Who got the last message, as often as they got it; what was sent after it has come, and so has it. */
    const arrived = async () => {
      const mark = `mark-${n}`
      await symple.send(clients.map(({ peer }) => peer.id), { type: 'event', mark })
      for (const client of clients) await eventually(() => client.frames.some(frame => frame['mark'] === mark), 'the mark')
      return clients.flatMap((client, i) => client.take().filter(frame => frame['n'] === n).map(frame => {
        t.match(frame, { type: 'event', name: 'x', from: 'shop' })
        return ['alice', 'bob', 'carol', 'bob2'][i]!
      }))
    }
    t.strictSame(await send('lobby'), ['alice', 'bob', 'carol'])
    t.strictSame(await send('bob'), ['bob', 'bob2'])
    t.strictSame(await send(carol!.address), ['carol'])
    t.strictSame(await send(bob2.peer.id), ['bob2'])
    t.strictSame(await send(['lobby', 'bob', alice!.address, 'of-carol']), ['alice', 'bob', 'carol', 'bob2'], 'once each')
    t.strictSame(await send('nobody'), [])
    t.strictSame(await send([]), [])
    n++
    await symple.broadcast({ type: 'event', name: 'x', from: 'shop', n })
    t.strictSame(await arrived(), ['alice', 'bob', 'carol', 'bob2'])
    t.notOk('to' in carol!.frames.find(frame => frame['n'] === n)!)
    await redis.client().publish('symple:broadcast', JSON.stringify({ type: 'event', name: 'x', from: 'shop', n: ++n, to: { all: true } }))
    await eventually(() => clients.every(client => client.frames.some(frame => frame['n'] === n)), 'what a backend tells everybody')
    for (let i = 0; i < 300; i++) symple.send(i % 3 === 0 ? 'lobby' : [carol!.peer.id, 'alice'], { type: 'event', i })
    for (const client of [alice!, carol!]) {
      await client.find(({ i }) => i === 299)
      t.strictSame(client.frames.flatMap(({ i }) => i === undefined ? [] : [i]), Array.from({ length: 300 }, (_, i) => i), 'in order')
    }
  })

  await t.test('join and leave', async t => {
    for (const client of clients) client.take()
    t.equal(await symple.join(carol!.peer.id, 'den'), true)
    t.equal(await symple.join(bob2.address, 'den'), true)
    t.equal(await symple.join(bob2.address, 'den'), true, 'once more changes nothing')
    t.equal(await symple.join(bob2.address, 'bob'), true, 'its own user\'s is no room to enter')
    await carol!.find(({ type, data }) => type === 'presence' && (data as PeerObject).id === bob2.peer.id)
    await bob2.find(({ type, data }) => type === 'presence' && (data as PeerObject).id === carol!.peer.id)
    t.match([carol!.roster[bob2.address], bob2.roster[carol!.address]], [{ online: true }, { online: true }])
    t.strictSame(carol!.frames.filter(({ room }) => room === 'den'), [{ type: 'join:ok', room: 'den' }])
    t.strictSame(bob2.frames.filter(({ room }) => room !== undefined), [{ type: 'join:ok', room: 'den' }])
    await eventually(async () => (await symple.peers({ room: 'den' })).peers.length === 2, 'the directory knows')
    t.strictSame((await symple.peer(bob2.peer.id))!.rooms, ['den'])
    t.equal(await symple.leave(bob2.peer.id, 'den'), true)
    t.equal(await symple.leave(bob2.peer.id, 'den'), true, 'once more changes nothing')
    await carol!.find(({ type, data }) => type === 'presence' && (data as PeerObject).id === bob2.peer.id)
    await bob2.find('leave:ok')
    t.notOk(bob2.address in carol!.roster)
    t.equal(await symple.join(alice!.peer.id, 'attic'), true, 'on this node too')
    t.strictSame((await symple.peer(alice!.peer.id))!.rooms, ['lobby', 'of-alice', 'attic'])
    for (const name of ['nobody', peerId('nobody', 'x'), `${carol!.peer.id}x`, `x|${carol!.peer.id}`]) {
      t.strictSame([await symple.join(name, 'den'), await symple.leave(name, 'den')], [false, false], name)
    }
  })

  await t.test('disconnect', async t => {
    t.equal(await symple.disconnect('nobody'), 0)
    t.equal(await symple.disconnect({ user: 'nobody' }), 0)
    t.equal(await symple.disconnect(carol!.address, 'Time to go'), 1)
    t.strictSame(await carol!.closed, { code: 4403, reason: 'Time to go' })
    t.match(carol!.frames.at(-1), { type: 'error', status: 403, message: 'Time to go' })
    t.equal(await symple.disconnect(carol!.address), 0)
    await alice!.find(({ type, data }) => type === 'presence' && !(data as PeerObject).online)
    t.equal(await symple.disconnect({ user: 'bob' }), 2)
    for (const client of [bob!, bob2]) t.strictSame(await client.closed, { code: 4403, reason: 'Disconnected by the server' })
    await eventually(async () => (await symple.peers()).peers.length === 1, 'only Alice is left')
    await alice!.barrier()
    t.strictSame(alice!.roster, {})
  })
})

t.test('lists many peers page by page, each once', async t => {
  const { symple, urls } = await setScene(t)
  const clients = await Promise.all(Array.from({ length: 60 }, async (_, i) =>
    await connect(t, urls[i % 3]!, { user: i < 20 ? 'many' : `user-${i % 17}`, rooms: ['all', ...i % 2 === 0 ? ['even'] : []] })))
  await eventually(async () => (await symple.peers({ limit: 1000 })).peers.length === 60, 'all are written')
  for (const [options, expected] of [
    [{}, clients], [{ room: 'even' }, clients.filter((_, i) => i % 2 === 0)], [{ user: 'many' }, clients.slice(0, 20)],
    [{ user: 'many', room: 'even' }, clients.slice(0, 20).filter((_, i) => i % 2 === 0)]
  ] as const) {
    for (const limit of [1, 7, 20, 59, 60, 61]) {
      const pages = await all(async cursor => {
        const { peers, cursor: next } = await symple.peers({ ...options, cursor, limit })
        return [peers, next]
      })
      t.strictSame(ids(pages.flat()), idsOf(...expected), JSON.stringify({ options, limit }))
      t.ok(pages.slice(0, -1).every(page => page.length === limit) && pages.at(-1)!.length <= limit)
    }
  }
  // Between two pages some go, and a whole node's.
  const { peers, cursor } = await symple.peers({ limit: 30 })
  await symple.disconnect({ user: 'many' })
  await eventually(async () => (await symple.peers({ limit: 1000 })).peers.length === 40, 'they are gone')
  const rest = await symple.peers({ limit: 1000, cursor })
  t.equal(new Set([...ids(peers), ...ids(rest.peers)]).size, peers.length + rest.peers.length)
  const left = clients.slice(20).map(({ peer }) => peer.id)
  t.ok(left.every(id => [...ids(peers), ...ids(rest.peers)].includes(id)), 'nobody who stayed is missed')
})

t.test('says nothing rather than half of it where other nodes can not be reached', async t => {
  const { symple, urls, processes, redis } = await setScene(t)
  const [alice, bob, carol] = await Promise.all([0, 1, 2].map(async i => await connect(t, urls[i]!, { user: `user-${i}`, rooms: ['lobby'] })))
  await eventually(async () => (await symple.rooms()).rooms[0]?.members === 3, 'all are written')
  const unavailable = { name: 'SympleError', status: 503 }

  await t.test('a node that stands still', async t => {
    processes[0]!.child.kill('SIGSTOP')
    // All at once: it is given up before long.
    await Promise.all([
      t.rejects(symple.peer(bob!.peer.id), unavailable), t.rejects(symple.join(bob!.peer.id, 'den'), unavailable),
      t.rejects(symple.disconnect({ user: 'user-2' }), unavailable)
    ])
    t.match(await carol!.closed, { code: 4403 }, 'the node that can be reached has done its part')
    processes[0]!.child.kill('SIGCONT')
    await eventually(async () => await symple.peer(bob!.peer.id).then(peer => peer !== undefined, () => false), 'it is back')
  })

  await t.test('a node that is dead', async t => {
    processes[0]!.child.kill('SIGKILL')
    const node = bob!.peer.id.split('-')[0]
    await eventually(async () => (await symple.nodes()).every(({ id, alive }) => id !== node || !alive), 'it is known')
    t.equal(await symple.peer(bob!.peer.id), undefined)
    t.equal(await symple.join(bob!.peer.id, 'den'), false)
    t.equal(await symple.disconnect(bob!.peer.id), 0)
    t.strictSame(ids((await symple.peers()).peers), idsOf(alice!))
    t.strictSame(await symple.rooms(), { rooms: [{ name: 'lobby', members: 1 }], cursor: null })
  })

  await t.test('without Redis', async t => {
    await redis.kill()
    await eventually(async () => await symple.nodes().then(() => false, () => true), 'it is known')
    for (const call of [
      () => symple.send('lobby', { type: 'event' }), () => symple.broadcast({ type: 'event' }), () => symple.peers(), () => symple.rooms(),
      () => symple.nodes(), () => symple.peer(carol!.peer.id), () => symple.leave(carol!.peer.id, 'lobby'), () => symple.disconnect(carol!.peer.id)
    ]) await t.rejects(async () => { await call() }, unavailable, String(call))
    t.match(await symple.peer(alice!.peer.id), { user: 'user-0' }, 'peers of this very node are there')
    t.equal(await symple.join(alice!.peer.id, 'den'), true)
    await t.rejects(symple.disconnect({ user: 'user-0' }), unavailable)
    t.match(await alice!.closed, { code: 4403 }, 'what can be done is done')
  })
})

t.test('names the argument that is wrong', async t => {
  const { symple } = (await startServer(t)).server
  const loose = symple as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
  const event = { type: 'event' }
  const circular: Record<string, unknown> = { type: 'event' }
  circular['self'] = circular
  const cases: Array<[method: string, args: unknown[], named: string]> = [
    ...[undefined, null, 7, '', {}, [''], [7]].map((to): [string, unknown[], string] => ['send', [to, event], 'to']),
    ...[undefined, null, 7, '', [], {}, { type: 7 }, circular, { type: 'event', n: 1n }].flatMap((message): Array<[string, unknown[], string]> =>
      [['send', ['x', message], 'message'], ['broadcast', [message], 'message']]),
    ...[0, -1, 1.5, 1001, '7', NaN].flatMap((limit): Array<[string, unknown[], string]> =>
      [['peers', [{ limit }], 'limit'], ['rooms', [{ limit }], 'limit']]),
    ...['', 'x', 7, {}, 'WyJhIiwiYiJd'].flatMap((cursor): Array<[string, unknown[], string]> =>
      [['peers', [{ cursor }], 'cursor'], ['rooms', [{ cursor }], 'cursor']]),
    ['peers', [{ room: '' }], 'room'], ['peers', [{ room: 'a|b' }], 'room'], ['peers', [{ user: 7 }], 'user'],
    ...[undefined, null, 7, '', {}].flatMap((peer): Array<[string, unknown[], string]> =>
      [['peer', [peer], 'peer'], ['join', [peer, 'x'], 'peer'], ['leave', [peer, 'x'], 'peer']]),
    ...[undefined, null, '', 'a|b', 'a\nb', 'x'.repeat(257)].flatMap((room): Array<[string, unknown[], string]> =>
      [['join', ['x', room], 'room'], ['leave', ['x', room], 'room']]),
    ...[undefined, null, 7, ''].map((target): [string, unknown[], string] => ['disconnect', [target], 'target']),
    ['disconnect', [{}], 'user'], ['disconnect', ['x', 7], 'reason'], ['disconnect', ['x', 'é'.repeat(62)], 'reason'],
    ['addVirtualPeer', [], 'options'], ['addVirtualPeer', [{ user: 'x' }], 'handler'], ['addVirtualPeer', [{ user: '' }, () => {}], 'user'],
    ['addVirtualPeer', [{ user: 'x', name: '' }, () => {}], 'name'], ['addVirtualPeer', [{ user: 'x', rooms: 'y' }, () => {}], 'rooms'],
    ['addVirtualPeer', [{ user: 'x', rooms: ['a|b'] }, () => {}], 'rooms'], ['addVirtualPeer', [{ user: 'x', data: 7 }, () => {}], 'data']
  ]
  for (const [method, args, named] of cases) {
    await t.rejects(loose[method]!.apply(symple, args), { name: 'TypeError', message: new RegExp(`^(each of )?${named}\\b`) }, `${method} ${named}`)
  }
  t.match(symple.gauges, { peers: 0, virtuals: 0 })
})

t.test('tells of the peers of its node, and is harmed by no listener', async t => {
  const { server, url } = await startServer(t)
  const { symple } = server
  const story: unknown[] = []
  const failing = () => { throw new Error('x') }
  for (const event of ['online', 'offline', 'join', 'leave', 'message', 'presence'] as const) {
    symple.on(event, failing)
    symple.on(event, async () => { throw new Error('x') })
    symple.on(event, (peer: PeerDetails, detail?: unknown) => {
      story.push([event, peer.user, ...detail === undefined ? [] : [detail]])
    })
  }
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const message = { type: 'message', to: 'bob', n: 1 }
  alice.send({ ...message, from: 'eve|x' })
  alice.send({ type: 'join', room: 'den' })
  alice.send({ type: 'join', room: 'den' })
  alice.send({ type: 'event', to: 'nobody', name: 'x' })
  alice.send({ type: 'presence', data: { status: 'away' } })
  alice.send({ type: 'presence', to: 'bob', data: { status: 'here' } })
  alice.send({ type: 'leave', room: 'den' })
  alice.send({ type: 'message', to: 7 })
  await settle(alice, bob)
  await alice.close()
  await bob.find(({ type, data }) => type === 'presence' && !(data as PeerObject).online)
  const from = alice.address
  t.strictSame(story, [
    ['online', 'bob'], ['online', 'alice'], ['message', 'alice', { ...message, from }], ['join', 'alice', 'den'],
    ['message', 'alice', { type: 'event', to: 'nobody', name: 'x', from }], ['presence', 'alice'],
    ['leave', 'alice', 'den'], ['offline', 'alice']
  ])
  symple.removeAllListeners()
  const seen: unknown[] = []
  symple.once('online', peer => { seen.push(JSON.parse(JSON.stringify(peer)), peer.rooms, peer.virtual, peer.node) })
  const carol = await connect(t, url, { user: 'carol', rooms: ['lobby'], data: { status: 'here' } })
  const { id } = carol.peer
  const [node] = id.split('-')
  t.strictSame(seen, [{
    id,
    user: 'carol',
    name: 'carol',
    address: carol.address,
    host: '127.0.0.1',
    node,
    data: { status: 'here' },
    rooms: ['lobby'],
    virtual: false
  }, ['lobby'], false, node])
  t.match(await symple.peer(id), seen[0] as object)
  // What a listener does at once is no harm either.
  symple.on('online', async peer => { await symple.disconnect(peer.id) })
  symple.on('message', async peer => { await symple.disconnect(peer.id) })
  t.equal((await (await connect(t, url, { user: 'dave', rooms: ['lobby'] })).closed).code, 4403)
  carol.send({ type: 'message', to: 'bob' })
  t.equal((await carol.closed).code, 4403)
  t.match(await bob.find('message'), { from: carol.address })
  t.strictSame(told(bob), [])
})
