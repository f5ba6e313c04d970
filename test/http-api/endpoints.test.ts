import { randomInt } from 'node:crypto'
import { hostname } from 'node:os'
import t from 'tap'
import { connect, eventually, settle, type Frame, type TestClient } from '../helper.js'
import { problemOf, STAGES, type Call } from './caller.js'

interface PeerBody { id: string, user: string, address: string, rooms?: string[], [key: string]: unknown }
interface Page { peers: PeerBody[], rooms: Array<{ name: string, members: number }>, cursor: string | null }

const idsOf = (...clients: TestClient[]) => clients.map(({ peer }) => peer.id).sort()
const told = (client: TestClient): Frame[] => client.take().filter(({ type }) => type !== 'presence')

/** All pages of a list. @param between is called before each page but the first */
async function pages (call: Call, path: string, limit: number, between = async () => {}): Promise<Page[]> {
  const found: Page[] = []
  let cursor: string | null = null
  do {
    if (found.length > 0) await between()
    const { body }: { body: unknown } = await call(`GET ${path}?limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`)
    found.push(body as Page)
    cursor = (body as Page).cursor
  } while (cursor !== null)
  return found
}

/** Names that stand in paths in other ways than they are. */
const ROOM = 'a/b?c#d %2F ü\u{1F600}'
const USER = 'zoë/ö+&'
const path = encodeURIComponent

