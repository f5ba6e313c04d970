import t from 'tap'
import { connect, eventually, settle } from '../helper.js'
import { backplaneOf, Couriers, deliver, gather, rest, startNodes } from './cast.js'

t.test('delivers to those whom "to" names, on whichever node, once each', async t => {
  const { urls } = await startNodes(t, 3)
  const couriers = await Couriers.start(t, urls)
  const cast = await gather(t, urls, couriers, {
    alice: [0, ['lobby', 'staff']],
    alice2: [1, []],
    alice3: [0, ['lobby']],
    bob: [1, ['lobby', 'staff']],
    bob2: [2, ['lobby']],
    carol: [2, ['secret', 'bob']],
    dave: [2, ['staff']],
    erin: [1, ['alice']],
    frank: [0, ['lobby']]
  })
  const address = (name: string) => cast[name]!.address
  const id = (name: string) => cast[name]!.peer.id
  const cases: Array<[to: unknown, recipients: string[]]> = [
    [undefined, ['alice2', 'alice3', 'bob', 'bob2', 'dave', 'frank']],
    [null, ['alice2', 'alice3', 'bob', 'bob2', 'dave', 'frank']],
    [address('bob'), ['bob']],
    [address('bob2'), ['bob2']],
    [address('alice2'), ['alice2']],
    [address('frank'), ['frank']],
    [id('bob2'), ['bob2']],
    [id('alice2'), ['alice2']],
    [id('dave'), ['dave']],
    ['bob', ['bob', 'bob2']],
    ['alice', ['alice2', 'alice3']],
    ['dave', ['dave']],
    ['lobby', ['alice3', 'bob', 'bob2', 'frank']],
    ['staff', ['bob', 'dave']],
    [['staff'], ['bob', 'dave']],
    [['lobby', 'staff'], ['alice3', 'bob', 'bob2', 'dave', 'frank']],
    [['lobby', 'lobby', 'secret'], ['alice3', 'bob', 'bob2', 'frank']],
    [['alice', 'staff'], ['alice2', 'alice3', 'bob', 'dave']],
    [['alice'], ['alice2', 'alice3']],
    [[], []],
    // Not visible, or not there.
    ['carol', []],
    [address('carol'), []],
    [id('carol'), []],
    ['erin', []],
    ['secret', []],
    [['secret'], []],
    ['nobody', []],
    ['nobody|' + id('bob'), []],
    ['carol|' + id('bob'), []],
    ['alice|' + id('bob'), []],
    [`bob|${id('bob')}x`, []],
    ['|' + id('bob'), []],
    // An array names rooms, and the sender's own user; no other user and no peer.
    [['bob'], []],
    [[address('bob')], []],
    [[id('bob')], []],
    // Not to itself.
    [address('alice'), []],
    [id('alice'), []],
    ['__proto__', []],
    [['__proto__', 'toString'], []]
  ]
  for (const [to, recipients] of cases) {
    t.strictSame(await deliver(cast, couriers, 'alice', to), recipients, `to ${JSON.stringify(to)}`)
  }
  t.strictSame(await deliver(cast, couriers, 'alice2', null), ['alice', 'alice3'], 'its user\'s peers, and not their rooms')
  t.strictSame(await deliver(cast, couriers, 'alice2', 'bob'), [], 'whom others of its user see')
  const complaints = cast['alice']!.frames.filter(({ type, id }) => type === 'error' && !String(id).startsWith('barrier-'))
  t.strictSame(complaints, [])
})

t.test('gives through a room that bears a user\'s name no access to that user on another node', async t => {
  const { urls } = await startNodes(t, 3)
  const couriers = await Couriers.start(t, urls)
  const cast = await gather(t, urls, couriers, {
    bob: [0, []], bob2: [1, ['lobby']], mallory: [1, ['bob']], eve: [2, ['bob']], alice: [2, ['lobby', 'bob', 'den']], carol: [0, ['den']]
  })
  const send = async (sender: string, to: unknown) => await deliver(cast, couriers, sender, to)
  t.strictSame(await send('bob', null), ['bob2'])
  t.strictSame(await send('bob', 'bob'), ['bob2'])
  t.strictSame(await send('bob', ['bob']), ['bob2'])
  t.strictSame(await send('mallory', 'bob'), ['eve', 'alice'], 'the room, not the user')
  t.strictSame(await send('mallory', ['bob']), ['eve', 'alice'])
  t.strictSame(await send('mallory', null), ['eve', 'alice'])
  t.strictSame(await send('mallory', cast['bob']!.address), [])
  t.strictSame(await send('mallory', cast['bob']!.peer.id), [])
  t.strictSame(await send('alice', 'bob'), ['bob2', 'mallory', 'eve'], 'the visible peer and the room')
  t.strictSame(await send('alice', ['bob', 'den']), ['mallory', 'eve', 'carol'], 'in an array it is the room alone')
  t.strictSame(Object.keys(cast['mallory']!.roster).sort(), [cast['alice']!.address, cast['eve']!.address].sort())
})

