import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { MemoryBackplane } from '../../src/backplane/memory.js'
import { networkOf } from '../../src/core/address.js'
import type { Grant } from '../../src/core/auth.js'
import { SympleError } from '../../src/core/errors.js'
import { Networks } from '../../src/core/networks.js'
import { Pace } from '../../src/core/pace.js'
import { Symple, type SympleOptions } from '../../src/core/symple.js'
import { FakeConnection } from '../fake-connection.js'
import { seed } from '../seed.js'
import { turn } from './service.js'

/** A service without sockets, whose clock and chance are in the test's hand. */
function setUp (limits: SympleOptions['limits'], options: Partial<SympleOptions> = {}) {
  let now = 5000
  const backplane = new MemoryBackplane()
  const symple = new Symple({ now: () => now, random: () => 0.5, backplane, limits: limits!, ...options })
  const open = (host = '192.0.2.1') => {
    const connection = new FakeConnection()
    const session = symple.open(connection, { host })
    return {
      connection,
      session,
      say (message: object) { session.receive(Buffer.from(JSON.stringify(message)), false) },
      /** Its socket is gone. */
      leave () { session.closed(1006) }
    }
  }
  return { symple, open, pass (seconds: number) { now += seconds * 1000 } }
}

const AUTH = { type: 'auth', user: 'alice' }

t.test('counts IPv4 by address, also where it is mapped, and IPv6 by /64', async t => {
  const networks: Record<string, string[]> = {
    '192.0.2.1': ['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:192.0.2.1', '::ffff:192.0.2.1%eth0'],
    '2001:db8:0:0::/64': ['2001:db8::1', '2001:db8::', '2001:0db8:0000:0000:ffff::', '2001:DB8:0:0:1:2:3:4', '2001:db8::1.2.3.4', '2001:db8::1%2'],
    '2001:db8:0:1::/64': ['2001:db8:0:1::1', '2001:db8:0:1:ffff:ffff:ffff:ffff'],
    '0:0:0:0::/64': ['::1', '::', '::1.2.3.4'],
    'fe80:0:0:0::/64': ['fe80::1%eth0'],
    '1:2:3:4::/64': ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7::', '1:2:3:4::'],
    unknown: ['', 'unknown', 'example.com', '1.2.3', '1.2.3.4.5', '01.2.3.4', ':::', 'x'.repeat(10_000), '[::1]', '__proto__']
  }
  for (const [network, hosts] of Object.entries(networks)) {
    for (const host of hosts) t.equal(networkOf(host), network, host.slice(0, 50))
  }
})

t.test('a pace lets a burst pass, refills evenly, and never lets more pass than that', async t => {
  const pace = new Pace(3, 6)
  let due = -Infinity
  for (let i = 0; i < 3; i++) {
    t.equal(pace.wait(due, 100), 0)
    due = pace.take(due, 100)
  }
  t.equal(pace.wait(due, 100), 2000)
  t.equal(pace.wait(due, 2099), 1)
  t.equal(pace.wait(due, 2100), 0)
  t.equal(pace.wait(pace.take(5, 100, 3), 100), 2000, 'three at once')
  t.equal(new Pace(Infinity, 1).wait(new Pace(Infinity, 1).take(5, 5), 5), 0)
  t.equal(new Pace(1, Infinity).wait(1e9, 0), 0)

  const counts = fc.integer({ min: 1, max: 9 })
  const steps = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 50 })
  fc.assert(fc.property(counts, counts, steps, (limit, seconds, pauses) => {
    const pace = new Pace(limit, seconds)
    const passed: number[] = []
    let now = 0
    let due = -Infinity
    for (const pause of pauses) {
      now += pause
      if (pace.wait(due, now) > 0) continue
      due = pace.take(due, now)
      passed.push(now)
    }
    for (const [i, from] of passed.entries()) {
      const inTime = passed.slice(i).filter(at => at - from < seconds * 1000)
      assert.ok(inTime.length < 2 * limit, 'a full bucket, and less than it refills meanwhile')
    }
  }), { seed })
})

