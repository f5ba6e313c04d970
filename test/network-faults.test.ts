import t, { type Test } from 'tap'
import { Checkers } from './checkers.js'
import { Crowd, type Player } from './cluster/crowd.js'
import { directoryExact, ready, startNodes, unready } from './cluster/nodes.js'
import { eventually, startServer, type Frame, type PeerObject } from './helper.js'
import type { ServerProcess } from './process.js'
import { frame, openRaw } from './raw.js'
import { startRedis } from './redis.js'
import { Random, seed } from './seed.js'
import { TcpProxy } from './tcp-proxy.js'

const random = new Random(seed)
t.comment(`SYMPLE_TEST_SEED=${seed}`)

const USERS = ['alice', 'bob', 'carol', 'dave']
const ROOMS = ['lobby', 'staff', 'den']

async function pause (milliseconds: number): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, milliseconds))
}

// Between a node and Redis --------------------------------------------------------------------------------------------

interface Scene {
  /** Between the first of the nodes and Redis. */
  proxy: TcpProxy
  nodes: ServerProcess[]
  crowd: Crowd
  /** Who takes no part in what clients do. */
  spared: Set<Player>
}

/** So that nothing is published twice. */
let serial = 0

/** Clients who come, go, join, leave and publish, on all nodes. */
async function carryOn ({ nodes, crowd, spared }: Scene): Promise<void> {
  for (let i = 0; i < 30; i++) {
    const player = random.pick(crowd.players.filter(player => !spared.has(player)))
    switch (random.below(6)) {
      case 0: crowd.join(player, random.pick(ROOMS)); break
      case 1: crowd.leave(player, random.pick(ROOMS)); break
      case 2:
        await crowd.enter(random.pick(nodes).url, { user: random.pick(USERS), rooms: [random.pick(ROOMS)] })
        break
      case 3:
        if (crowd.players.length - spared.size > 8) await crowd.part(player)
        break
      default: crowd.publish(player, { serial: ++serial })
    }
  }
}

/** What a network does to a node; at its end the network is as good as before. */
type Fault = (scene: Scene, carryOn: () => Promise<void>) => Promise<void>

/**
 * Three nodes, of which the first has a bad network. Whoever does not depend on it goes on without noticing; in the end
 * everybody sees exactly whom he should.
 */
async function endure (t: Test, env: Record<string, string>, fault: Fault): Promise<void> {
  const redis = await startRedis(t)
  const proxy = await TcpProxy.to(t, redis.port)
  const [bad] = await startNodes(t, `redis://127.0.0.1:${proxy.port}`, 1, env)
  const nodes = [bad!, ...await startNodes(t, redis.url, 2, env)]
  const crowd = new Crowd(t)
  const gather = async (name: string, ...places: number[]) => {
    const players = await Promise.all(places.map(async (node, i) =>
      await crowd.enter(nodes[node]!.url, { user: `${name}${i}`, rooms: [name] })))
    return { players, checkers: await Checkers.gather(name, players.map(({ client }) => client)) }
  }
  const groups = [await gather('within', 0, 0, 0), await gather('beyond', 1, 2, 1)]
  const spared = new Set(groups.flatMap(({ players }) => players))
  for (const [i, user] of USERS.entries()) {
    for (const { url } of nodes) await crowd.enter(url, { user, rooms: ROOMS.slice(i % ROOMS.length) })
  }
  await crowd.exact()

  for (const { checkers } of groups) checkers.run()
  const scene = { proxy, nodes, crowd, spared }
  await fault(scene, async () => { await carryOn(scene) })
  for (const node of nodes) await ready(node)
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  for (const { players, checkers } of groups) {
    const rounds = await checkers.stop()
    t.ok(rounds > 1, `${rounds} rounds of ${players.map(({ user }) => user).join()}`)
    t.strictSame(checkers.faults, [])
  }
  const late = await gather('late', 0, 1, 2)
  for (let i = 0; i < 4; i++) await late.checkers.round()
  t.strictSame(late.checkers.faults, [], 'messages go to and from all nodes')
  for (const node of nodes) t.equal(node.child.exitCode, null)
}

