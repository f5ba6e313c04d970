import t from 'tap'
import { KEPT, MemoryAnswers, PENDING, type AnswerStore } from '../../src/backplane/answers.js'
import { RedisAnswers } from '../../src/backplane/redis/answers.js'
import { Names } from '../../src/backplane/redis/client.js'
import { SympleError } from '../../src/core/errors.js'
import { ready, unready } from '../cluster/nodes.js'
import { connect, eventually, settle, startServer } from '../helper.js'
import { startRedis } from '../redis.js'
import { callerOf, KEY, problemOf, STAGES, twoNodes } from './caller.js'

const once = (key: string) => ({ 'idempotency-key': key })

for (const [where, setStage] of Object.entries(STAGES)) {
  t.test(`asked on ${where}`, async t => {
    const { call, there, url, redis } = await setStage(t)
    const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
    const message = { type: 'message', to: 'alice', data: 'once' }
    /** What has come since the last look. */
    const got = async () => {
      await call('POST /api/messages', { body: { type: 'message', to: 'alice', data: 'end' } })
      const data: unknown[] = []
      do data.push((await alice.find('message')).data)
      while (data.at(-1) !== 'end')
      return data.slice(0, -1)
    }
    await eventually(async () => JSON.stringify((await call('GET /api/users/alice/peers')).body).includes(alice.peer.id), 'alice')

    t.test('what comes again is not done again, and gets the same answer, on any node', async t => {
      const first = await call('POST /api/messages', { body: message, headers: once('again') })
      t.equal(first.headers.get('idempotent-replayed'), null)
      for (const same of [call, there, call]) {
        // Spaces are not what is asked.
        const again = await same('POST /api/messages', { body: JSON.stringify(message, null, 2), headers: once('again') })
        t.equal(again.status, 202)
        t.equal(again.text, first.text)
        t.equal(again.headers.get('content-type'), first.headers.get('content-type'))
        t.equal(again.headers.get('idempotent-replayed'), 'true')
      }
      t.strictSame(await got(), ['once'])
      await call('POST /api/messages', { body: message, headers: once('another') })
      t.strictSame(await got(), ['once'])
    })

    t.test('another request under the same key is refused', async t => {
      problemOf(t, await there('POST /api/messages', { body: { ...message, data: 'other' }, headers: once('again') }), 422)
      problemOf(t, await there('POST /api/users/bob/disconnect', { body: { reason: 'x' }, headers: once('again') }), 422)
      t.strictSame(await got(), [])
    })

    t.test('many at once are done once', async t => {
      const requests = Array.from({ length: 20 }, async (_, i) =>
        await (i % 2 === 0 ? call : there)('POST /api/messages', { body: message, headers: once('at-once') }))
      const answers = await Promise.all(requests)
      const fresh = answers.filter(({ status, headers }) => status === 202 && headers.get('idempotent-replayed') === null)
      t.equal(fresh.length, 1)
      for (const answer of answers.filter(({ status }) => status !== 202)) {
        problemOf(t, answer, 409)
        t.equal(answer.headers.get('retry-after'), '1')
      }
      t.strictSame(await got(), ['once'])
    })

    t.test('what was refused has used up no key', async t => {
      problemOf(t, await call('POST /api/messages', { body: { ...message, to: 5 }, headers: once('refused') }), 400)
      problemOf(t, await call('POST /api/messages', { body: message, headers: once('refused'), key: 'x' }), 401)
      t.equal((await there('POST /api/messages', { body: message, headers: once('refused') })).status, 202)
      t.strictSame(await got(), ['once'])
    })

    t.test('who has come back is left alone', async t => {
      const before = await connect(t, url, { user: 'carol' })
      const disconnect = async () => await call('POST /api/users/carol/disconnect', { headers: once('carol') })
      t.strictSame((await disconnect()).body, { disconnected: 1 })
      await before.closed
      const after = await connect(t, url, { user: 'carol' })
      t.strictSame((await disconnect()).body, { disconnected: 1 })
      await settle(after)
      t.equal(after.ws.readyState, after.ws.OPEN)
    })

    t.test('keys are bounded', async t => {
      t.equal((await call('POST /api/messages', { body: message, headers: once('k'.repeat(255)) })).status, 202)
      for (const key of ['k'.repeat(256), 'two words', 'é']) {
        const { errors } = problemOf(t, await call('POST /api/messages', { body: message, headers: once(key) }), 400)
        t.equal(errors?.[0]?.field, 'idempotency-key')
      }
      // Where one would do nothing, it is not looked at.
      t.equal((await call('GET /api/nodes', { headers: once('again') })).status, 200)
    })

    if (redis === null) return
    t.test('what is kept tells nothing', async t => {
      const client = redis.client()
      const names = await client.keys('symple:answer:*')
      t.ok(names.length >= 5)
      for (const name of names) {
        const ttl = await client.pttl(name)
        t.ok(ttl > 0 && ttl <= KEPT * 1000)
        t.notMatch(name + await client.get(name), /again|carol|once/)
      }
    })
  })
}