t.test('remembers networks as long as that says something, and no more than it has room for', async t => {
  const networks = new Networks(3)
  const fail = (host: string, until: number) => { networks.update(host, 0, network => { network.failed = until }) }
  const connect = (host: string, change: number, now = 0) => {
    networks.update(host, now, network => { network.connections += change })
  }
  for (let i = 0; i < 50; i++) connect(`10.0.0.${i}`, 1)
  t.equal(networks.size, 50, 'all who are there')
  for (let i = 0; i < 50; i++) connect(`10.0.0.${i}`, -1)
  t.equal(networks.size, 0, 'none of whom nothing counts')

  for (const n of [1, 2, 3, 1, 4]) fail(`192.0.2.${n}`, 1000)
  const failures = [1, 2, 3, 4].map(n => networks.find(`192.0.2.${n}`)?.failed)
  t.strictSame(failures, [1000, undefined, 1000, 1000], 'the one seen first is forgotten')
  connect('192.0.2.1', 1)
  for (const n of [5, 6, 7, 8]) fail(`192.0.2.${n}`, 1000)
  t.match(networks.find('192.0.2.1'), { failed: 1000, connections: 1 }, 'not of those who are there')
  t.equal(networks.size, 4)
  connect('192.0.2.1', -1, 2000)
  t.equal(networks.size, 0, 'what is past is swept')
})

t.test('who does not authenticate makes room for those who come later, the oldest first', async t => {
  const { symple, open } = setUp({ maxUnauthenticated: 3 })
  const peer = open()
  peer.say(AUTH)
  const silent = [open(), open(), open()]
  t.strictSame(silent.map(({ connection }) => connection.terminated), [false, false, false], 'a peer does not count')
  const late = open()
  t.strictSame(silent.map(({ connection }) => connection.terminated), [true, false, false])
  t.strictSame(silent[0]!.connection.frames, [
    { type: 'error', status: 503, message: 'Too many connections that do not authenticate', retryAfter: 3.5 }
  ])
  t.equal(silent[0]!.connection.closedWith, 1013)
  late.say(AUTH)
  t.equal(symple.gauges.peers, 2)
  t.equal(symple.stats.limits.unauthenticated, 1)
  t.match(symple.stats.auths, { evicted: 1, unavailable: 0 })

  t.comment('who has said who it is, and waits for the answer, was not silent')
  const slow = setUp({ maxUnauthenticated: 1 }, { authenticator: async () => await new Promise(() => {}) })
  slow.open().say(AUTH)
  slow.open()
  t.match(slow.symple.stats.auths, { evicted: 0, unavailable: 1 })

  t.comment('those who are refused, and hold their connection, count too')
  silent[1]!.say({ type: 'join' })
  t.equal(silent[1]!.connection.closedWith, 4401)
  open()
  t.notOk(silent[1]!.connection.terminated)
  open()
  t.ok(silent[1]!.connection.terminated)
  t.equal(silent[1]!.connection.frames.length, 1, 'and are not told twice')

  t.comment('those who are gone do not')
  silent[2]!.leave()
  open()
  t.equal(symple.stats.limits.unauthenticated, 2)
})

t.test('an honest client is in, however many others come that are not', async t => {
  const { symple, open } = setUp({ maxUnauthenticated: 50, authTimeout: 0 })
  let inside = 0
  for (let i = 0; i < 5000; i++) {
    const { say } = open()
    if (i % 100 > 0) continue
    // So long it takes until its first frame is here.
    for (let n = 0; n < 49; n++) open()
    say({ type: 'auth', user: `user-${i}` })
    t.equal(symple.gauges.peers, ++inside)
  }
})

t.test('limits connections from one network, and those of them that do not authenticate', async t => {
  const { symple, open } = setUp({ ipMaxConnections: 4, ipMaxUnauthenticated: 2 })
  const clients = [open('2001:db8::1'), open('2001:db8::2')]
  t.match(symple.knock('2001:db8::3'), { status: 429, retryAfter: 3.5, message: /do not authenticate/ })
  t.equal(symple.knock('2001:db8:0:1::1'), null, 'another network')
  const early = open('2001:db8::4')
  t.match(early.connection.frames, [{ type: 'error', status: 429 }], 'who came in meanwhile can not stay')
  t.equal(early.connection.closedWith, 4429)
  early.leave()
  for (const { say } of clients) say(AUTH)
  for (let i = 0; i < 2; i++) {
    t.equal(symple.knock('2001:db8::5'), null)
    const client = open('2001:db8::5')
    client.say(AUTH)
    clients.push(client)
  }
  t.match(symple.knock('2001:db8::6'), { status: 429, message: 'Too many connections from this address' })
  clients.pop()!.leave()
  t.equal(symple.knock('2001:db8::6'), null)
  t.strictSame([symple.stats.limits.ip_connections, symple.stats.limits.ip_unauthenticated], [1, 2])
})