t.test('never takes for a name what is the id of a peer, across nodes', async t => {
  const { urls } = await startNodes(t, 3)
  const couriers = await Couriers.start(t, urls)
  const bob = await connect(t, urls[0]!, { user: 'bob', rooms: ['lobby'] })
  const { id } = bob.peer
  const cast = await gather(t, urls, couriers, { alice: [1, ['lobby', id]], stranger: [2, [id]] })
  cast['bob'] = bob
  cast['thief'] = await connect(t, urls[2]!, { user: id, rooms: ['lobby'] })
  await rest(cast, couriers)
  for (const client of Object.values(cast)) client.take()
  t.strictSame(await deliver(cast, couriers, 'alice', id), ['bob'])
  t.strictSame(await deliver(cast, couriers, 'stranger', id), [], 'it can\'t see the peer')
  await bob.close()
  delete cast['bob']
  t.strictSame(await deliver(cast, couriers, 'alice', id), [], 'the peer has gone')
})

t.test('delivers once, however many rooms are shared', async t => {
  const { urls } = await startNodes(t, 3)
  const couriers = await Couriers.start(t, urls)
  const rooms = Array.from({ length: 50 }, (_, i) => `room-${i}`)
  const names = Array.from({ length: 9 }, (_, i) => `${i % 2 === 0 ? 'even' : 'odd'}${i}`)
  const cast = await gather(t, urls, couriers, Object.fromEntries(names.map((name, i) => [name, [i % 3, rooms]])))
  const others = names.slice(1)
  for (const to of [null, rooms, 'room-7', ['even', ...rooms]]) {
    t.strictSame(await deliver(cast, couriers, 'even0', to), others)
  }
  t.strictSame(await deliver(cast, couriers, 'even0', 'odd'), names.filter(name => name.startsWith('odd')))
  for (const client of Object.values(cast)) {
    const online = client.frames.filter(({ type }) => type === 'presence')
    t.equal(online.length, 8, 'each was told of each other once')
  }
})

t.test('costs nodes that have no members of a room nothing', async t => {
  const { nodes, urls } = await startNodes(t, 3)
  const counts = () => nodes.map(node => {
    const { published, received } = backplaneOf(node).counts
    return { published, received }
  })
  const alice = await connect(t, urls[0]!, { user: 'alice', rooms: ['here', 'there', 'lone'] })
  const near = await connect(t, urls[0]!, { user: 'near', rooms: ['here'] })
  const far = await connect(t, urls[1]!, { user: 'far', rooms: ['there'] })
  const other = await connect(t, urls[2]!, { user: 'other', rooms: ['elsewhere'] })
  await eventually(() => far.address in alice.roster && alice.address in far.roster, 'they see each other')
  await settle(alice, near, far, other)
  const calm = async () => {
    let last = ''
    await eventually(async () => {
      const before = last
      last = JSON.stringify(counts())
      await settle(alice, near, far, other)
      return before === last
    }, 'calm')
  }
  await calm()
  const before = counts()
  for (let i = 0; i < 100; i++) {
    for (const to of ['here', ['here'], ['lone'], 'near', near.address, 'nobody', [], 'other', other.address, other.peer.id]) {
      alice.send({ type: 'message', to, i })
    }
    alice.send({ type: 'presence', to: 'near' })
  }
  await settle(alice, near)
  await calm()
  t.strictSame(counts(), before, 'nothing leaves the node')
  for (let i = 0; i < 100; i++) alice.send({ type: 'message', to: i % 2 === 0 ? ['there', 'here'] : null, i })
  await far.find(({ i }) => i === 99)
  await calm()
  const after = counts()
  t.strictSame(after[2], before[2], 'the third node hears nothing')
  t.ok(after[1]!.received - before[1]!.received <= 100, 'one packet for a message, at most')
  t.equal(after[1]!.received - before[1]!.received, after[0]!.published - before[0]!.published)
  t.strictSame(other.take().filter(({ type }) => type === 'message'), [])
})
