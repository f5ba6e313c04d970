import t, { type Test } from 'tap'
import type { SessionStore } from '../../src/core/auth.js'
import { silent } from '../../src/core/logger.js'
import { SessionKeeper, type SessionKeeperOptions } from '../../src/core/session-keeper.js'

/** Keeps sessions as names, and what it was asked, in short. */
class FakeStore implements SessionStore {
  readonly sessions: Set<string>
  readonly asked: string[] = []
  /** Is awaited before each answer. */
  answer: () => Promise<void> = async () => {}

  constructor (...tokens: string[]) {
    this.sessions = new Set(tokens)
  }

  async load (): Promise<string | null> {
    throw new Error('not the business of a keeper')
  }

  async renew (tokens: readonly string[], seconds: number): Promise<string[]> {
    this.asked.push(`renew ${tokens.join()} for ${seconds}`)
    return await this.missingOf(tokens)
  }

  async missing (tokens: readonly string[]): Promise<string[]> {
    this.asked.push(`missing ${tokens.join()}`)
    return await this.missingOf(tokens)
  }

  async missingOf (tokens: readonly string[]): Promise<string[]> {
    await this.answer()
    return tokens.filter(token => !this.sessions.has(token))
  }
}

function setUp (store: FakeStore, options: Partial<SessionKeeperOptions> = {}) {
  let now = 1000
  const live = new Set(store.sessions)
  const revoked: string[] = []
  const keeper = new SessionKeeper({
    store,
    tokens: () => [...live],
    revoke: token => {
      revoked.push(token)
      live.delete(token)
    },
    interval: 30,
    ttl: -1,
    log: silent,
    now: () => now,
    ...options
  })
  return { keeper, live, revoked, pass: (seconds: number) => { now += seconds * 1000 } }
}

/** The milliseconds of the timers that keepers set while it runs. */
function timersOf (t: Test, start: () => SessionKeeper): number[] {
  const calls = t.capture(globalThis, 'setInterval', globalThis.setInterval)
  const keeper = start()
  keeper.start()
  keeper.stop()
  calls.restore()
  return calls().map(({ args }) => args[1] as number)
}

t.test('ends connections whose session has gone, and no others', async t => {
  const store = new FakeStore('a', 'b', 'c')
  const { keeper, revoked } = setUp(store)
  await keeper.check()
  t.strictSame(revoked, [])
  store.sessions.delete('b')
  await keeper.check()
  t.strictSame(revoked, ['b'])
  await keeper.check()
  t.strictSame(revoked, ['b'])
  t.strictSame(store.asked, ['missing a,b,c', 'missing a,b,c', 'missing a,c'])
})

t.test('asks nothing where there is nobody', async t => {
  const store = new FakeStore()
  const { keeper } = setUp(store, { ttl: 60 })
  await keeper.check()
  t.strictSame(store.asked, [])
})

t.test('renews sessions before they run out, and looks in between', async t => {
  const store = new FakeStore('a', 'b')
  const { keeper, revoked, pass } = setUp(store, { ttl: 60, interval: 10 })
  for (let i = 0; i < 5; i++) {
    pass(10)
    await keeper.check()
  }
  t.strictSame(store.asked, ['missing a,b', 'renew a,b for 60', 'missing a,b', 'renew a,b for 60', 'missing a,b'])
  store.sessions.delete('a')
  pass(10)
  await keeper.check()
  t.equal(store.asked.at(-1), 'renew a,b for 60')
  t.strictSame(revoked, ['a'], 'what can\'t be renewed has gone')
})

t.test('renews at the next look what could not be renewed', async t => {
  const store = new FakeStore('a')
  const { keeper, revoked, pass } = setUp(store, { ttl: 60, interval: 10 })
  store.answer = async () => { throw new Error('away') }
  pass(20)
  await keeper.check()
  pass(10)
  store.answer = async () => {}
  await keeper.check()
  t.strictSame(store.asked, ['renew a for 60', 'renew a for 60'])
  t.strictSame(revoked, [])
})

t.test('sends nobody away while the store can\'t be reached', async t => {
  const store = new FakeStore('a', 'b')
  const { keeper, revoked } = setUp(store)
  store.sessions.clear()
  store.answer = async () => { throw new Error('away') }
  await keeper.check()
  t.strictSame(revoked, [])
  store.answer = async () => {}
  await keeper.check()
  t.strictSame(revoked, ['a', 'b'])
})

t.test('does not look again while it waits for an answer', async t => {
  const store = new FakeStore('a')
  const { keeper } = setUp(store)
  let answer: () => void = () => {}
  store.answer = async () => { await new Promise<void>(resolve => { answer = resolve }) }
  const first = keeper.check()
  await keeper.check()
  await keeper.check()
  t.equal(store.asked.length, 1)
  answer()
  await first
  store.answer = async () => {}
  await keeper.check()
  t.equal(store.asked.length, 2)
})

t.test('leaves connections that outlast their sessions alone, and renews these all the same', async t => {
  const store = new FakeStore('a', 'b')
  const { keeper, revoked, pass } = setUp(store, { interval: Infinity, ttl: 60 })
  store.sessions.delete('a')
  pass(20)
  await keeper.check()
  t.strictSame(store.asked, ['renew a,b for 60'])
  t.strictSame(revoked, [])
})

t.test('looks often enough, and not for nothing', async t => {
  const timer = (interval: number, ttl: number) => timersOf(t, () => setUp(new FakeStore(), { interval, ttl }).keeper)
  t.strictSame(timer(30, -1), [30_000])
  t.strictSame(timer(30, 0), [30_000])
  t.strictSame(timer(30, 60), [20_000], 'a third of the time that sessions live')
  t.strictSame(timer(30, 6000), [30_000])
  t.strictSame(timer(Infinity, 60), [20_000])
  t.strictSame(timer(Infinity, -1), [], 'there is nothing to do')
  t.strictSame(timer(Infinity, 1e9), [2 ** 31 - 1], 'as long as a timer can wait')
})
