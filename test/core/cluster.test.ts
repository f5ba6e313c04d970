import t from 'tap'
import type { MemberRecord } from '../../src/core/backplane.js'
import { digestOf } from '../../src/core/digest.js'
import type { Entry } from '../../src/core/envelope.js'
import type { Json, JsonObject } from '../../src/core/json.js'
import { silent } from '../../src/core/logger.js'
import { OTHER, remote, setUp, turn } from './scripted-node.js'

const list = (place: string, members: MemberRecord[], more: object = {}): Entry => ({ kind: 'list', place, members, ...more })
const exit = ({ id }: MemberRecord, places: string[] | null): Entry => ({ kind: 'exit', places, id })
const digest = (...members: MemberRecord[]) => digestOf(members.map(({ id, record }) =>
  ({ id, version: (JSON.parse(record) as { version: number }).version })))

t.test('forgets in its user\'s room, too, who was wrongly found in another', async t => {
  const { backplane, enter, say, found } = await setUp()
  const alice = await enter('alice')
  const ghost = remote('alice', 'ghost')
  backplane.slow.add('room:den')
  await enter('bob', 'den')
  await found('room:den', ghost)
  t.strictSame(alice.story, [], 'that it is in a room says nothing of the user\'s own')
  await say(list('room:den', [], { answer: true }))
  t.equal(backplane.listener.members('room:den').length, 1)
  t.strictSame(alice.story, [])
})

t.test('tells of a peer\'s end those who were told of it while it joined', async t => {
  const { backplane, enter, say, found } = await setUp()
  const alice = await enter('alice')
  backplane.slow.add('room:den')
  alice.send({ type: 'join', room: 'den' })
  await turn()
  const eve = remote('eve', 'eve')
  t.match(await say(list('room:den', [eve], { yours: digest() })), [{ kind: 'list', place: 'room:den', members: [{ id: 'node-1' }] }])
  backplane.posted.length = 0
  alice.session.closed(1006)
  t.strictSame(backplane.listener.members('room:den'), [], 'it is not awaited')
  await turn()
  t.strictSame(backplane.posted, [{ kind: 'exit', places: null, id: 'node-1' }], 'with all its rooms')
  await found('room:den', eve)
  t.equal(backplane.posted.length, 1, 'once')
})

t.test('reads a room again for the next peer where the one that it was read for never came', async t => {
  const { backplane, enter, found } = await setUp()
  const alice = await enter('alice')
  backplane.slow.add('room:den')
  alice.send({ type: 'join', room: 'den' })
  await turn()
  const den = backplane.reads.get('room:den')!
  alice.session.closed(1006)
  const bob = await enter('bob', 'den')
  t.not(backplane.reads.get('room:den'), den)
  den([remote('gone', 'gone')])
  await turn()
  t.strictSame(bob.connection.frames, [], 'what was read before is out of date')
  await found('room:den', remote('eve', 'eve'))
  t.strictSame(bob.story, ['+eve'])
})

t.test('asks a node that it did not know to be in a room whether it still is', async t => {
  const { enter, say } = await setUp()
  const alice = await enter('alice', 'den')
  const [eve, dave] = [remote('eve', 'eve'), remote('dave', 'dave')]
  const entry = (member: MemberRecord): Entry => ({ kind: 'enter', places: ['room:den'], member })
  t.match(await say(entry(eve)), [{ kind: 'check', place: 'room:den', yours: digest(eve) }])
  t.strictSame(await say(entry(dave)), [], 'once')
  await say(list('room:den', [dave], { answer: true }))
  t.strictSame(alice.story, ['+eve', '+dave', '-eve'])
})

t.test('lets peers in, and reads anew for the next, where a read fails', async t => {
  const errors: unknown[] = []
  const error = (fields: object, message: string) => { errors.push([fields, message]) }
  const { backplane, enter, found } = await setUp({ log: { ...silent, error } })
  backplane.slow.add('room:den')
  const alice = await enter('alice', 'den')
  const failure = new Error('broken')
  backplane.reads.get('room:den')!(Promise.reject(failure))
  await turn()
  t.strictSame(alice.connection.frames.map(({ type }) => type), ['welcome'])
  t.strictSame(errors, [[{ err: failure, place: 'room:den' }, 'room not read']])
  const bob = await enter('bob', 'den')
  await found('room:den', remote('eve', 'eve'))
  t.strictSame([alice.story.length, bob.story.length], [2, 2], 'both see each other, and who was found')
})