/** Long enough that nobody is given up. */
const PATIENT = { SYMPLE_NODE_TTL: '20', SYMPLE_REDIS_TIMEOUT: '2' }

t.test('what a node says to Redis is lost, and what Redis says comes', async t => {
  await endure(t, PATIENT, async ({ proxy, nodes }, carryOn) => {
    proxy.swallow('up')
    await carryOn()
    await unready(nodes[0]!)
    await carryOn()
    proxy.heal()
  })
})

t.test('what Redis says to a node is lost, and what the node says comes', async t => {
  await endure(t, PATIENT, async ({ proxy, nodes }, carryOn) => {
    proxy.swallow('down')
    await carryOn()
    await unready(nodes[0]!)
    await carryOn()
    proxy.heal()
  })
})

t.test('a node is cut off for longer than its lease lasts', async t => {
  await endure(t, { ...PATIENT, SYMPLE_NODE_TTL: '3' }, async ({ proxy, nodes, crowd }, carryOn) => {
    const [here, there] = await Promise.all([nodes[0]!, nodes[1]!].map(async ({ url }) =>
      await crowd.enter(url, { user: 'witness', rooms: ['lobby'] }))) as [Player, Player]
    await crowd.exact()
    proxy.cut()
    await eventually(() => !(here.address in there.client.roster), 'that the peers of the node are given up')
    t.ok(there.address in here.client.roster, 'it does not give up the others, of whom it can\'t know')
    await carryOn()
    proxy.heal()
  })
})

t.test('the connections of a node break again and again, in the middle of what is said', async t => {
  await endure(t, PATIENT, async ({ proxy }, carryOn) => {
    for (let i = 0; i < 12; i++) {
      const work = carryOn()
      await pause(random.below(120))
      if (random.oneIn(2)) proxy.reset()
      else proxy.cut()
      await pause(random.below(200))
      proxy.heal()
      await work
    }
  })
})

t.test('a slow and uneven way to Redis loses nothing, and changes no order', async t => {
  await endure(t, { ...PATIENT, SYMPLE_REDIS_TIMEOUT: '5' }, async ({ proxy, nodes, crowd, spared }, carryOn) => {
    proxy.delay(() => random.below(60))
    const players = await Promise.all(nodes.map(async ({ url }, i) =>
      await crowd.enter(url, { user: `slow${i}`, rooms: ['slow'] })))
    for (const player of players) spared.add(player)
    const checkers = await Checkers.gather('slow', players.map(({ client }) => client))
    checkers.run()
    for (let i = 0; i < 3; i++) await carryOn()
    await crowd.exact()
    t.ok(await checkers.stop() > 1)
    t.strictSame(checkers.faults, [], 'between all nodes')
    proxy.delay(() => 0)
  })
})

// Between a client and its node ---------------------------------------------------------------------------------------

/** A server that some peers reach directly, and one over a bad network. */
async function setScene (t: Test, env: Record<string, string> = {}) {
  const { url, port, server } = await startServer(t, { SYMPLE_RATE_LIMIT: '0', ...env })
  const proxy = await TcpProxy.to(t, port)
  const crowd = new Crowd(t)
  const near = ['anna', 'ben', 'cleo'].map(async user => (await crowd.enter(url, { user, rooms: ['quiet'] })).client)
  const checkers = await Checkers.gather('quiet', await Promise.all(near))
  const witness = await crowd.enter(url, { user: 'witness', rooms: ['lobby'] })
  const far = await crowd.enter(`ws://127.0.0.1:${proxy.port}/`, { user: 'far', rooms: ['lobby'] })
  await crowd.exact()
  crowd.mark()
  checkers.run()
  return { proxy, server, crowd, witness, far, checkers }
}

/** The numbers of the messages that one player has from another. */
function heard (by: Player, of: Player): unknown[] {
  return by.client.frames.filter(({ type, from }) => type === 'message' && from === of.address).map(({ n }) => n)
}

const isOffline = (user: string) => ({ type, data }: Frame): boolean =>
  type === 'presence' && (data as PeerObject).user === user && !(data as PeerObject).online

