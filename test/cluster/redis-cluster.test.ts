import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { eventually } from '../helper.js'
import { run, temporaryFolder, type ServerProcess } from '../process.js'
import { freePort, startRedis } from '../redis.js'
import { Crowd, type Player, type Who } from './crowd.js'
import { RedisCluster } from './redis-cluster.js'
import { nodeIdOf, ready, startNodes } from './nodes.js'

/** Where sessions are written, and messages emitted. */
interface Backend {
  set (key: string, value: string): Promise<unknown>
  publish (channel: string, message: string): Promise<unknown>
}

let tokens = 0

/** A client with a session. */
async function enter (crowd: Crowd, backend: Backend, { url }: ServerProcess, who: Who): Promise<Player> {
  const token = `token${++tokens}`
  await backend.set(`symple:session:${token}`, JSON.stringify(who))
  return await crowd.enter(url, { ...who, token })
}

/** That messages, presence, sessions and emissions go from node to node. */
async function works (t: Test, crowd: Crowd, backend: Backend, nodes: ServerProcess[], what: string): Promise<void> {
  for (const node of nodes) await enter(crowd, backend, node, { user: `user-${what}`, rooms: ['lobby', what] })
  const [a, b] = crowd.players.slice(-nodes.length) as [Player, Player]
  crowd.publish(a, { mood: what })
  crowd.join(b, 'den')
  await crowd.exact()
  a.client.send({ type: 'message', to: what, text: what })
  t.match(await b.client.find('message'), { from: a.address, text: what }, `a message ${what}`)
  await backend.publish('symple:broadcast', JSON.stringify({ type: 'event', name: what, to: ['lobby', a.user] }))
  await eventually(() => crowd.players.every(({ client, rooms }) =>
    !rooms.has('lobby') || client.frames.some(({ name }) => name === what)), `an emission ${what}`)
  await crowd.settle()
  const emissions = crowd.players.map(({ client }) => client.frames.filter(({ name }) => name === what).length)
  t.ok(emissions.every(count => count <= 1), `an emission ${what}, once`)
}

/** Ends a client just when it looks which of its servers has what. */
const ENDING = `
  import { Cluster } from 'ioredis'
  import { endClient } from '${new URL('../../dist/plugins/redis-clients.js', import.meta.url).href}'
  const client = new Cluster([process.argv[1]], { slotsRefreshInterval: 100 })
  client.once('ready', () => {
    const look = client.refreshSlotsCache
    client.refreshSlotsCache = done => {
      look.call(client, done)
      console.log('ended')
      endClient(client)
    }
  })
`

t.test('a Redis Cluster, of which one master after another dies', async t => {
  const cluster = await RedisCluster.start(t)
  const folder = fileURLToPath(new URL('../..', import.meta.url))
  const [server] = cluster.url.slice('redis-cluster://'.length).split(',')
  const ending = run(t, process.execPath, ['--input-type=module', '-e', ENDING, `redis://${server}`], {}, folder)
  t.strictSame(await ending.exited, { code: 0, signal: null }, 'a client that was ended keeps no process alive')
  t.equal(ending.stdout, 'ended\n')
  const { client } = cluster
  const nodes = await startNodes(t, cluster.url, 2, {
    SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_TIMEOUT: '1', SYMPLE_NODE_TTL: '2'
  })
  const crowd = new Crowd(t)
  for (let i = 0; i < 10; i++) {
    for (const node of nodes) await enter(crowd, client, node, { user: `user${i}`, rooms: ['lobby', `room${i}`] })
  }
  await works(t, crowd, client, nodes, 'first')
  const [a, b] = crowd.players as [Player, Player]

  const deaths = {
    'one master': async () => { await cluster.killMasterOf(`symple:inbox:${nodeIdOf(a)}`) },
    'two masters': async () => { await cluster.killAnother() }
  }
  for (const [what, kill] of Object.entries(deaths)) {
    crowd.mark()
    await kill()
    // These two may be lost on their way, and are not forgotten.
    crowd.publish(a, { mood: what })
    crowd.leave(b, 'room0')
    crowd.join(b, 'room1')
    for (const node of nodes) await ready(node)
    await crowd.exact()
    await works(t, crowd, client, nodes, `without ${what}`)
    const gone = crowd.players.flatMap(player => player.told()).filter(({ online }) => !online)
    t.strictSame(gone.filter(({ address }) => ![a.address, b.address].includes(address)), [], 'nobody else goes')
  }
  await nodes[1]!.stop('SIGKILL')
  const gone = nodeIdOf(b)
  crowd.lose(...crowd.players.filter(player => nodeIdOf(player) === gone))
  await crowd.exact()
  await eventually(async () => await client.hexists('symple:nodes', gone) === 0, 'a list without the dead node')
  const left = await Promise.all(client.nodes('master').map(async server => await server.keys(`*${gone}*`)))
  t.strictSame(left.flat().filter(key => !key.includes(':sweep:')), [], 'nothing is left of it')
})