t.test('tells nobody of the leaving of one who was not there', async t => {
  const { enter, say } = await setUp()
  const alice = await enter('alice', 'den')
  const bob = await enter('bob', 'hall')
  const eve = remote('eve', 'eve')
  await say({ kind: 'enter', places: ['room:hall'], member: eve })
  await say(exit(eve, ['room:den']), exit(eve, ['room:nowhere']), exit(remote('x', 'x'), ['room:den']), exit(remote('x', 'x'), null))
  t.strictSame([alice.story, bob.story], [[], ['+eve']])
})

t.test('answers one that is wrong about it, saying what it believes in turn, and ends there', async t => {
  const { enter, say } = await setUp()
  await enter('alice', 'den')
  const eve = remote('eve', 'eve')
  const own = { kind: 'list', place: 'room:den', members: [{ id: 'node-1' }], answer: true }
  const wrong = 'wrong'
  t.match(await say(list('room:den', [eve], { yours: wrong })), [{ ...own, yours: digest(eve) }])
  t.match(await say({ kind: 'ask', place: 'room:den' }), [{ ...own, yours: digest(eve) }])
  t.match(await say({ kind: 'check', place: 'room:den', mine: digest(eve), yours: wrong }), [{ ...own, yours: digest(eve) }])
  const [last, ...more] = await say(list('room:den', [eve], { yours: wrong, answer: true }))
  t.match(last, own)
  t.notOk('yours' in last!, 'else there would be no end')
  t.strictSame(more, [])
  t.strictSame(await say(list('room:den', [eve], { answer: true })), [])
  t.strictSame(await say(list('room:nowhere', [eve], { yours: digest() })), [])
  t.strictSame(await say(list('room:nowhere', [eve], { yours: wrong })), [{ kind: 'list', place: 'room:nowhere', members: [], answer: true }])
})

t.test('tells of many members in pieces, which are no more than Redis takes at once', async t => {
  const { backplane, enter, say } = await setUp({ limits: { maxDataSize: Infinity, maxMessageSize: Infinity } })
  const ids = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5']
  for (const [i] of ids.entries()) {
    const peer = await enter(`user${i}`, 'den')
    peer.send({ type: 'presence', data: { text: 'x'.repeat(400_000) } })
  }
  await turn()
  backplane.sizes.length = 0
  const pieces = await say({ kind: 'ask', place: 'room:den' }) as Array<Extract<Entry, { kind: 'some' | 'list' }>>
  t.strictSame(pieces.map(({ kind, members }) => [kind, members.length]), [['some', 2], ['some', 2], ['list', 1]])
  t.strictSame(pieces.flatMap(({ members }) => members.map(({ id }) => id)), ids)
  t.match(pieces.at(-1), { place: 'room:den', answer: true, yours: digest(), others: ids.slice(0, 4) })
  t.strictSame(backplane.sizes.map(size => size < 2 ** 20), [true, true, true])
})

t.test('takes up what comes in pieces as a whole', async t => {
  const { enter, say } = await setUp()
  const alice = await enter('alice', 'den')
  const [eve, mallory, gone] = [remote('eve', 'eve'), remote('mallory', 'mallory'), remote('gone', 'gone')]
  await say(list('room:den', [gone, eve]))
  const some: Entry = { kind: 'some', place: 'room:den', members: [eve] }
  const check = { kind: 'check', place: 'room:den', yours: digest(eve, mallory) }
  t.match(await say(some, list('room:den', [mallory], { others: [eve.id], answer: true })), [check])
  t.strictSame(alice.story, ['+gone', '+eve', '+mallory', '-gone'])
  t.strictSame(await say({ ...some, place: 'room:attic' }), [], 'of a room that is not there')
})

