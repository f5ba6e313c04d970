import t, { type Test } from 'tap'
import { connect, eventually, open, startServer, TestClient, type TestServer } from './helper.js'
import { hmac, tokenOf } from './issuer.js'
import { openRaw } from './raw.js'
import { moved, scrape } from './scrape.js'

/** Labels and all values that they may have: none that a client can choose. */
const LABELS: Record<string, RegExp> = {
  type: /^(auth|message|command|event|presence|join|leave|close|unknown|invalid)$/,
  outcome: /^(ok|refused|malformed|timeout|evicted|unavailable|hook_failed|abandoned|sent|lost|received|ignored)$/,
  reason: /^[a-z_]+$/,
  limit: /^[a-z_]+$/,
  code: /^([12]\d{3}|44\d\d|other)$/,
  le: /^([\d.e+-]+|\+Inf)$/
}

const exceeded = (limit: string) => `symple_limits_exceeded_total{limit="${limit}"}`

/** Checks that a step exceeds a limit, as often as is said. */
async function exceeds (t: Test, { origin }: TestServer, limit: string, step: () => Promise<unknown>): Promise<void> {
  const before = await scrape(origin)
  await step()
  const changes = moved(before, await scrape(origin))
  const limits = Object.entries(changes).filter(([name]) => name.startsWith('symple_limits_exceeded_total'))
  t.strictSame(Object.fromEntries(limits), { [exceeded(limit)]: 1 })
}

t.test('each limit counts when it is crossed', async t => {
  t.test('connections', async t => {
    const server = await startServer(t, { SYMPLE_MAX_CONNECTIONS: '1' })
    t.equal((await scrape(server.origin)).samples.get('symple_max_connections'), 1)
    await open(t, server.url)
    await exceeds(t, server, 'connections', async () => await (await open(t, server.url)).closed)
  })

  t.test('message_size', async t => {
    const server = await startServer(t)
    const client = await connect(t, server.url, { user: 'alice' })
    await exceeds(t, server, 'message_size', async () => {
      client.send('x'.repeat(70_000))
      await client.closed
    })
  })

  t.test('message_size, where the WebSocket library ends it', async t => {
    const server = await startServer(t)
    const client = await connect(t, server.url, { user: 'alice' })
    const before = await scrape(server.origin)
    await exceeds(t, server, 'message_size', async () => {
      client.send('x'.repeat(200_000))
      t.equal((await client.closed).code, 1009)
      await eventually(() => server.server.symple.gauges.connections === 0, 'the server knows')
    })
    const changes = moved(before, await scrape(server.origin))
    t.equal(changes['symple_connections_closed_total{code="1009"}'], 1)
  })

  t.test('rate', async t => {
    const server = await startServer(t, { SYMPLE_RATE_LIMIT: '2', SYMPLE_RATE_SECONDS: '1000' })
    const client = await connect(t, server.url, { user: 'alice' })
    const before = await scrape(server.origin)
    await exceeds(t, server, 'rate', async () => {
      for (let i = 0; i < 3; i++) client.send({ type: 'message', to: 'nobody' })
      await client.find(({ status }) => status === 429)
    })
    const { samples } = await scrape(server.origin)
    t.equal(samples.get('symple_messages_dropped_total{reason="rate_limited"}'), 1)
    t.equal(before.samples.get('symple_messages_dropped_total{reason="rate_limited"}'), 0)
  })

  t.test('origin', async t => {
    const server = await startServer(t, { SYMPLE_ALLOWED_ORIGINS: 'https://good.example' })
    await exceeds(t, server, 'origin', async () => {
      await t.rejects(new TestClient(server.url, { origin: 'https://evil.example' }).opened())
    })
  })

  t.test('rooms_per_peer', async t => {
    const server = await startServer(t, { SYMPLE_MAX_ROOMS_PER_PEER: '1' })
    const client = await connect(t, server.url, { user: 'alice', rooms: ['a'] })
    await exceeds(t, server, 'rooms_per_peer', async () => {
      client.send({ type: 'join', room: 'b' })
      await client.find('error')
    })
  })

  t.test('data_size', async t => {
    const server = await startServer(t, { SYMPLE_MAX_DATA_SIZE: '10' })
    const client = await connect(t, server.url, { user: 'alice' })
    await exceeds(t, server, 'data_size', async () => {
      client.send({ type: 'presence', data: { text: 'more than ten bytes' } })
      await client.find('error')
    })
  })

  t.test('probe', async t => {
    const server = await startServer(t, { SYMPLE_PROBE_LIMIT: '1' })
    const clients = await Promise.all(['a', 'b', 'c'].map(user => connect(t, server.url, { user, rooms: ['lobby'] })))
    await exceeds(t, server, 'probe', async () => {
      clients[0]!.send({ type: 'presence', probe: true })
      await clients[0]!.barrier()
    })
  })

  t.test('ping', async t => {
    const server = await startServer(t, { SYMPLE_PING_INTERVAL: '0.1', SYMPLE_PING_TIMEOUT: '0.1' })
    await exceeds(t, server, 'ping', async () => {
      const mute = await openRaw(t, server.port)
      await mute.authenticate({ user: 'mute' })
      await mute.gone
    })
    const { samples } = await scrape(server.origin)
    t.equal(samples.get('symple_connections_closed_total{code="1006"}'), 1)
  })

  t.test('refresh', async t => {
    const secret = 's'.repeat(32)
    const server = await startServer(t, {
      SYMPLE_AUTHENTICATION: 'true', SYMPLE_JWT_SECRET: secret, SYMPLE_REFRESH_INTERVAL: '1000'
    })
    const token = tokenOf({ alg: 'HS256' }, { sub: 'alice' }, hmac(secret))
    const alice = await connect(t, server.url, { token })
    await exceeds(t, server, 'refresh', async () => {
      for (let i = 0; i < 2; i++) alice.send({ type: 'auth', token })
      await alice.barrier()
    })
  })

  t.test('buffered', async t => {
    const server = await startServer(t, { SYMPLE_RATE_LIMIT: '0', SYMPLE_MAX_BUFFERED: '100000' })
    const slow = await openRaw(t, server.port)
    await slow.authenticate({ user: 'slow', rooms: ['lobby'] })
    slow.socket.pause()
    const alice = await connect(t, server.url, { user: 'alice', rooms: ['lobby'] })
    await exceeds(t, server, 'buffered', async () => {
      await eventually(async () => {
        for (let i = 0; i < 20; i++) alice.send({ type: 'message', data: 'x'.repeat(60_000) })
        await alice.barrier()
        return server.server.symple.stats.limits.buffered > 0
      }, 'the slow client is cut')
    })
  })
})