for (const [where, setStage] of Object.entries(STAGES)) {
  t.test(`asked on ${where}`, async t => {
    const { call, url, nodes } = await setStage(t)
    const alice = await connect(t, url, { user: 'alice', name: 'Alice', rooms: ['lobby', ROOM], data: { status: 'busy' } })
    const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
    const zoe = await connect(t, url, { user: USER, rooms: [] })
    const clients = [alice, bob, zoe]
    const listed = async (request: string) => ((await call(request)).body as Page).peers.map(({ id }) => id).sort()
    // What a node does is in the directory as soon as that has been written.
    await eventually(async () => (await listed('GET /api/peers')).length === 3, 'three peers')
    const node = alice.peer.id.split('-')[0]!
    const { id, host } = alice.peer
    const details = {
      id, user: 'alice', name: 'Alice', address: alice.address, host, node, data: { status: 'busy' }
    }

    t.test('lists nodes', async t => {
      const { status, body } = await call('GET /api/nodes')
      const found = (body as { nodes: Array<{ id: string, pid: number, self: boolean, started: string }> }).nodes
      t.equal(status, 200)
      t.strictSame(found.map(({ pid }) => pid).sort(), nodes.map(({ child }) => child.pid).sort())
      t.strictSame(found.filter(({ self }) => self).map(({ pid }) => pid), [nodes[0]!.child.pid])
      const other = found.find(({ id }) => id === node)!
      t.strictSame(Object.keys(other), ['id', 'host', 'pid', 'started', 'alive', 'lease', 'self'])
      t.match(other, { host: hostname(), pid: nodes.at(-1)!.child.pid, alive: true })
      t.ok(Date.parse(other.started) <= Date.now())
    })

    t.test('lists rooms', async t => {
      const { status, headers, body } = await call('GET /api/rooms')
      t.equal(status, 200)
      t.match(headers.get('content-type'), /^application\/json/)
      t.equal(headers.get('cache-control'), 'no-store')
      t.strictSame(body, { rooms: [{ name: ROOM, members: 1 }, { name: 'lobby', members: 2 }], cursor: null })
    })

    t.test('lists peers of rooms and users, and all', async t => {
      t.strictSame((await call(`GET /api/rooms/${path(ROOM)}/peers`)).body, { peers: [details], cursor: null })
      t.strictSame(await listed('GET /api/rooms/lobby/peers'), idsOf(alice, bob))
      t.strictSame(await listed(`GET /api/users/${path(USER)}/peers`), idsOf(zoe))
      t.strictSame(await listed('GET /api/peers'), idsOf(...clients))
      // A room is no user, and neither is a fault where there is none.
      t.strictSame((await call('GET /api/rooms/alice/peers')).body, { peers: [], cursor: null })
      t.strictSame((await call('GET /api/users/lobby/peers')).body, { peers: [], cursor: null })
    })

    t.test('looks peers up by id and address', async t => {
      const expected = { ...details, rooms: ['lobby', ROOM], virtual: false }
      t.strictSame((await call(`GET /api/peers/${id}`)).body, expected)
      t.strictSame((await call(`GET /api/peers/${path(alice.address)}`)).body, expected)
      problemOf(t, await call('GET /api/peers/nobody'), 404)
      problemOf(t, await call(`GET /api/peers/${node}-${'x'.repeat(22)}`), 404)
      problemOf(t, await call(`GET /api/peers/${path(`bob|${id}`)}`), 404)
    })

    t.test('sends messages by all kinds of addresses', async t => {
      for (const client of clients) client.take()
      const send = async (to: unknown, data: string) => {
        const { status, body } = await call('POST /api/messages', { body: { type: 'message', from: 'shop', to, data } })
        t.equal(status, 202)
        t.strictSame(body, { accepted: 1 })
      }
      await send(alice.peer.id, 'by id')
      await send(bob.address, 'by address')
      await send(USER, 'by user')
      await send('lobby', 'by room')
      await send(['lobby', 'alice', alice.address], 'once each')
      await send({ all: true }, 'to all')
      await call('POST /api/messages', { body: { type: 'event', rooms: [ROOM], data: 'by rooms', more: [1, { x: null }] } })
      await send({ all: true }, 'the end')
      const got = await Promise.all(clients.map(async client => {
        await client.find(({ data }) => data === 'the end')
        return client.frames.filter(({ data }) => typeof data === 'string').map(({ data }) => data)
      }))
      t.strictSame(got[0], ['by id', 'by room', 'once each', 'to all', 'by rooms', 'the end'])
      t.strictSame(got[1], ['by address', 'by room', 'once each', 'to all', 'the end'])
      t.strictSame(got[2], ['by user', 'to all', 'the end'])
      t.strictSame(alice.frames.find(({ data }) => data === 'by id'), { type: 'message', from: 'shop', to: id, data: 'by id' })
      t.match(alice.frames.find(({ data }) => data === 'by rooms'), { type: 'event', more: [1, { x: null }] })
      t.strictSame(zoe.frames.find(({ data }) => data === 'to all'), { type: 'message', from: 'shop', data: 'to all' })
    })

    t.test('sends a batch in order, or nothing of it', async t => {
      for (const client of clients) client.take()
      const batch = Array.from({ length: 100 }, (_, i) => ({ type: 'message', to: i % 2 === 0 ? 'lobby' : 'alice', data: i }))
      const wrong = [...batch.slice(0, 50), { type: 'message', to: 17 }, 'text', { to: 'lobby' }, { type: 'x' }, null]
      const problem = problemOf(t, await call('POST /api/messages', { body: wrong }), 400)
      t.strictSame(problem.errors?.map(({ index, field }) => [index, field]), [
        [50, 'to'], [51, 'message'], [52, 'type'], [53, 'to'], [54, 'message']
      ])
      t.strictSame((await call('POST /api/messages', { body: batch })).body, { accepted: 100 })
      await alice.find(({ data }) => data === 99)
      await bob.find(({ data }) => data === 98)
      const data = (client: TestClient) => client.frames.map(({ data }) => data).filter(data => typeof data === 'number')
      t.strictSame(data(alice), Array.from({ length: 100 }, (_, i) => i))
      t.strictSame(data(bob), Array.from({ length: 50 }, (_, i) => 2 * i))
      problemOf(t, await call('POST /api/messages', { body: [...batch, batch[0]] }), 400)
      problemOf(t, await call('POST /api/messages', { body: [] }), 400)
    })

    t.test('has peers join and leave rooms', async t => {
      await settle(...clients)
      for (const client of clients) client.take()
      t.equal((await call(`PUT /api/peers/${id}/rooms/${path('v/i/p')}`)).status, 204)
      t.strictSame(await alice.find('join:ok'), { type: 'join:ok', room: 'v/i/p' })
      t.equal((await call(`PUT /api/peers/${path(bob.address)}/rooms/${path('v/i/p')}`)).status, 204)
      await bob.find('join:ok')
      t.strictSame(((await call(`GET /api/peers/${id}`)).body as PeerBody).rooms, ['lobby', ROOM, 'v/i/p'])
      await eventually(async () => (await listed(`GET /api/rooms/${path('v/i/p')}/peers`)).length === 2, 'two members')

      // What is so already is left so, and told to nobody.
      t.equal((await call(`PUT /api/peers/${id}/rooms/${path('v/i/p')}`)).status, 204)
      t.equal((await call(`DELETE /api/peers/${id}/rooms/${path('v/i/p')}`)).status, 204)
      t.strictSame(await alice.find('leave:ok'), { type: 'leave:ok', room: 'v/i/p' })
      t.equal((await call(`DELETE /api/peers/${id}/rooms/${path('v/i/p')}`)).status, 204)
      await settle(alice, bob)
      t.strictSame(told(alice), [])

      problemOf(t, await call('PUT /api/peers/nobody/rooms/lobby'), 404)
      problemOf(t, await call('DELETE /api/peers/nobody/rooms/lobby'), 404)
      const problem = problemOf(t, await call(`PUT /api/peers/${id}/rooms/${path('a|b')}`), 400)
      t.equal(problem.errors?.[0]?.field, 'room')
    })

    t.test('sends peers and users away', async t => {
      const twins = [await connect(t, url, { user: 'carol' }), await connect(t, url, { user: 'carol' })]
      const answer = await call('POST /api/users/carol/disconnect', { body: { reason: 'Maintenance' } })
      t.strictSame(answer.body, { disconnected: 2 })
      for (const twin of twins) {
        t.strictSame(await twin.find('error'), { type: 'error', status: 403, message: 'Maintenance' })
        t.strictSame(await twin.closed, { code: 4403, reason: 'Maintenance' })
      }
      // A body may be left out, whatever is said of its type.
      const headers = { 'content-type': 'application/json' }
      t.strictSame((await call('POST /api/users/carol/disconnect', { headers })).body, { disconnected: 0 })
      t.strictSame((await call('POST /api/users/carol/disconnect')).body, { disconnected: 0 })

      t.equal((await call(`DELETE /api/peers/${bob.peer.id}?reason=${path('Bis später')}`)).status, 204)
      t.strictSame(await bob.closed, { code: 4403, reason: 'Bis später' })
      t.equal((await call(`DELETE /api/peers/${path(zoe.address)}`)).status, 204)
      t.strictSame(await zoe.closed, { code: 4403, reason: 'Disconnected by the server' })
      problemOf(t, await call(`DELETE /api/peers/${bob.peer.id}`), 404)
      problemOf(t, await call(`DELETE /api/peers/${id}?reason=${'x'.repeat(124)}`), 400)
      t.equal(alice.ws.readyState, alice.ws.OPEN)
    })
  })

  t.test(`pages while peers come and go, asked on ${where}`, async t => {
    const { call, url } = await setStage(t)
    const stay = await Promise.all(Array.from({ length: 25 }, async (_, i) =>
      await connect(t, url, { user: `user-${i % 7}`, rooms: ['hall', `room-${String(i).padStart(2, '0')}`] })))
    const go = await Promise.all(Array.from({ length: 10 }, async () => await connect(t, url, { user: 'fickle', rooms: ['hall'] })))
    await eventually(async () => (await pages(call, '/api/peers', 1000))[0]!.peers.length === 35, 'all of them')

    t.strictSame((await pages(call, '/api/rooms', 10)).map(({ rooms }) => rooms.length), [10, 10, 6])
    t.strictSame((await pages(call, '/api/rooms/hall/peers', 12)).map(({ peers }) => peers.length), [12, 12, 11])
    t.strictSame((await pages(call, '/api/users/user-0/peers', 3)).map(({ peers }) => peers.length), [3, 1])
    t.equal((await call('GET /api/rooms/hall/peers')).text.includes('"cursor":null'), true)

    for (const list of ['/api/peers', '/api/rooms/hall/peers']) {
      const change = async () => {
        await connect(t, url, { user: 'late', rooms: ['hall'] })
        if (go.length > 0) await go.splice(randomInt(go.length), 1)[0]!.close()
      }
      const found = (await pages(call, list, 6, change)).flatMap(({ peers }) => peers.map(({ id }) => id))
      t.equal(new Set(found).size, found.length, 'nobody twice')
      t.strictSame(stay.filter(({ peer }) => !found.includes(peer.id)), [], 'who stays is there')
    }
    for (const wrong of ['limit=0', 'limit=1001', 'limit=2.5', 'limit=x', 'cursor=x', 'cursor=WzFd']) {
      for (const list of ['/api/peers', '/api/rooms', '/api/rooms/hall/peers', '/api/users/late/peers']) {
        const { errors } = problemOf(t, await call(`GET ${list}?${wrong}`), 400)
        t.equal(errors?.[0]?.field, wrong.split('=')[0])
      }
    }
  })
}
