import t from 'tap'
import { connect, eventually, open, settle, startServer, type Frame, type PeerObject } from './helper.js'
import { messagesOf } from './raw-frames.js'
import { frame, openRaw } from './raw.js'

t.test('serves the JavaScript client: it joins when it is welcomed, broadcasts a probe, and answers those of others', async t => {
  const { url } = await startServer(t)
  /** Connects as that client does: no rooms in auth, an empty name, a `from` of its own. */
  const enter = async (user: string) => {
    const client = await open(t, url)
    client.ws.on('message', data => {
      const message = JSON.parse(String(data)) as Frame
      if (message.type === 'welcome') {
        client.send({ type: 'join', room: 'lobby' })
        client.send({ type: 'presence', from: { user, id: message.peer!.id }, data: message.peer, probe: true })
      }
      if (message.type === 'presence') {
        // It throws on presence without a user.
        const { user, id } = message.data as PeerObject
        t.type(user, 'string')
        if (message['probe'] === true) client.send({ type: 'presence', to: id, from: { user: 'me' }, data: client.peer })
      }
    })
    await client.authenticate({ user, name: '', token: '', data: {} })
    await client.find('join:ok')
    return client
  }
  const clients = []
  for (const user of ['alice', 'bob', 'carol']) clients.push(await enter(user))
  await settle(...clients)
  for (const client of clients) {
    const others = clients.filter(other => other !== client)
    t.strictSame(Object.keys(client.roster).sort(), others.map(other => other.address).sort())
    t.equal(client.peer.name, client.peer.user)
  }
  const [alice, bob, carol] = clients as [typeof clients[0], typeof clients[0], typeof clients[0]]
  const probes = (client: typeof alice) => client.frames.filter(frame => frame['probe'] === true).map(({ from }) => from)
  t.strictSame([probes(alice), probes(bob), probes(carol)], [[bob.address, carol.address], [carol.address], []])
  const answers = carol.frames.filter(({ to }) => to === carol.peer.id).map(({ from }) => from)
  t.strictSame(answers.sort(), [alice.address, bob.address], 'each answered the bare id, once')
})

t.test('serves the C++ client: it joins what is missing, sees no error, answers commands, says close and is gone', async t => {
  const { url, port } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const cpp = await openRaw(t, port)
  await cpp.authenticate({ user: 'cpp', name: 'Camera', rooms: ['lobby'], data: { agent: 'icey' } })
  const [welcome] = messagesOf(cpp)
  const { id, user, online } = welcome!.peer!
  t.strictSame([typeof id, user, online], ['string', 'cpp', true])
  t.strictSame(['lobby', 'den'].filter(room => !welcome!.rooms!.includes(room)), ['den'])
  cpp.write(frame(JSON.stringify({ type: 'join', room: 'den' })))
  await cpp.until('join:ok')
  t.match(await bob.next(), { type: 'presence', data: { user: 'cpp', online: true } })

  bob.send({ type: 'command', to: `cpp|${id}`, node: 'nowhere', action: 'start', id: 'c1' })
  await cpp.until('"c1"')
  const command = messagesOf(cpp).at(-1)!
  t.strictSame(command, { type: 'command', to: `cpp|${id}`, node: 'nowhere', action: 'start', id: 'c1', from: bob.address })
  cpp.write(frame(JSON.stringify({ ...command, to: command.from, status: 404 })))
  t.strictSame(await bob.next(), { ...command, to: bob.address, status: 404, from: `cpp|${id}` })

  cpp.write(frame('{"type":"close"}'))
  cpp.reset()
  t.match(await bob.next(), { type: 'presence', data: { id, user: 'cpp', online: false } })
  const frames = messagesOf(cpp)
  t.strictSame(frames.filter(({ type }) => type === 'error'), [])
  t.ok(frames.filter(({ type }) => type === 'presence').every(({ data }) => typeof (data as PeerObject).online === 'boolean'))
})

t.test('serves a call manager: from is the address that it dialled, and each message comes once', async t => {
  const { url } = await startServer(t)
  const rooms = ['lobby', 'den', 'bob2']
  const alice = await connect(t, url, { user: 'alice', rooms })
  const bob = await connect(t, url, { user: 'bob', rooms })
  const other = await connect(t, url, { user: 'bob', rooms })
  await settle(alice, bob, other)
  for (const client of [alice, bob, other]) client.take()
  alice.send({ type: 'message', subtype: 'call:init', to: bob.address, data: {} })
  const init = await bob.next()
  t.strictSame(init, { type: 'message', subtype: 'call:init', to: bob.address, data: {}, from: `alice|${alice.peer.id}` })
  bob.send({ type: 'message', subtype: 'call:accept', to: init.from, from: 'bob', data: {} })
  const accept = await alice.next()
  t.equal(accept.from, bob.address)
  for (let n = 0; n < 20; n++) {
    alice.send({ type: 'message', subtype: 'call:candidate', to: accept.from, n })
    bob.send({ type: 'message', subtype: 'call:candidate', to: init.from, n })
  }
  await settle(alice, bob, other)
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  t.strictSame([alice.take().map(({ n }) => n), bob.take().map(({ n }) => n)], [numbers, numbers])
  t.strictSame(other.take(), [])
})

t.test('gives a client that comes back another id, and whom it sees a roster without the old one', async t => {
  const { url } = await startServer(t)
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const ids = new Set<string>()
  for (let i = 0; i < 5; i++) {
    const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
    ids.add(alice.peer.id)
    alice.ws.terminate()
    const again = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
    ids.add(again.peer.id)
    await eventually(() => Object.keys(bob.roster).join() === again.address, 'the new one alone')
    again.send({ type: 'close' })
    await again.closed
  }
  t.equal(ids.size, 10)
})