t.test('asks once more where a list is not what it believed: the directory may have been ahead of it', async t => {
  const { enter, say } = await setUp()
  const alice = await enter('alice', 'den')
  const [eve, dave] = [remote('eve', 'eve'), remote('dave', 'dave')]
  await say(list('room:den', [eve, dave]))
  const check = { kind: 'check', place: 'room:den', yours: digest(eve) }
  t.match(await say(list('room:den', [eve], { answer: true })), [check])
  t.strictSame(await say(list('room:den', [eve], { answer: true })), [], 'nothing new')
  t.match(await say(list('room:den', [eve, dave], { answer: true })), [{ ...check, yours: digest(eve, dave) }])
  t.strictSame(alice.story, ['+eve', '+dave', '-dave', '+dave'])
})

t.test('hands no presence on that the directory was ahead of', async t => {
  const { backplane, enter, say, found } = await setUp()
  backplane.slow.add('room:den')
  const alice = await enter('alice', 'den')
  await found('room:den', remote('eve', 'eve', 2))
  const publish = (version: number): Entry => {
    const member = remote('eve', 'eve', version)
    const { data } = JSON.parse(member.record) as { data: object }
    const frame = { type: 'presence', from: `eve|${member.id}`, data, published: true }
    return { kind: 'publish', member, payload: Buffer.from(JSON.stringify(frame)) }
  }
  await say(publish(1), publish(2), publish(3))
  t.strictSame(alice.story, ['+eve(2)', '=eve(2)', '=eve(3)'])
})

t.test('takes a move as one, and believes of one that moves nobody but its node', async t => {
  const { backplane, enter, say, found } = await setUp()
  const den = await enter('dan', 'den')
  const hall = await enter('hal', 'hall')
  const both = await enter('bo', 'den', 'hall')
  const eve = (version: number, moves: number) => remote('eve', 'eve', version, moves)
  const told = (clients: typeof den[]) => clients.map(({ story }) => story.filter(one => one.includes('eve')))
  const stories = () => told([den, hall, both])
  const move = (version: number, ...places: string[]): Entry => ({ kind: 'move', places, member: eve(version, version) })
  t.strictSame(await say(move(0, 'room:nowhere')), [], 'of no concern')
  await say({ kind: 'enter', places: ['room:den'], member: eve(0, 0) })
  const answers = await say(move(1, 'room:hall', 'room:nowhere'))
  t.match(answers, [{ kind: 'list', place: 'room:hall', yours: digest(eve(1, 1)) }], 'it is told who is there')
  t.strictSame(stories(), [['+eve', '-eve'], ['+eve(1)'], ['+eve', '+eve(1)']])
  await say({ kind: 'enter', places: ['room:den'], member: eve(0, 0) }, list('room:den', [eve(0, 0)]))
  t.strictSame(stories()[0], ['+eve', '-eve'], 'what was so before')

  backplane.slow.add('room:attic')
  const attic = await enter('ada', 'attic', 'hall')
  backplane.posted.length = 0
  await found('room:attic', eve(2, 2))
  t.match(backplane.posted, [{ kind: 'list', place: 'room:attic', yours: digest() }], 'its node is to say where else it is')
  t.strictSame(told([attic]), [['+eve(1)']])
  await say(move(2, 'room:hall', 'room:attic'))
  t.strictSame(told([den, hall, both, attic]), [
    ['+eve', '-eve'], ['+eve(1)', '+eve(2)'], ['+eve', '+eve(1)', '+eve(2)'], ['+eve(1)', '+eve(2)']
  ])

  const payload = Buffer.from('{"type":"presence"}')
  const before = stories()
  await say({ kind: 'publish', member: eve(3, 3), payload })
  t.strictSame(stories(), before, 'who was not told of a move knows not where it is')
  await say(list('room:den', [eve(3, 3)]))
  t.strictSame([den, hall, both, attic].map(({ story }) => story.at(-1)), ['+eve(3)', '-eve(2)', '+eve(3)', '-eve(2)'])
})

