import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Entry } from '../../src/core/envelope.js'
import { silent } from '../../src/core/logger.js'
import type { Recipients } from '../../src/core/protocol.js'
import type { FakeConnection } from '../fake-connection.js'
import { seed } from '../seed.js'
import { remote, setUp as setUpNode, turn } from './scripted-node.js'

/** A peer of the other node. */
const eve = remote('eve', 'eve')

const enter = (...places: string[]): Entry => ({ kind: 'enter', places, member: eve })
const exit = (...places: string[]): Entry => ({ kind: 'exit', places, id: eve.id })

/** A numbered message of hers. */
function message (n: number, to: Recipients, more: object = {}): Entry {
  const payload = Buffer.from(JSON.stringify({ type: 'message', n, to, ...more }))
  return { kind: 'route', from: eve.id, to, payload }
}

/** What Bob, who is `node-2`, was told: numbers of messages, `+` and `-` of presence, and the types of all else. */
function story ({ connection: { frames } }: { connection: FakeConnection }): unknown[] {
  return frames.map(({ type, n, data }) => type === 'presence' ? (data as { online: boolean }).online ? '+' : '-' : n ?? type)
}

/** A node that is slow to find out who is in `slow`, with Alice, who is `node-1`, in `den`. */
async function setUp (options: Parameters<typeof setUpNode>[0] = {}) {
  const node = await setUpNode(options)
  const alice = await node.enter('alice', 'den')
  node.backplane.slow.add('room:slow')
  return { ...node, alice }
}

/** The same with Bob. */
async function withBob (rooms: readonly string[], options?: Parameters<typeof setUpNode>[0]) {
  const node = await setUp(options)
  return { ...node, bob: await node.enter('bob', ...rooms) }
}

/** Has him ask to join `slow`, of which others are told. */
async function join (bob: { send: (message: object) => void }): Promise<void> {
  bob.send({ type: 'join', room: 'slow' })
  await turn()
}

t.test('what comes for a peer before it is in its rooms comes behind its snapshot, in order and once', async t => {
  const { enter: arrive, say, found, alice } = await setUp()
  await say(enter('room:den'))
  const bob = await arrive('bob', 'den', 'slow')
  await say(message(1, 'node-2'), message(2, 'den'), message(3, 'nobody'), message(4, ['slow', 'den']), message(5, null))
  await say(message(6, 'alice'), message(7, 'bob'), message(8, 'bob|node-2'), message(9, 'slow'), message(10, ['slow']))
  t.strictSame(story(bob), [], 'nothing comes before the welcome')
  await found('room:slow')
  t.strictSame(story(bob), ['welcome', '+', '+', 1, 2, 4, 5, 7, 8])
  t.strictSame(story(alice), ['welcome', '+', 2, 4, 5, 6, '+'], 'once for others, and at once')
})

t.test('a joiner gets what goes to the room behind what the same sender said before', async t => {
  const { say, found, bob } = await withBob(['den'])
  await join(bob)
  await say(enter('room:den', 'room:slow'))
  const before = story(bob)
  await say(message(1, ['slow']), message(2, 'node-2'), message(3, 'slow'), message(4, ['den']), message(5, null))
  await found('room:slow')
  await say(message(6, ['slow']), message(7, 'bob'))
  t.strictSame(story(bob).slice(before.length).filter(one => typeof one === 'number'), [1, 2, 3, 4, 5, 6, 7])
})

t.test('a joiner gets nothing of whom it does not see, and all of it before what comes when it does', async t => {
  const { say, found, bob } = await withBob(['den'])
  await join(bob)
  const before = story(bob).length
  await say(enter('room:slow'), message(1, ['slow']), message(2, 'node-2'))
  t.equal(story(bob).length, before)
  await say(enter('room:den'), message(3, ['den']), message(4, ['slow']))
  const payload = Buffer.from(JSON.stringify({ type: 'presence', n: 5, data: { online: true }, published: true }))
  await say({ kind: 'publish', member: remote('eve', 'eve', 1), payload })
  await found('room:slow')
  const told = bob.connection.frames.slice(before).map(({ type, n }) => n ?? type)
  t.strictSame(told, ['presence', 1, 2, 3, 4, 5, 'join:ok'])
})