t.test('a master stands still that has the leases of some nodes only: none of them is given up', async t => {
  const cluster = await RedisCluster.start(t, 60_000)
  const nodes = await startNodes(t, cluster.url, 4, { SYMPLE_NODE_TTL: '1' })
  const crowd = new Crowd(t)
  for (const { url } of nodes) await crowd.enter(url, { user: 'user', rooms: ['lobby'] })
  await crowd.exact()
  crowd.mark()
  const leases = crowd.players.map(player => `symple:node:${nodeIdOf(player)}`)
  const held = async (lease: string) => await cluster.client.exists(lease) === 1
  const away = await cluster.masterOf(leases[0]!)
  away.pause()
  const said = (node: ServerProcess) => node.log.filter(({ msg }) => msg.startsWith('nodes that are gone'))
  for (const node of nodes) await node.until(() => said(node).length > 0, 'a word of a master that stays away')
  away.resume()
  for (const node of nodes) {
    await node.until(() => said(node).length > 1, 'the end of it')
    const [begin, end] = said(node)
    t.match(begin, { level: 40, msg: 'nodes that are gone are not noticed', reason: String, since: /^2.*Z$/ })
    t.match(end, { level: 30, msg: 'nodes that are gone are noticed again', seconds: Number })
  }
  for (const lease of leases) {
    await eventually(async () => (await Promise.all(leases.map(held))).every(Boolean), 'all leases')
    const master = await cluster.masterOf(lease)
    const until = Date.now() + 1500
    master.pause()
    await eventually(() => Date.now() >= until, 'the end of its leases')
    master.resume()
    for (const node of nodes) await ready(node)
    await crowd.exact()
  }
  for (const player of crowd.players) t.strictSame(player.told(), [], `${player.address} is told of nobody`)
})

t.test('a master that Sentinels watch dies', async t => {
  const master = await startRedis(t)
  const replica = await startRedis(t, { args: ['--replicaof', '127.0.0.1', String(master.port)] })
  await eventually(async () => /master_link_status:up/.test(await replica.client().info('replication')), 'a replica')
  const folder = temporaryFolder(t)
  const port = await freePort()
  const config = join(folder, 'sentinel.conf')
  writeFileSync(config, [
    `port ${port}`,
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 3000',
    ''
  ].join('\n'))
  const sentinel = run(t, 'redis-server', [config, '--sentinel'], {}, folder)
  await sentinel.until(() => sentinel.stdout.includes('+monitor master'), 'a Sentinel')
  // It learns of the replica from the master, from time to time.
  await sentinel.until(() => sentinel.stdout.includes('+slave slave'), 'a Sentinel that knows the replica')
  const nodes = await startNodes(t, `redis-sentinel://127.0.0.1:${port}/main`, 2, {
    SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_TIMEOUT: '1', SYMPLE_NODE_TTL: '2'
  })
  const crowd = new Crowd(t)
  await works(t, crowd, master.client(), nodes, 'first')
  const [a] = crowd.players
  crowd.mark()
  await master.kill()
  crowd.publish(a!, { mood: 'alone' })
  await sentinel.until(() => sentinel.stdout.includes('+switch-master'), 'a failover')
  for (const node of nodes) await ready(node)
  await crowd.exact()
  t.notOk(crowd.players.flatMap(player => player.told()).some(({ online }) => !online), 'nobody goes')
  await works(t, crowd, replica.client(), nodes, 'second')
})
