import { Redis } from 'ioredis'
import t from 'tap'
import { Batch } from '../../src/backplane/redis/batch.js'
import { Names } from '../../src/backplane/redis/client.js'
import { Directory } from '../../src/backplane/redis/directory.js'
import { connect, eventually, startServer } from '../helper.js'
import { startRedis } from '../redis.js'
import { TcpProxy } from '../tcp-proxy.js'

const names = new Names('symple')
const member = { id: 'node-1', record: '{}' }

t.test('a member that enters again while what it left is looked for stays', async t => {
  const client = (await startRedis(t)).client()
  const fail = (error: unknown) => { t.error(error) }
  const directory = new Directory('node', names, new Batch(client), fail)
  const own = new Set<string>()
  // As if it had left while Redis was away.
  directory.enter('room:lobby', [member])
  const reading = directory.read('room:lobby', () => own)
  await new Promise(resolve => setImmediate(resolve))
  own.add(member.id)
  directory.enter('room:lobby', [member])
  t.strictSame(await reading, [])
  // Behind all that was sent before.
  t.strictSame(await directory.read('room:lobby', () => own), [])
  t.equal(await client.hget('symple:room:lobby', member.id), member.record)
  t.strictSame(await client.smembers('symple:places:node'), ['room:lobby'])
})

t.test('what was left, and could not be deleted, is not forgotten', async t => {
  const redis = await startRedis(t)
  // As the server's own: what can't be sent fails at once.
  const client = new Redis({
    port: redis.port, enableOfflineQueue: false, maxRetriesPerRequest: 0, retryStrategy: () => 20
  })
  client.on('error', () => {})
  t.teardown(() => { client.disconnect() })
  await eventually(() => client.status === 'ready', 'a connection')
  const failures: unknown[] = []
  const directory = new Directory('node', names, new Batch(client), error => { failures.push(error) })
  directory.enter('room:lobby', [member])
  t.strictSame([...await directory.places()], ['room:lobby'])
  await redis.kill()
  await eventually(() => client.status !== 'ready', 'the end of the connection')
  directory.leave('room:lobby', member.id, true)
  await eventually(() => failures.length === 2, 'both commands to fail')
  await redis.start()
  await eventually(() => client.status === 'ready', 'a connection')
  t.strictSame([...await directory.places()], ['room:lobby'], 'it is to be looked at again')
  t.strictSame(await directory.read('room:lobby', () => new Set()), [])
  t.strictSame([...await directory.places()], [], 'and then no more')
})

t.test('what a peer publishes while it is about to enter a room is known there, too', async t => {
  const redis = await startRedis(t)
  const proxy = await TcpProxy.to(t, redis.port)
  const { url, server } = await startServer(t, { SYMPLE_REDIS_URL: `redis://127.0.0.1:${proxy.port}` })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'], data: { status: 'old' } })
  proxy.delay(() => 300)
  const joined = server.symple.join(alice.peer.id, 'den')
  alice.send({ type: 'presence', data: { status: 'new' } })
  await alice.barrier()
  await joined
  const client = redis.client()
  for (const room of ['lobby', 'den']) {
    await eventually(async () => {
      return (await client.hget(`symple:room:${room}`, alice.peer.id))?.includes('new') === true
    }, `the directory of ${room} has it`)
  }
})