/** That one has gone, that those who saw it were told so, once, and that nobody else noticed anything. */
async function gone (t: Test, scene: Awaited<ReturnType<typeof setScene>>): Promise<void> {
  const { crowd, witness, far, checkers, server } = scene
  crowd.lose(far)
  await crowd.exact()
  t.strictSame(witness.told(), [{ address: far.address, online: false, published: false }], 'told once')
  await checkers.stop()
  t.strictSame(checkers.faults, [])
  t.equal(server.symple.gauges.connections, crowd.players.length, 'its connection is gone, too')
}

for (const directions of [['up'], ['down'], ['up', 'down']] as const) {
  t.test(`a client's connection stays open, and loses what goes ${directions.join(' and ')}`, async t => {
    const scene = await setScene(t, { SYMPLE_PING_INTERVAL: '0.5', SYMPLE_PING_TIMEOUT: '0.5' })
    scene.proxy.swallow(...directions)
    for (let n = 0; n < 5; n++) {
      scene.far.client.send({ type: 'message', n })
      scene.witness.client.send({ type: 'message', n })
    }
    await scene.witness.client.find(isOffline(scene.far.user))
    const due = directions[0] === 'up' ? [] : [0, 1, 2, 3, 4]
    t.strictSame(heard(scene.witness, scene.far), due, 'what gets through comes, once')
    await gone(t, scene)
  })
}

t.test('a client\'s connection breaks in the middle of a message', async t => {
  const scene = await setScene(t)
  const { proxy, crowd, witness, far, server } = scene
  const raw = await openRaw(t, proxy.port)
  await raw.authenticate({ user: 'halfway', rooms: ['lobby'] })
  await witness.client.find(({ type, data }) => type === 'presence' && (data as PeerObject).user === 'halfway')
  const message = frame(JSON.stringify({ type: 'message', data: 'never' }))
  const before = server.symple.stats.bytesIn
  raw.write(Buffer.concat([frame(JSON.stringify({ type: 'message', data: 'whole' })), message.subarray(0, -1)]))
  await witness.client.find('message')
  t.ok(server.symple.stats.bytesIn > before)
  proxy.reset()
  for (const user of ['halfway', 'far']) {
    await eventually(() => witness.client.frames.filter(isOffline(user)).length === 1, `that ${user} has gone`)
  }
  crowd.lose(far)
  await crowd.exact()
  t.equal(witness.client.frames.filter(({ type }) => type === 'message').length, 1, 'half a message is none')
  await scene.checkers.stop()
  t.strictSame(scene.checkers.faults, [])
})

t.test('a client\'s connection breaks while it sends: what comes is what it sent first, without a hole', async t => {
  for (let round = 0; round < 5; round++) {
    const scene = await setScene(t)
    const { proxy, far, witness } = scene
    let n = 0
    const talk = setInterval(() => { for (let i = 0; i < 50; i++) far.client.send({ type: 'message', n: n++ }) }, 1)
    t.teardown(() => { clearInterval(talk) })
    await pause(10 + random.below(60))
    proxy.reset()
    await far.client.closed
    clearInterval(talk)
    await gone(t, scene)
    const got = heard(witness, far)
    t.strictSame(got, got.map((_, i) => i), `${got.length} of ${n}`)
  }
})

t.test('a slow and uneven way to a client loses nothing, and changes no order', async t => {
  const { proxy, far, witness, crowd, checkers } = await setScene(t)
  proxy.delay(() => random.below(5))
  for (let n = 0; n < 500; n++) {
    far.client.send({ type: 'message', n })
    witness.client.send({ type: 'message', n })
    if (n % 50 === 0) await pause(1)
  }
  await crowd.exact()
  for (const [a, b] of [[far, witness], [witness, far]] as const) {
    await eventually(() => heard(a, b).length >= 500, 'all messages')
    t.strictSame(heard(a, b), Array.from({ length: 500 }, (_, n) => n))
  }
  await checkers.stop()
  t.strictSame(checkers.faults, [])
})