t.test('names, types, help texts and labels follow the conventions of Prometheus', async t => {
  const { url, origin } = await startServer(t)
  const alice = await connect(t, url, { user: 'user-secret', name: 'name-secret', rooms: ['room-secret'] })
  alice.send({ type: 'message', to: 'to-secret', data: 'data-secret' })
  alice.send({ type: 'type-secret' })
  alice.send({ type: 'join', room: 'join-secret' })
  await alice.barrier()
  const { text, samples, types, helps } = await scrape(origin)
  t.notMatch(text, 'secret', 'nothing that clients send')
  t.notMatch(text, alice.peer.id)

  const families = [...types.keys()].filter(name => name.startsWith('symple_'))
  t.ok(families.length >= 17)
  for (const name of families) {
    t.match(name, /^symple_[a-z]+(_[a-z]+)*$/)
    t.equal(types.get(name) === 'counter', name.endsWith('_total'), `${name}: counters, and they alone, end in _total`)
    t.notMatch(name, /_(ms|millis|milliseconds|micro|microseconds|minutes|kb|mb|kilobytes|megabytes|percent|count|info)(_|$)/)
    t.match(helps.get(name), /^[A-Z1].+\.$/, `${name} has a help text`)
  }
  for (const [key, value] of samples) {
    const [, name = '', labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(key) ?? []
    if (!name.startsWith('symple_')) continue
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')
    t.ok(types.has(family) && helps.has(family), `${name} has a type and a help text`)
    t.ok(value >= 0)
    for (const [, label = '', content = ''] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      t.match(content, LABELS[label] ?? /there is no such label/, key)
    }
  }
  for (const name of families.filter(family => types.get(family) === 'histogram')) {
    const buckets = [...samples].filter(([key]) => key.startsWith(`${name}_bucket`)).map(([, value]) => value)
    t.strictSame(buckets, buckets.toSorted((a, b) => a - b), 'buckets are cumulative')
    t.equal(buckets.at(-1), samples.get(`${name}_count`))
  }
})

t.test('all label values are there from the start, so that rates of them work', async t => {
  const { origin } = await startServer(t)
  const { samples } = await scrape(origin)
  const counts = { messages_received: 10, authentications: 6, messages_dropped: 6, limits_exceeded: 10 }
  for (const [name, least] of Object.entries(counts)) {
    const series = [...samples.keys()].filter(key => key.startsWith(`symple_${name}_total{`))
    t.ok(series.length >= least, `${name}: ${series.length}`)
  }
})

t.test('the process itself: processor, memory, delay of the event loop', async t => {
  const { origin } = await startServer(t)
  const { samples } = await scrape(origin)
  const names = ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_open_fds',
    'nodejs_eventloop_lag_seconds', 'nodejs_eventloop_lag_p99_seconds', 'nodejs_heap_size_used_bytes']
  for (const name of names) t.ok(samples.has(name), name)
})