t.test('while Redis is away', async t => {
  const { call, there, url, nodes, redis } = await twoNodes(t, { SYMPLE_REDIS_TIMEOUT: '1' })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  const batch = ['one', 'two'].map(data => ({ type: 'message', to: 'alice', data }))
  await redis!.stop()
  await Promise.all(nodes.map(unready))

  const requests = ['GET /api/rooms', 'GET /api/peers', 'GET /api/nodes', 'GET /api/users/alice/peers', `GET /api/peers/${alice.peer.id}`]
  for (const request of requests) {
    const answer = await call(request)
    problemOf(t, answer, 503)
    t.equal(answer.headers.get('retry-after'), '2', request)
  }
  problemOf(t, await call('POST /api/messages', { body: batch[0] }), 503)
  const { errors } = problemOf(t, await call('POST /api/messages', { body: batch }), 503)
  t.strictSame(errors?.map(({ index }) => index), [0, 1])
  problemOf(t, await call('POST /api/messages', { body: batch, headers: once('later') }), 503)
  problemOf(t, await call('POST /api/users/alice/disconnect'), 503)
  // The node of a peer needs nobody else.
  t.equal((await there(`GET /api/peers/${alice.peer.id}`)).status, 200)
  t.equal((await there(`PUT /api/peers/${alice.peer.id}/rooms/vip`)).status, 204)
  t.equal((await there(`DELETE /api/peers/${alice.peer.id}/rooms/vip`)).status, 204)

  await redis!.start()
  // A node that is not back yet does not hear what the other sends.
  await Promise.all(nodes.map(ready))
  const later = async () => await call('POST /api/messages', { body: batch, headers: once('later') })
  t.equal((await later()).status, 202)
  t.equal((await later()).headers.get('idempotent-replayed'), 'true')
  await alice.find(({ data }) => data === 'two')
  await settle(alice)
  t.strictSame(alice.frames.filter(({ type }) => type === 'message').map(({ data }) => data), ['one', 'two'])
})

t.test('a batch that was sent in part is not sent again', async t => {
  const { server, url, origin } = await startServer(t, { SYMPLE_API_KEY: KEY })
  const call = callerOf(origin)
  const alice = await connect(t, url, { user: 'alice' })
  const { symple } = server
  const { send } = symple
  symple.send = async (to, message) => {
    if (to === 'nobody') throw new SympleError(503, 'Redis can not be reached')
    await send.call(symple, to, message)
  }
  const body = ['alice', 'nobody', 'alice'].map((to, data) => ({ type: 'message', to, data }))
  for (const again of [null, 'true']) {
    const answer = await call('POST /api/messages', { body, headers: once('part') })
    t.strictSame(problemOf(t, answer, 503).errors?.map(({ index }) => index), [1])
    t.equal(answer.headers.get('idempotent-replayed'), again)
  }
  await settle(alice)
  t.strictSame(alice.frames.filter(({ type }) => type === 'message').map(({ data }) => data), [0, 2])
})

t.test('stores', async t => {
  const redis = await startRedis(t)
  const client = redis.client()
  let now = 0
  const stores: Record<string, { store: AnswerStore, pass: (seconds: number) => Promise<void> }> = {
    memory: { store: new MemoryAnswers(() => now), pass: async seconds => { now += seconds * 1000 } },
    Redis: {
      store: new RedisAnswers(client, new Names('x')),
      // Redis has a clock of its own: what is there is brought nearer to its end.
      pass: async seconds => {
        for (const key of await client.keys('x:*')) await client.pexpire(key, await client.pttl(key) - seconds * 1000)
      }
    }
  }
  await client.ping()
  for (const [name, { store, pass }] of Object.entries(stores)) {
    t.test(name, async t => {
      t.equal(await store.claim('a', '1'), null)
      t.equal(await store.claim('a', '2'), '1')
      t.equal(await store.claim('b', '3'), null)
      await store.keep('a', '4')
      t.equal(await store.claim('a', '5'), '4')
      await store.release('b')
      t.equal(await store.claim('b', '6'), null)
      await pass(PENDING + 1)
      t.equal(await store.claim('b', '7'), null, 'who never answered is given up')
      t.equal(await store.claim('a', '8'), '4')
      await pass(KEPT - PENDING)
      t.equal(await store.claim('a', '9'), null)
    })
  }

  t.test('memory is bounded', async t => {
    const store = new MemoryAnswers()
    for (let i = 0; i <= 10_000; i++) await store.claim(String(i), 'x')
    t.equal(await store.claim('1', 'y'), 'x')
    t.equal(await store.claim('0', 'y'), null, 'the oldest has gone')
  })
})
