import t, { type Test } from 'tap'
import { eventually } from '../helper.js'
import { startRedis } from '../redis.js'
import { Random, seed } from '../seed.js'
import { Crowd, type Player } from './crowd.js'
import { directoryExact, startNodes, vanished } from './nodes.js'

const PEERS = 1000
const ROOMS = 100
const USERS = 400

/** Clients that connect at a time. */
const BATCH = 50

/** Seconds over which commands are counted, and how many of them there may be in one. */
const WINDOW = 3
const MAX_RATE = 100

/** Commands that Redis has done, without those of the test. */
function commandsIn (info: string): number {
  const counts = info.matchAll(/^cmdstat_(?!info|config)\S+:calls=(\d+)/gm)
  return [...counts].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

/** That a message reaches those whom it should, on whichever node, once. */
async function reaches (
  t: Test, crowd: Crowd, sender: Player, to: unknown, expected: readonly Player[]
): Promise<void> {
  const id = `spot-${JSON.stringify(to)}-${sender.address}`
  const heard = () => crowd.players.filter(({ client }) => client.frames.some(frame => frame.id === id))
  sender.client.send({ type: 'message', id, to })
  await eventually(() => heard().length >= expected.length, `a message to ${JSON.stringify(to)}`)
  await crowd.settle()
  const times = crowd.players.flatMap(({ client, address }) =>
    client.frames.filter(frame => frame.id === id).map(() => address))
  t.strictSame(times.sort(), expected.map(({ address }) => address).sort(), `to ${JSON.stringify(to)}: ${expected.length} peers`)
}

t.test('a thousand peers on three nodes', async t => {
  const random = new Random(seed)
  t.comment(`SYMPLE_TEST_SEED=${seed}`)
  const redis = await startRedis(t)
  const client = redis.client()
  const nodes = await startNodes(t, redis.url, 3, { SYMPLE_NODE_TTL: '2' })
  const crowd = new Crowd(t)
  const casts: Player[][] = nodes.map(() => [])
  for (let i = 0; i < PEERS; i += BATCH) {
    await Promise.all(Array.from({ length: BATCH }, async () => {
      const node = random.below(nodes.length)
      const rooms = [...new Set([`room${random.below(ROOMS)}`, `room${random.below(ROOMS)}`])]
      casts[node]!.push(await crowd.enter(nodes[node]!.url, { user: `user${random.below(USERS)}`, rooms }))
    }))
  }
  await crowd.exact()
  await directoryExact(client, crowd)
  t.equal(crowd.players.length, PEERS, 'all see exactly whom they should')

  for (let i = 0; i < 5; i++) {
    const sender = random.pick(crowd.players)
    const seen = crowd.seenBy(sender)
    const rooms = [...sender.rooms]
    const among = (...names: string[]) => seen.filter(({ rooms }) => names.some(name => rooms.has(name)))
    await reaches(t, crowd, sender, null, seen)
    await reaches(t, crowd, sender, rooms[0], among(rooms[0]!))
    await reaches(t, crowd, sender, rooms, among(...rooms))
    if (seen.length === 0) continue
    const one = random.pick(seen)
    await reaches(t, crowd, sender, one.address, [one])
    await reaches(t, crowd, sender, one.user, seen.filter(({ user }) => user === one.user))
  }

  const before = commandsIn(await client.info('commandstats'))
  const began = performance.now()
  await eventually(() => performance.now() - began >= WINDOW * 1000, 'the end of the time')
  const commands = commandsIn(await client.info('commandstats')) - before
  const rate = commands / ((performance.now() - began) / 1000)
  t.ok(rate > 0 && rate < MAX_RATE, `at rest Redis does ${rate.toFixed(1)} commands a second`)

  await nodes[0]!.stop('SIGKILL')
  crowd.lose(...casts[0]!)
  await crowd.exact()
  await vanished(client, casts[0]![0]!.client.peer.id.split('-')[0]!)
  await directoryExact(client, crowd)
  t.pass(`exact again with the ${crowd.players.length} who are left`)
})
