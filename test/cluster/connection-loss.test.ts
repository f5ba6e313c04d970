import t, { type Test } from 'tap'
import { encodeEntry, encodePacket } from '../../src/core/envelope.js'
import { eventually } from '../helper.js'
import type { ServerProcess } from '../process.js'
import { startRedis, type RedisServer } from '../redis.js'
import { Random, seed } from '../seed.js'
import { Crowd, type Player } from './crowd.js'
import { publication } from './publication.js'
import { directoryExact, metric, nodeIdOf, ready, startNodes } from './nodes.js'

const ROOMS = ['lobby', 'staff', 'den', 'attic']

/** Rounds of traffic between two losses of connections. */
const ROUNDS = 20

const IGNORED = 'symple_cluster_entries_total{outcome="ignored"}'
const GAPS = 'symple_backplane_gaps_total'

interface Scene {
  redis: RedisServer
  nodes: ServerProcess[]
  crowd: Crowd
}

async function setScene (t: Test): Promise<Scene> {
  const redis = await startRedis(t)
  // Nobody is given up here: what is wrong is put right without.
  const nodes = await startNodes(t, redis.url, 3, { SYMPLE_NODE_TTL: '4' })
  const crowd = new Crowd(t)
  for (const { url } of nodes) {
    for (let i = 0; i < 4; i++) await crowd.enter(url, { user: `user${i}`, rooms: ROOMS.slice(i) })
  }
  await crowd.exact()
  crowd.mark()
  return { redis, nodes, crowd }
}

/** One thing that one client does. */
function act (random: Random, crowd: Crowd, serial: number): void {
  const player = random.pick(crowd.players)
  switch (random.below(5)) {
    case 0: return crowd.join(player, random.pick(ROOMS))
    case 1: return crowd.leave(player, random.pick(ROOMS))
    case 2: return crowd.publish(player, { serial })
    default: player.client.send({ type: 'message', serial })
  }
}

/** That nobody got a message twice, or one of a sender's after a later one. */
function inOrder (t: Test, crowd: Crowd): void {
  for (const { client, address } of crowd.players) {
    const last = new Map<string, number>()
    const wrong = client.frames.filter(frame => frame.type === 'message').filter(frame => {
      const before = last.get(frame.from!) ?? -1
      last.set(frame.from!, frame['serial'] as number)
      return frame['serial'] as number <= before
    })
    t.strictSame(wrong, [], `${address} gets each message once, in order`)
  }
}

for (const [type, what] of [['pubsub', 'on which nodes hear'], ['normal', 'on which nodes speak']] as const) {
  t.test(`connections ${what} are lost in the middle of traffic`, async t => {
    const { redis, nodes, crowd } = await setScene(t)
    const random = new Random(seed)
    t.comment(`SYMPLE_TEST_SEED=${seed}`)
    // A connection of its own kind spares itself.
    const killer = redis.client()
    let serial = 0
    for (let loss = 0; loss < 4; loss++) {
      for (const node of nodes) await ready(node)
      for (let round = 0; round < ROUNDS; round++) {
        for (let i = 0; i < 5; i++) act(random, crowd, ++serial)
        if (round === ROUNDS / 2) t.equal(await killer.call('CLIENT', 'KILL', 'TYPE', type), nodes.length, 'killed')
        if (random.oneIn(3)) await crowd.settle()
      }
      // Some come and go while connections are away.
      await crowd.part(random.pick(crowd.players))
      await crowd.enter(random.pick(nodes).url, { user: `user${random.below(4)}`, rooms: [random.pick(ROOMS)] })
    }
    await crowd.exact()
    for (const node of nodes) await ready(node)
    await directoryExact(killer, crowd)
    inOrder(t, crowd)
  })
}