t.test('what is kept comes as soon as the joiner sees its sender, by whatever room', async t => {
  const moved = remote('eve', 'eve', 1, 1)
  const ways: Record<string, Entry> = {
    enter: enter('room:den'),
    move: { kind: 'move', places: ['room:den', 'room:slow'], member: moved },
    list: { kind: 'list', place: 'room:den', members: [eve] }
  }
  for (const [way, entry] of Object.entries(ways)) {
    const { say, found, bob } = await withBob(['den'])
    await join(bob)
    const before = story(bob).length
    await say(enter('room:slow'), message(1, ['slow']))
    await say(entry)
    t.strictSame(story(bob).slice(before), ['+', 1], way)
    await say({ kind: 'exit', places: null, id: eve.id })
    await found('room:slow')
    t.strictSame(story(bob).slice(before), ['+', 1, '-', 'join:ok'], way)
  }
})

t.test('a joiner gets at once what is for the room, of whom it sees', async t => {
  const { say, bob } = await withBob(['den'])
  await join(bob)
  await say(enter('room:den', 'room:slow'), message(1, ['slow']))
  t.equal(story(bob).at(-1), 1)
})

t.test('what has the form of an id is one, whatever else has that name', async t => {
  const id = `0123456789-${'0'.repeat(22)}`
  const node = await setUp()
  node.backplane.slow.add(`room:${id}`)
  const bob = await node.enter('bob', id)
  await node.say(enter(`room:${id}`), message(1, id), message(2, [id]))
  await node.found(`room:${id}`)
  t.strictSame(story(bob), ['welcome', '+', 2])
})

t.test('what a joiner has got fills nothing any more', async t => {
  const { say, found, bob } = await withBob(['den'], { limits: { maxBuffered: 3000 } })
  await join(bob)
  const pad = 'x'.repeat(2000)
  await say(enter('room:slow'), message(1, ['slow'], { pad }), enter('room:den'), exit('room:den'), message(2, ['slow'], { pad }))
  await found('room:slow', eve)
  t.strictSame(story(bob).filter(one => typeof one === 'number'), [1, 2])
})