t.test('limits how many connections one network opens in a time', async t => {
  const { symple, pass } = setUp({ ipConnectionRate: 2, ipRateSeconds: 10 })
  t.strictSame(['192.0.2.1', '::ffff:192.0.2.1'].map(host => symple.knock(host)), [null, null])
  t.match(symple.knock('192.0.2.1'), { status: 429, retryAfter: 5 })
  t.equal(symple.knock('192.0.2.2'), null)
  pass(4.99)
  t.match(symple.knock('192.0.2.1'), { status: 429, retryAfter: 0.1 })
  pass(0.02)
  t.equal(symple.knock('192.0.2.1'), null, 'refused attempts have not counted')
  t.ok(symple.knock('192.0.2.1') instanceof SympleError)
  t.equal(symple.stats.limits.ip_connection_rate, 3)
})

t.test('limits refused attempts to authenticate from one network', async t => {
  let answer: () => Promise<never> = async () => { throw new SympleError(401, 'Invalid token') }
  const { symple, open, pass } = setUp({ ipAuthFailures: 3, ipRateSeconds: 30 }, {
    authenticator: ({ user, token }) => token === 'good' ? { user, name: undefined, rooms: [], fixed: {} } : answer()
  })
  const attempt = async (token: string, host?: string) => {
    const client = open(host)
    client.say({ ...AUTH, token })
    for (let i = 0; i < 3; i++) await new Promise(resolve => { setImmediate(resolve) })
    return client.connection.frames[0]!
  }
  for (let i = 0; i < 5; i++) t.match(await attempt('good'), { type: 'welcome' }, 'success does not count')
  answer = async () => { throw new Error('down') }
  for (let i = 0; i < 5; i++) t.match(await attempt('bad'), { status: 503, retryAfter: 3.5 }, 'nor does our own failure')
  answer = async () => { throw new SympleError(401, 'Invalid token') }
  for (let i = 0; i < 3; i++) t.match(await attempt('bad'), { status: 401 })
  t.match(await attempt('good'), { status: 429, retryAfter: 10 }, 'not even asked')
  t.match(symple.knock('192.0.2.1'), { status: 429, retryAfter: 10 }, 'nor upgraded')
  t.match(await attempt('bad', '192.0.2.2'), { status: 401 }, 'another network')
  pass(10)
  t.match(await attempt('good'), { type: 'welcome' })
  t.match(await attempt('bad'), { status: 401 })
  t.match(await attempt('bad'), { status: 429 })

  t.comment('all at once are no way round it')
  pass(1000)
  const frames = await Promise.all(Array.from({ length: 20 }, async () => await attempt('bad')))
  t.equal(frames.filter(({ status }) => status === 401).length, 3)
  t.equal(symple.stats.limits.ip_auth_failures, 3 + 17)
})

t.test('has attempts of one network wait while as many are under way as may fail, and blames nobody before it is known', async t => {
  const answers: Array<(good: boolean) => void> = []
  const { symple, open } = setUp({ ipAuthFailures: 3, ipRateSeconds: 1000 }, {
    authenticator: ({ user }) => new Promise((resolve, reject) => {
      answers.push(good => {
        if (good) resolve({ user, name: undefined, rooms: [], fixed: {} })
        else reject(new SympleError(401, 'Invalid token'))
      })
    })
  })
  const answer = async (...good: boolean[]) => {
    for (const one of good) answers.shift()!(one)
    await turn()
  }
  const crowd = Array.from({ length: 10 }, () => open())
  for (const { say } of crowd) say(AUTH)
  const statuses = () => crowd.map(({ connection }) => connection.frames.find(({ type }) => type !== 'presence')?.status ?? 0)
  t.equal(answers.length, 3)
  t.equal(symple.knock('192.0.2.1'), null, 'nobody has failed')
  const other = open('192.0.2.2')
  other.say(AUTH)
  t.equal(answers.length, 4, 'another network does not wait')
  answers.pop()!(true)
  await answer(true, true, true)
  t.strictSame(statuses(), [200, 200, 200, 0, 0, 0, 0, 0, 0, 0])
  crowd[6]!.leave()
  await answer(true, true, false)
  t.strictSame(statuses(), [200, 200, 200, 200, 200, 401, 0, 0, 0, 0])
  t.equal(answers.length, 2, 'one has failed')
  await answer(true, false)
  t.equal(answers.length, 1, 'two have')
  t.equal(symple.knock('192.0.2.1'), null)
  await answer(true)
  t.strictSame(statuses(), [200, 200, 200, 200, 200, 401, 0, 200, 401, 200], 'nobody is refused for others')
  t.equal(answers.length, 0, 'who has left is not asked for')

  t.comment('who waits when one too many fails is refused, too')
  const guesses = Array.from({ length: 3 }, () => open())
  for (const { say } of guesses) say(AUTH)
  t.equal(answers.length, 1)
  await answer(false)
  t.strictSame(guesses.map(({ connection }) => connection.frames[0]!.status), [401, 429, 429])
  t.match(symple.knock('192.0.2.1'), { status: 429 })
  t.equal(symple.stats.limits.ip_auth_failures, 3)
})