t.test('the last member of a node leaves a room while that node alone can not speak: others hear of it', async t => {
  const redis = await startRedis(t)
  const killer = redis.client()
  const connections = async () =>
    [...String(await killer.call('CLIENT', 'LIST', 'TYPE', 'normal')).matchAll(/^id=(\d+)/gm)].map(([, id]) => id!)
  const env = { SYMPLE_NODE_TTL: '4' }
  const others = await startNodes(t, redis.url, 2, env)
  const spared = new Set(await connections())
  const [mute] = await startNodes(t, redis.url, 1, env)
  const crowd = new Crowd(t)
  for (const { url } of others) await crowd.enter(url, { user: 'witness', rooms: ['lobby'] })
  for (let i = 0; i < 10; i++) {
    const lonely = await crowd.enter(mute!.url, { user: `lonely${i}`, rooms: ['lobby'] })
    await crowd.exact()
    const doomed = (await connections()).filter(id => !spared.has(id))
    t.ok(doomed.length > 0, 'it can speak')
    for (const id of doomed) await killer.call('CLIENT', 'KILL', 'ID', id)
    if (i % 2 === 0) crowd.leave(lonely, 'lobby')
    else await crowd.part(lonely)
    await crowd.exact()
    await directoryExact(killer, crowd)
  }
})

// Forged publications -------------------------------------------------------------------------------------------------

async function publish ({ redis }: Scene, to: Player, message: Buffer): Promise<void> {
  await redis.client().publish(`symple:inbox:${nodeIdOf(to)}`, message)
}

t.test('publications that are missing are noticed, and what they said is found', async t => {
  const scene = await setScene(t)
  const { nodes, crowd } = scene
  const [a, b] = [crowd.players[0]!, crowd.players.at(-1)!]
  // As if others had come before: what this one says of a peer is wrong.
  const exit = encodePacket([encodeEntry({ kind: 'exit', places: null, id: a.client.peer.id })])
  await publish(scene, b, publication(nodeIdOf(a), 1000, exit))
  // The next one from that node has a number that does not follow either.
  await eventually(async () => await metric(nodes[2]!, GAPS) >= 1, 'a gap')
  await eventually(() => b.told().length === 2, 'that the peer goes and comes back')
  await crowd.exact()
  t.strictSame(b.told().map(({ address, online }) => [address, online]), [[a.address, false], [a.address, true]])
  await publish(scene, crowd.players[4]!, publication('stranger', 2, encodePacket([])))
  await eventually(async () => await metric(nodes[1]!, GAPS) === 1, 'a gap before the first that came')
})

t.test('what makes no sense is ignored, and counted', async t => {
  const scene = await setScene(t)
  const { nodes, crowd } = scene
  const [target] = crowd.players
  const entry = encodeEntry({ kind: 'ask', place: 'room:lobby' })
  const odd: Array<[what: string, message: Buffer]> = [
    ['nothing', Buffer.alloc(0)],
    ['less than a header', Buffer.from([1, 0, 0])],
    ['a header without the id that it announces', Buffer.from([1, 0, 0, 0, 1, 200, 97])],
    ['an unknown kind', publication('odd', 1, encodePacket([entry]), 99)],
    ['no packet', publication('odd', 1, Buffer.alloc(0))],
    ['a later version', publication('odd', 2, Buffer.concat([Buffer.of(2), entry]))],
    ['half an entry', publication('odd', 3, Buffer.concat([Buffer.of(1), entry.subarray(0, -3)]))],
    ['sizes beyond the end', publication('odd', 4, Buffer.concat([Buffer.of(1), Buffer.alloc(8, 255)]))],
    ['text', Buffer.from('{"type":"message","to":"lobby"}')]
  ]
  let count = await metric(nodes[0]!, IGNORED)
  for (const [what, message] of odd) {
    await publish(scene, target!, message)
    count++
    await eventually(async () => await metric(nodes[0]!, IGNORED) === count, what)
    t.pass(what)
  }
  // These are read, as far as they can be.
  for (const head of ['not json', '[]', '{}', '{"kind":"enter"}', '{"kind":"enter","places":["room:lobby"],"member":{"id":"odd-1","record":"{"}}']) {
    const sizes = Buffer.alloc(8)
    sizes.writeUInt32BE(head.length, 0)
    const packet = Buffer.concat([Buffer.of(1), sizes, Buffer.from(head), entry])
    await publish(scene, target!, publication('odd', 5, packet))
  }
  await crowd.exact()
  for (const player of crowd.players) t.strictSame(player.told(), [], 'nobody is told anything')
  t.equal(nodes[0]!.child.exitCode, null, 'the node lives')
})