t.test('drops what comes from a sender that it does not know, and survives what makes no sense', async t => {
  const { symple, backplane, enter, say } = await setUp()
  const alice = await enter('alice', 'den')
  const payload = Buffer.from('{"type":"message"}')
  await say({ kind: 'route', from: `${OTHER}-x`, to: null, payload }, { kind: 'publish', member: remote('x', 'x'), payload })
  t.equal(symple.stats.drops.unknown_sender, 2)
  const deep = `{"version":1,"data":{"id":"x","user":"x","deep":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`
  const odd = ['', '{', 'null', '[]', '{}', '{"version":1}', '{"version":"1","data":{}}', '{"version":1,"data":{"id":"y","user":"y"}}', deep]
  await say(...odd.map((record): Entry => ({ kind: 'enter', places: ['room:den', 'user:alice', 'den', '', ':'], member: { id: 'x', record } })))
  t.equal(symple.stats.cluster.ignored, odd.length)
  backplane.listener.received(OTHER, Buffer.from([7, 1, 2, 3]))
  t.equal(symple.stats.cluster.ignored, odd.length + 1)
  t.strictSame(alice.connection.frames.map(({ type }) => type), ['welcome'])
})

t.test('does for other nodes what they ask for, and says so where it can\'t', async t => {
  const { enter, say, symple } = await setUp()
  t.teardown(() => symple.close())
  const alice = await enter('alice', 'den')
  const id = 'node-1'
  const ask = async (call: JsonObject) => {
    const said = await say({ kind: 'request', id: 7, call })
    return said.filter(({ kind }) => kind === 'reply')
  }
  const reply = (result: Json): Entry => ({ kind: 'reply', id: 7, result })
  t.match(await ask({ op: 'describe', peer: id }), [reply({ id, user: 'alice', rooms: ['den'], virtual: false })])
  t.strictSame(await ask({ op: 'describe', peer: 'node-9' }), [reply(null)])
  t.strictSame(await ask({ op: 'join', peer: `alice|${id}`, room: 'attic' }), [reply(true)])
  t.strictSame(await ask({ op: 'leave', peer: id, room: 'den' }), [reply(true)])
  t.strictSame(await ask({ op: 'leave', peer: `bob|${id}`, room: 'den' }), [reply(false)])
  for (const call of [
    {}, { op: 'dance' }, { op: 'describe' }, { op: 'join', peer: id }, { op: 'leave', room: 'x' }, { op: 'disconnect', reason: 'x' },
    { op: 'disconnect', peer: id }, { op: 'disconnect', peer: id, user: 'alice', reason: 'x' }, { op: 'describe', peer: { id } }
  ]) t.match(await ask(call as JsonObject), [{ kind: 'reply', id: 7, failed: true, result: String }], JSON.stringify(call))
  t.strictSame(alice.connection.frames.map(({ type, room }) => room ?? type), ['welcome', 'attic', 'den'])
  t.strictSame(await ask({ op: 'disconnect', user: 'alice', reason: 'Enough' }), [reply(1)])
  t.equal(alice.connection.closedWith, 4403)
  t.strictSame(await say({ kind: 'reply', id: 99, result: 'what nobody asked for' }), [])
})

t.test('has the server and the client wait for each other where both have a peer enter rooms', async t => {
  const { backplane, enter, found, symple } = await setUp()
  t.teardown(() => symple.close())
  const alice = await enter('alice')
  for (const room of ['a', 'b']) backplane.slow.add(`room:${room}`)
  alice.send({ type: 'join', room: 'a' })
  const joined = [symple.join('node-1', 'a'), symple.join('node-1', 'b'), symple.leave('node-1', 'a')]
  await turn()
  t.strictSame(alice.connection.frames.map(({ type }) => type), ['welcome'])
  await found('room:a', remote('bob', 'bob'))
  await found('room:b')
  t.strictSame(await Promise.all(joined), [true, true, true])
  t.strictSame((await symple.peer('node-1'))!.rooms, ['b'])
  const answers = alice.connection.frames.filter(({ type }) => type !== 'presence').map(({ type, room }) => `${type} ${room ?? ''}`)
  t.strictSame(answers, ['welcome ', 'join:ok a', 'join:ok a', 'join:ok b', 'leave:ok a'])
  t.strictSame(alice.story, ['+bob', '-bob'], 'once each')
  alice.send({ type: 'join', room: 'c' })
  const late = symple.join('node-1', 'd')
  alice.session.closed(1006)
  t.equal(await late, false, 'it has gone meanwhile')
  t.strictSame(symple.gauges, { connections: 0, peers: 0, virtuals: 0, remotes: 0, users: 0, rooms: 0, unsent: 0 })
})