t.test('holds nothing against an address whose client left before an answer, unless the answer is that it is refused', async t => {
  const answers: Record<string, () => object> = {
    good: () => ({ user: 'alice', name: undefined, rooms: [], fixed: {} }),
    away: () => { throw new SympleError(503, 'Sessions unavailable') },
    broken: () => { throw new TypeError('broken') },
    bad: () => { throw new SympleError(401, 'Invalid token') }
  }
  const { symple, open } = setUp({ ipAuthFailures: 2, refreshInterval: 0 }, {
    authenticator: async ({ token }) => {
      await new Promise(resolve => { setImmediate(resolve) })
      return answers[token!]!() as Grant
    }
  })
  const failed = () => symple.knock('192.0.2.1') !== null
  for (const [token, refused] of [['good', false], ['away', false], ['broken', false], ['bad', true]] as const) {
    for (let i = 0; i < 3 && !failed(); i++) {
      const { say, leave } = open()
      say({ ...AUTH, token })
      leave()
      await turn()
    }
    t.equal(failed(), refused, token)
  }
  t.match(symple.stats.auths, { abandoned: 11, refused: 0, unavailable: 0, hook_failed: 0 })
})

t.test('holds nothing against an address whose peer left before a fresh token was found good, or could not be checked', async t => {
  const { symple, open } = setUp({ ipAuthFailures: 2, refreshInterval: 0 }, {
    authenticator: async ({ token }) => {
      await new Promise(resolve => { setImmediate(resolve) })
      if (token !== 'good') throw new SympleError(token === 'away' ? 503 : 401, 'No')
      return { user: 'alice', name: undefined, rooms: [], fixed: {} }
    }
  })
  for (const [token, refused] of [['good', false], ['away', false], ['bad', true]] as const) {
    for (let i = 0; i < 2; i++) {
      const { say, leave } = open()
      say({ ...AUTH, token: 'good' })
      await turn()
      say({ ...AUTH, token })
      leave()
      await turn()
    }
    t.equal(symple.knock('192.0.2.1') !== null, refused, token)
  }
})

t.test('limits how many connections all clients open in a second, and spreads who comes back', async t => {
  let chance = 0
  const { symple, pass } = setUp({ acceptRate: 5, ipConnectionRate: 2, ipRateSeconds: 1 }, { random: () => chance })
  for (let i = 0; i < 5; i++) t.equal(symple.knock('192.0.2.1') !== null, i >= 2)
  for (let i = 0; i < 3; i++) t.equal(symple.knock(`192.0.2.${2 + i}`), null, 'who was refused has used up nothing')
  t.match(symple.knock('192.0.2.9'), { status: 503, retryAfter: 1.2 })
  chance = 1
  t.match(symple.knock('192.0.2.9'), { status: 503, retryAfter: 6.2 })
  pass(0.2)
  t.equal(symple.knock('192.0.2.9'), null)
  t.ok(symple.knock('192.0.2.8') instanceof SympleError)
  t.equal(symple.stats.limits.accept_rate, 3)
})

t.test('refuses connections that are too many with a time to come back, and all while it drains', async t => {
  const { symple, open } = setUp({ maxConnections: 1 })
  const { leave } = open()
  const second = open()
  t.match(second.connection.frames, [{ status: 503, message: 'Too many connections', retryAfter: 3.5 }])
  leave()
  const drained = symple.drain(0)
  t.match(symple.knock('192.0.2.1'), { status: 503, message: 'Server shutting down', retryAfter: 3.5 })
  second.leave()
  await drained
})

t.test('warns of a flood, but not for each of those who come with it', async t => {
  const warnings: object[] = []
  const ignore = () => {}
  const log = { debug: ignore, info: ignore, error: ignore, warn: (details: object) => { warnings.push(details) } }
  const { open, pass } = setUp({ maxUnauthenticated: 1 }, { log })
  for (let i = 0; i < 100; i++) open()
  t.strictSame(warnings, [{ limit: 'unauthenticated', host: '192.0.2.1', exceeded: 1 }])
  pass(10)
  open()
  t.match(warnings[1], { exceeded: 100 })
})
