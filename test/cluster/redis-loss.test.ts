import t, { type Test } from 'tap'
import { eventually } from '../helper.js'
import type { ServerProcess } from '../process.js'
import { startRedis, type RedisServer } from '../redis.js'
import { Crowd, type Player } from './crowd.js'
import { directoryExact, ready, startNodes, unready } from './nodes.js'

interface Scene {
  redis: RedisServer
  nodes: ServerProcess[]
  crowd: Crowd
  /** Those who do nothing, one on each node. */
  still: Player[]
  joiner: Player
  leaver: Player
  publisher: Player
  parting: Player
  /** In a room that they leave, or in which they are told of another's end. */
  hermit: Player
}

/** Three nodes on one Redis, with players all of whom share a room; some of them will do something while it is away. */
async function setScene (t: Test, args: readonly string[] = []): Promise<Scene> {
  const redis = await startRedis(t, { args })
  // A dead connection is found quickly, and a lease lasts longer than any node needs to come back.
  const nodes = await startNodes(t, redis.url, 3, { SYMPLE_REDIS_TIMEOUT: '1', SYMPLE_NODE_TTL: '2' })
  const crowd = new Crowd(t)
  const enter = async (node: number, user: string, ...rooms: string[]) =>
    await crowd.enter(nodes[node]!.url, { user, rooms: ['lobby', ...rooms] })
  const still = [await enter(0, 'still'), await enter(1, 'still'), await enter(2, 'alone')]
  const scene = {
    redis,
    nodes,
    crowd,
    still,
    joiner: await enter(0, 'joiner'),
    leaver: await enter(0, 'leaver', 'corner'),
    publisher: await enter(1, 'publisher'),
    parting: await enter(1, 'parting', 'corner'),
    hermit: await enter(2, 'hermit', 'corner')
  }
  await crowd.exact()
  crowd.mark()
  return scene
}

/** What happens while nodes can't hear each other. */
async function carryOn ({ crowd, nodes, joiner, leaver, publisher, parting }: Scene): Promise<Player> {
  crowd.join(joiner, 'den')
  crowd.leave(leaver, 'corner')
  crowd.leave(leaver, 'lobby')
  crowd.publish(publisher, { mood: 'calm' })
  await crowd.part(parting)
  const newcomer = await crowd.enter(nodes[2]!.url, { user: 'newcomer', rooms: ['lobby', 'den'] })
  await crowd.settle()
  return newcomer
}

/** Has each message from each node reach each other node, within a room, once. */
async function crossTalk (t: Test, { crowd, still }: Scene, text: string): Promise<void> {
  for (const { client } of still) client.send({ type: 'message', to: 'lobby', text })
  const heard = ({ client }: Player) => client.frames.filter(frame => frame['text'] === text).length
  await eventually(() => still.every(player => heard(player) >= still.length - 1), `${text} from each to each`)
  await crowd.settle()
  t.ok(still.every(player => heard(player) === still.length - 1), `${text}: from each to each, once`)
}

/** That those who stayed were not told of each other. */
function undisturbed (t: Test, { still }: Scene): void {
  const addresses = still.map(({ address }) => address)
  const told = still.flatMap(player => player.told().filter(({ address }) => addresses.includes(address)))
  t.strictSame(told, [], 'those who stayed hear nothing of each other')
}

/** That messages go from peer to peer on one node. */
async function talkWithin (t: Test, { nodes, crowd }: Scene, text: string): Promise<void> {
  const [a, b] = [await crowd.enter(nodes[0]!.url, { user: 'local' }), await crowd.enter(nodes[0]!.url, { user: 'local' })]
  a.client.send({ type: 'message', to: 'local', text })
  t.match(await b.client.find('message'), { text }, `${text} within a node`)
  await crowd.part(a, b)
}

t.test('Redis dies and comes back with nothing in it: all is as it should be, and nobody flickers', async t => {
  const scene = await setScene(t)
  const { redis, nodes, crowd } = scene
  await redis.kill()
  for (const node of nodes) await unready(node)
  await talkWithin(t, scene, 'while Redis is away')
  await carryOn(scene)
  await redis.start()
  for (const node of nodes) await ready(node)
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  await crossTalk(t, scene, 'after it')
  undisturbed(t, scene)
})

t.test('Redis comes back with what it held before: nobody who left meanwhile is shown again', async t => {
  const scene = await setScene(t, ['--appendonly', 'yes'])
  const { redis, nodes, crowd, leaver, parting } = scene
  await redis.stop()
  for (const node of nodes) await unready(node)
  await carryOn(scene)
  await redis.start()
  for (const node of nodes) await ready(node)
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  await crossTalk(t, scene, 'after it')
  undisturbed(t, scene)
  const gone = [leaver.address, parting.address]
  for (const player of [...scene.still, scene.hermit]) {
    const told = player.told().filter(({ address }) => gone.includes(address))
    t.strictSame(told.map(({ address }) => address).sort(), gone.filter(address => address !== player.address).sort())
    t.notOk(told.some(({ online }) => online), `${player.address} is told once that they have left`)
  }
})

t.test('Redis comes back as it was long ago: who had left before is not shown again', async t => {
  const scene = await setScene(t, ['--appendonly', 'no', '--dbfilename', 'old.rdb'])
  const { redis, nodes, crowd, parting, leaver } = scene
  await redis.client().save()
  await crowd.part(parting)
  crowd.leave(leaver, 'lobby')
  crowd.leave(leaver, 'corner')
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  crowd.mark()
  await redis.kill()
  for (const node of nodes) await unready(node)
  await redis.start()
  for (const node of nodes) await ready(node)
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  await crossTalk(t, scene, 'after it')
  for (const player of crowd.players) t.strictSame(player.told(), [], `${player.address} is told of nobody`)
})

t.test('a node dies while Redis is away: its peers go offline when Redis is back', async t => {
  const scene = await setScene(t, ['--appendonly', 'yes'])
  const { redis, nodes, crowd, publisher, parting, still } = scene
  await redis.stop()
  for (const node of nodes) await unready(node)
  await nodes[1]!.stop('SIGKILL')
  const lost = [still[1]!, publisher, parting]
  crowd.lose(...lost)
  await redis.start()
  for (const node of [nodes[0]!, nodes[2]!]) await ready(node)
  await crowd.exact()
  await directoryExact(redis.client(), crowd)
  for (const player of crowd.players) {
    t.strictSame(player.told().filter(({ online }) => online), [], `${player.address} is told of nobody who comes`)
  }
})