t.test('a virtual peer is never cut', async t => {
  const { symple, say, found, alice } = await setUp({ limits: { maxBuffered: 3000 } })
  const got: unknown[] = []
  const bot = await symple.addVirtualPeer({ user: 'bot', rooms: ['den'] }, ({ n }) => { if (n !== undefined) got.push(n) })
  const joining = bot.join('slow')
  await turn()
  await say(enter('room:slow'))
  for (let n = 0; n < 10; n++) await say(message(n, ['slow'], { pad: 'x'.repeat(1000) }))
  await found('room:slow', eve)
  t.equal(await joining, true)
  alice.send({ type: 'message', to: 'bot', n: 10 })
  await turn()
  t.strictSame(got, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

t.test('what a peer says as a presence comes behind its messages, too', async t => {
  const { say, found, bob } = await withBob(['den'])
  await join(bob)
  const before = story(bob).length
  await say(enter('room:slow'), message(1, ['slow']), enter('room:den'))
  const payload = Buffer.from(JSON.stringify({ type: 'presence', n: 2, data: { online: true }, published: true }))
  await say({ kind: 'publish', member: remote('eve', 'eve', 1), payload })
  await found('room:slow')
  t.strictSame(bob.connection.frames.slice(before).map(({ type, n }) => n ?? type), ['presence', 1, 2, 'join:ok'])
})

t.test('of one who has gone before the peer is in its rooms, nothing comes', async t => {
  const { enter: arrive, say, found } = await setUp()
  await say(enter('room:den'))
  const bob = await arrive('bob', 'den', 'slow')
  await say(message(1, ['den']), { kind: 'exit', places: null, id: eve.id })
  await found('room:slow')
  t.strictSame(story(bob), ['welcome', '+'], 'it never saw her')
})

t.test('a peer that goes before it is in its rooms gets nothing, and nothing of it is left', async t => {
  const { say, found, bob, symple } = await withBob(['den'])
  await join(bob)
  await say(enter('room:slow'), message(1, ['slow']))
  const before = story(bob).length
  bob.session.closed(1006)
  await say(message(2, ['slow']))
  await found('room:slow')
  t.equal(story(bob).length, before)
  t.equal(symple.gauges.remotes, 0)
})

t.test('keeps what is for a peer, however much there is for others, and cuts it where that is too much', async t => {
  const warnings: object[] = []
  const warn = (fields: object, message: string) => { warnings.push({ ...fields, message }) }
  const log = { ...silent, warn }
  const { enter: arrive, say, found, symple } = await setUp({ log, limits: { maxBuffered: 10_000 } })
  await say(enter('room:den'))
  const bob = await arrive('bob', 'den', 'slow')
  const carol = await arrive('carol', 'den', 'slow')
  for (let n = 0; n < 300; n++) await say(message(n, 'alice'))
  await say(message(300, 'bob'))
  for (let n = 0; n < 20; n++) await say(message(301 + n, 'carol', { pad: 'x'.repeat(1000) }))
  t.equal(symple.stats.limits.buffered, 1, 'once')
  t.match(warnings, [{ peer: 'node-3', limit: 'buffered', waiting: Number, message: 'too much at once' }])
  t.equal(carol.connection.terminated, true)
  carol.session.closed(1006)
  await found('room:slow')
  t.strictSame(story(bob), ['welcome', '+', '+', 300])
  t.strictSame(story(carol), [])
})

/** To whom Eve says something. */
const RECIPIENTS: Recipients[] = [null, 'bob', 'node-2', 'bob|node-2', 'den', 'slow', ['den'], ['slow'], ['slow', 'den']]
const PLACES = ['room:den', 'room:slow']

t.test('whatever a sender says where, and wherever it goes, a latecomer gets it in order and once', async () => {
  const say = fc.constantFrom(...RECIPIENTS).map(to => ({ to }))
  const move = fc.record({ enters: fc.boolean(), place: fc.constantFrom(...PLACES) })
  const steps = fc.array(fc.oneof(say, move), { maxLength: 30 })
  await fc.assert(fc.asyncProperty(steps, steps, fc.boolean(), async (before, after, joins) => {
    const node = await withBob(joins ? ['den'] : ['den', 'slow'])
    const { bob } = node
    if (joins) await join(bob)
    const places = new Set<string>()
    /** Numbers of what Bob is to get, and of what he is to get when he sees her. */
    const wanted: number[] = []
    let hoped: number[] = []
    let n = 0
    const take = async (step: typeof before[number]) => {
      if (!('to' in step)) {
        const { enters, place } = step
        if (enters === places.has(place)) return
        places[enters ? 'add' : 'delete'](place)
        await node.say(enters ? enter(place) : exit(place))
        return
      }
      if (places.size === 0) return
      const { to } = step
      await node.say(message(++n, to))
      const rooms = Array.isArray(to) ? to : PLACES.map(place => place.slice(5)).filter(room => room === to)
      if (rooms.length === 0 || rooms.some(room => places.has(`room:${room}`))) hoped.push(n)
    }
    for (const step of before) {
      await take(step)
      // A joiner is in the one room already.
      if (joins && places.has('room:den')) wanted.push(...hoped.splice(0))
      // Else he never learns of her.
      if (places.size === 0) hoped = []
    }
    await node.found('room:slow', ...places.has('room:slow') ? [eve] : [])
    for (const step of after) await take(step)
    wanted.push(...hoped)
    const got = story(bob).filter(one => typeof one === 'number')
    assert.deepEqual(got, [...new Set(got)].sort((a, b) => a - b), 'in order, once')
    assert.deepEqual(wanted.filter(n => !got.includes(n)), [], 'all')
    await node.symple.close()
  }), { seed, numRuns: 300 })
})
