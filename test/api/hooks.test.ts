import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { connect, eventually, open, settle, startServer, type Frame, type PeerObject, type TestClient } from '../helper.js'
import { frame, openRaw } from '../raw.js'
import { startSessionServer, writeSession } from '../session-server.js'
import type { ServiceOptions } from '../../plugins/symple.js'
import { SympleError } from '../../src/core/errors.js'
import type { Applicant } from '../../src/core/hooks.js'

type Authenticate = NonNullable<ServiceOptions['authenticate']>

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const tick = async () => await new Promise(resolve => { setImmediate(resolve) })
const never = new Promise<never>(() => {})

/** What a client is told that is not let in. */
async function refusal (t: Test, url: string, auth: object): Promise<{ error: Frame, code: number, reason: string }> {
  const client = await open(t, url)
  client.send({ type: 'auth', ...auth })
  const { code, reason } = await client.closed
  t.equal(client.frames.length, 1)
  return { error: client.frames[0]!, code, reason }
}

const messages = (client: TestClient) => client.take().filter(({ type }) => !['presence', 'join:ok', 'leave:ok'].includes(type))

t.test('authenticate', async t => {
  t.test('sees who comes, with the token and the request, and says what it is', async t => {
    const seen: unknown[] = []
    const authenticate: Authenticate = async (peer, auth, request) => {
      await tick()
      seen.push(peer, auth, request.headers['x-hello'], { ...request.query as object })
      return { allowed: true, rooms: ['staff'], user: 'alice', name: 'Alice', data: { type: 'operator', token: 'T0ken', id: 'x' } }
    }
    const { url } = await startServer(t, {}, { authenticate })
    const eve = await open(t, `${url}?q=1`, { headers: { 'x-hello': 'world' } })
    const welcome = await eve.authenticate({
      user: 'eve', name: 'Eve', token: 'S3cr3t', rooms: ['lobby'], data: { type: 'boss', status: 'away' }, other: 1
    })
    const auth = { user: 'eve', name: 'Eve', token: 'S3cr3t', rooms: ['lobby'], data: { type: 'boss', status: 'away' } }
    t.same(seen, [
      { user: 'eve', name: 'Eve', host: '127.0.0.1', data: { type: 'boss', status: 'away' }, session: null }, auth, 'world', { q: '1' }
    ])
    const peer = { id: eve.peer.id, user: 'alice', name: 'Alice', online: true, host: '127.0.0.1', type: 'operator', status: 'away' }
    t.strictSame(welcome.peer, peer)
    t.strictSame(welcome.rooms, ['alice', 'staff', 'lobby'])
    eve.send({ type: 'presence', data: { name: 'Eve', type: 'boss', status: 'here' } })
    const bob = await connect(t, url, { user: 'bob' })
    t.match(bob.peer, { user: 'alice', name: 'Alice' })
    await bob.find(({ type, data }) => type === 'presence' && (data as PeerObject).status === 'here')
    t.match(bob.roster[eve.address], { name: 'Alice', type: 'operator' }, 'the client can not override it later')
    t.notMatch(JSON.stringify([eve.frames, bob.frames]), /S3cr3t|T0ken/)
  })

  t.test('may give a user to who brings none; without one, nobody comes in', async t => {
    const authenticate: Authenticate = ({ user }, { token }) => ({ allowed: true, user: user ?? token })
    const { url } = await startServer(t, {}, { authenticate })
    t.match((await connect(t, url, { token: 'guest-7' })).peer, { user: 'guest-7', name: 'guest-7' })
    t.match(await refusal(t, url, {}), { error: { status: 400, message: 'user is required' }, code: 4400 })
  })

  t.test('is asked once the session is found, sees all of it, and may override it', async t => {
    const seen: Applicant[] = []
    const { redis, write, url } = await startSessionServer(t)
    const { url: hooked, server } = await startServer(t, { SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_URL: redis.url })
    server.symple.authenticate = peer => {
      seen.push(peer)
      return { allowed: peer.session?.['accountId'] === 17, rooms: ['vip'], ...(peer.user === 'bob' && { user: 'robert', name: 'Bob' }) }
    }
    const session = { user: 'alice', name: 'Alice', rooms: ['staff'], data: { avatar: 'a.png' }, type: 'operator', accountId: 17 }
    await write('good', session)
    await write('poor', { user: 'carol', accountId: 18 })
    await write('other', { ...session, user: 'bob' })
    t.match(await refusal(t, hooked, { user: 'alice', token: 'unknown' }), { code: 4401 })
    t.strictSame(seen, [], 'who has no session does not get to the hook')
    const alice = await connect(t, hooked, { token: 'good', rooms: ['lobby'] })
    t.strictSame(alice.frames[0]!.rooms, ['alice', 'staff', 'vip'], 'what it asked for itself does not count')
    t.strictSame(seen, [{
      user: 'alice', name: 'Alice', host: '127.0.0.1', data: { avatar: 'a.png', type: 'operator' }, session
    }])
    t.notOk('accountId' in alice.peer)
    t.match(await refusal(t, hooked, { token: 'poor' }), { error: { status: 401, message: 'Authentication refused' }, code: 4401 })
    const bob = await connect(t, hooked, { user: 'bob', token: 'other' })
    t.match(bob.peer, { user: 'robert', name: 'Bob', type: 'operator' })
    await writeSession(redis.client(), 'good', session)
    t.match((await connect(t, url, { token: 'good' })).frames[0], { rooms: ['alice', 'staff'] }, 'another server has its own hooks')
    // Whom the hook gave another user rests on the token all the same.
    t.strictSame(server.symple.tokens.sort(), ['good', 'other'])
  })

  t.test('refuses with its own words, cut to fit into the close', async t => {
    const message = `Ask for access: ${'é'.repeat(100)}`
    const { url } = await startServer(t, {}, { authenticate: (_peer, { user }) => ({ allowed: false, ...(user === 'x' && { message }) }) })
    const refused = await refusal(t, url, { user: 'x', id: 'a1' })
    t.strictSame(refused.error, { type: 'error', status: 401, message, id: 'a1' })
    t.equal(refused.code, 4401)
    t.ok(message.startsWith(refused.reason) && Buffer.byteLength(refused.reason) >= 122, refused.reason)
    t.match(await refusal(t, url, { user: 'y' }), { error: { message: 'Authentication refused' }, reason: 'Authentication refused' })
  })

  t.test('that fails lets nobody in: 401 where it blames the client, else 503', async t => {
    const fail = (error: unknown) => () => { throw error }
    const status = (field: string, value: number) => Object.assign(new Error('S3cr3t'), { [field]: value })
    const cases: Array<[hook: unknown, status: number, code: number]> = [
      [fail(new Error('S3cr3t')), 503, 1013], [fail('S3cr3t'), 503, 1013], [fail(undefined), 503, 1013],
      [fail(status('statusCode', 500)), 503, 1013], [fail(status('statusCode', 401)), 401, 4401], [fail(status('status', 403)), 401, 4401],
      [fail(new SympleError(403, 'S3cr3t')), 401, 4401], [fail(new SympleError(503, 'S3cr3t')), 503, 1013], [fail(new SympleError(429, 'S3cr3t')), 503, 1013],
      [async () => { await tick(); throw new Error('S3cr3t') }, 503, 1013],
      [async () => { await tick(); throw status('statusCode', 401) }, 401, 4401],
      ['no function', 503, 1013],
      ...[
        undefined, null, true, 'yes', {}, [], { allowed: 1 }, { allowed: 'false' }, { allowed: true, rooms: 'lobby' }, { allowed: true, rooms: ['a', 7] },
        { allowed: true, rooms: ['a|b'] }, { allowed: true, user: 'a|b' }, { allowed: true, user: '' }, { allowed: true, user: 7 },
        { allowed: true, name: 'a\nb' }, { allowed: true, data: 'x' }, { allowed: true, data: { n: 1n } }, { allowed: true, data: [1] },
        { allowed: true, data: { x: 'x'.repeat(9000) } }, { allowed: true, rooms: Array.from({ length: 257 }, (_, i) => `r${i}`) },
        { allowed: true, user: null }, { allowed: true, rooms: null }
      ].map((result): [unknown, number, number] => [() => result, 503, 1013])
    ]
    const { url, server } = await startServer(t)
    for (const [hook, expected, code] of cases) {
      server.symple.authenticate = hook as Authenticate
      const refused = await refusal(t, url, { user: 'alice' })
      t.match(refused, { error: { type: 'error', status: expected }, code }, String(hook))
      t.notMatch(JSON.stringify(refused), /S3cr3t/)
    }
    const blamed = cases.filter(([, status]) => status === 401).length
    t.match(server.symple.stats.auths, { hook_failed: cases.length - blamed, refused: blamed, unavailable: 0 })
    server.symple.authenticate = null
    await connect(t, url, { user: 'alice' })
  })

  t.test('that hangs is not waited for, and delays nobody else', async t => {
    const authenticate: Authenticate = async (_peer, { user }) => user === 'alice' ? await never : { allowed: true }
    const { url } = await startServer(t, { SYMPLE_HOOK_TIMEOUT: '0.3' }, { authenticate })
    const hanging = refusal(t, url, { user: 'alice' })
    const bob = await connect(t, url, { user: 'bob' })
    await bob.barrier()
    t.match(await hanging, { error: { status: 503, message: 'Authentication unavailable' }, code: 1013 })
  })

  t.test('that answers when the client has gone, or too late, changes nothing', async t => {
    const answers: Array<(allowed: boolean | Error) => void> = []
    const requests: Array<WeakRef<object>> = []
    const authenticate: Authenticate = async (_peer, _auth, request) => {
      requests.push(new WeakRef(request))
      return await new Promise((resolve, reject) => {
        answers.push(allowed => { allowed instanceof Error ? reject(allowed) : resolve({ allowed, rooms: ['lobby'] }) })
      })
    }
    const { url, server } = await startServer(t, { SYMPLE_HOOK_TIMEOUT: '0.3' }, { authenticate })
    for (const answer of [true, false, new Error('late')]) {
      const gone = await open(t, url)
      gone.send({ type: 'auth', user: 'gone' })
      await eventually(() => answers.length === 1, 'the hook is asked')
      gone.ws.terminate()
      await eventually(() => server.symple.gauges.connections === 0, 'the server knows')
      answers.pop()!(answer)
      const late = refusal(t, url, { user: 'late' })
      await eventually(() => answers.length === 1, 'the hook is asked')
      t.match(await late, { code: 1013 })
      answers.pop()!(answer)
    }
    await tick()
    await eventually(() => server.symple.gauges.connections === 0, 'no connection is left')
    t.match(server.symple.gauges, { peers: 0, rooms: 0, users: 0 })
    t.match(server.symple.stats.auths, { abandoned: 3, hook_failed: 3, unavailable: 0, ok: 0 })
    await eventually(() => {
      collectGarbage()
      return requests.every(request => request.deref() === undefined)
    }, 'no request is held')
  })
})

t.test('authorizeJoin', async t => {
  t.test('decides about join and about rooms in auth, and about nothing else', async t => {
    const asked: string[] = []
    const { url, server } = await startServer(t, {}, {
      authorizeJoin: ({ user, rooms }, room) => {
        asked.push(`${user} in ${rooms.join('+')} to ${room}`)
        if (room === 'secret') return { allowed: false, message: 'Members only' }
        return room !== 'staff'
      }
    })
    const alice = await connect(t, url, { user: 'alice', rooms: ['lobby', 'secret', 'alice', 'staff', 'lobby', 'secret'] })
    t.strictSame(alice.frames[0]!.rooms, ['alice', 'lobby'])
    for (const room of ['den', 'secret', 'staff', 'lobby', 'alice', 'a|b']) alice.send({ type: 'join', room, id: room })
    alice.send({ type: 'leave', room: 'secret' })
    await alice.barrier()
    t.match(messagesAndAnswers(alice), [
      { type: 'join:ok', room: 'den' }, { type: 'error', status: 403, message: 'Members only', id: 'secret' },
      { type: 'error', status: 403, message: 'Join refused', id: 'staff' }, { type: 'join:ok', room: 'lobby' },
      { type: 'join:ok', room: 'alice' }, { type: 'error', status: 400, id: 'a|b' }, { type: 'leave:ok', room: 'secret' }
    ])
    t.strictSame(asked, [
      'alice in  to lobby', 'alice in  to secret', 'alice in  to staff', 'alice in lobby to den',
      'alice in lobby+den to secret', 'alice in lobby+den to staff'
    ])
    t.equal(server.symple.stats.drops.refused, 2)
    server.symple.authenticate = () => ({ allowed: true, rooms: ['secret'] })
    t.match((await connect(t, url, { user: 'bob' })).frames[0], { rooms: ['bob', 'secret'] }, 'what a hook gives is given')
  })

  t.test('may take its time: what the peer sends meanwhile waits, what others send does not', async t => {
    const answers: Array<(allowed: boolean) => void> = []
    const { url } = await startServer(t, {}, {
      authorizeJoin: async (peer) => peer.user !== 'alice' || await new Promise<boolean>(resolve => { answers.push(resolve) })
    })
    const bob = await connect(t, url, { user: 'bob', rooms: ['den'] })
    const alice = await connect(t, url, { user: 'alice' })
    alice.send({ type: 'join', room: 'den' })
    alice.send({ type: 'message', to: 'den', n: 1 })
    alice.send({ type: 'join', room: 'lobby' })
    alice.send({ type: 'message', to: 'den', n: 2 })
    await eventually(() => answers.length === 1, 'the hook is asked')
    await bob.barrier()
    t.strictSame(messages(bob), [])
    answers[0]!(true)
    t.match(await bob.find('message'), { n: 1 })
    await eventually(() => answers.length === 2, 'the hook is asked again')
    t.strictSame(messages(bob), [])
    answers[1]!(false)
    t.match(await bob.find('message'), { n: 2 })
    await alice.barrier()
    t.strictSame(messagesAndAnswers(alice).map(({ type }) => type), ['join:ok', 'error'])
  })

  t.test('that fails or hangs refuses; late answers and gone peers are nobody\'s harm', async t => {
    const { url, server } = await startServer(t, { SYMPLE_HOOK_TIMEOUT: '0.2' })
    const alice = await connect(t, url, { user: 'alice' })
    const hooks: unknown[] = [
      () => { throw new Error('S3cr3t') }, async () => { throw new Error('S3cr3t') }, () => undefined, () => null, () => 1, () => ({}),
      async () => await never
    ]
    for (const hook of hooks) {
      server.symple.authorizeJoin = hook as NonNullable<ServiceOptions['authorizeJoin']>
      alice.send({ type: 'join', room: 'den', id: 1 })
      t.strictSame(await alice.next(), { type: 'error', status: 403, message: 'Join refused', id: 1 }, String(hook))
      t.match((await connect(t, url, { user: 'bob', rooms: ['den'] })).frames[0], { rooms: ['bob'] })
    }
    let answer: ((allowed: boolean) => void) | null = null
    server.symple.authorizeJoin = async () => await new Promise(resolve => { answer = resolve })
    alice.send({ type: 'join', room: 'attic' })
    await eventually(() => answer !== null, 'the hook is asked')
    alice.ws.terminate()
    await eventually(() => server.symple.gauges.users === 1, 'only Bob is left')
    answer!(true)
    await tick()
    t.equal(server.symple.gauges.rooms, 0)
  })
})

/** What a client was told that is no presence. */
function messagesAndAnswers (client: TestClient): Frame[] {
  return client.take().filter(({ type }) => type !== 'presence')
}

t.test('authorizeMessage', async t => {
  /** Alice and Bob in a room, and what the hook was asked. */
  const scene = async (t: Test, env: Record<string, string> = {}) => {
    const { url, server } = await startServer(t, env)
    const [alice, bob] = [await connect(t, url, { user: 'alice', rooms: ['den'] }), await connect(t, url, { user: 'bob', rooms: ['den'] })]
    await settle(alice, bob)
    for (const client of [alice, bob]) client.take()
    return { url, symple: server.symple, alice, bob }
  }

  t.test('lets pass, drops or rewrites, whatever is routed', async t => {
    const { symple, alice, bob } = await scene(t)
    const asked: unknown[] = []
    symple.authorizeMessage = (peer, message) => {
      if (message['to'] === '') return true
      asked.push([peer.user, peer.rooms, message])
      if (message['drop'] === true) return false
      return message['rewrite'] === true ? { ...message, data: 'rewritten', rewrite: undefined } : true
    }
    const frame = { type: 'message', to: 'bob', from: 'eve|x', id: 1, data: { text: 'é😀' } }
    alice.send(frame)
    alice.send({ ...frame, id: 2, drop: true })
    alice.send({ ...frame, id: 3, rewrite: true })
    alice.send({ type: 'presence', data: { status: 'bad' }, drop: true })
    alice.send({ type: 'presence', to: 'bob', data: { status: 'good' } })
    alice.send({ type: 'event', to: ['den'], name: 'x' })
    alice.send({ type: 'command', to: bob.address, node: 'n', drop: true })
    for (const type of ['join', 'leave']) alice.send({ type, room: 'attic' })
    await settle(alice, bob)
    const from = alice.address
    t.strictSame(bob.take(), [
      { ...frame, from }, { ...frame, id: 3, data: 'rewritten', from },
      { type: 'presence', to: 'bob', from, data: { ...alice.peer, status: 'good' } }, { type: 'event', to: ['den'], name: 'x', from }
    ])
    t.strictSame(asked[0], ['alice', ['den'], { ...frame, from }], 'it is told who the sender is, whatever that says')
    t.equal(asked.length, 7)
    t.equal(symple.stats.drops.vetoed, 3)
    symple.authorizeMessage = null
    const carol = await connect(t, `ws://127.0.0.1:${new URL(bob.ws.url).port}/`, { user: 'carol', rooms: ['den'] })
    await carol.barrier()
    t.notOk('status' in carol.roster[from]!, 'a presence that was dropped is not published')
  })

  t.test('can not speak for another, nor for the server', async t => {
    const { symple, alice, bob } = await scene(t)
    const forgeries: unknown[] = [
      { type: 'message', to: 'bob', from: 'eve|x' }, { type: 'message', to: 'bob', from: { user: 'eve' } }, { type: 'message', to: 'bob', from: undefined },
      { type: 'presence', data: { id: 'x', user: 'eve', online: false, host: '::1', token: 'S3cr3t' }, from: 'eve|x', token: 'S3cr3t' },
      { type: 'event', to: 'bob', name: 'x', get from () { return 'eve|x' } },
      { type: 'message', to: 'bob', toJSON: () => ({ type: 'message', to: 'bob', from: 'eve|x' }) },
      JSON.parse('{"type":"message","to":"bob","__proto__":{"from":"eve|x"}}')
    ]
    for (const forgery of forgeries) {
      symple.authorizeMessage = (_peer, message) => message['to'] === '' ? true : forgery as object
      alice.send({ type: 'message', to: 'bob' })
      await settle(alice, bob)
      const [frame, ...rest] = bob.take()
      t.equal(frame!.from, alice.address)
      t.strictSame(rest, [])
      t.notMatch(JSON.stringify(frame), /S3cr3t/)
    }
    t.match(bob.roster[alice.address], { user: 'alice', online: true })
    const unroutable: unknown[] = [
      { type: 'welcome' }, { type: 'error', status: 401 }, { type: 'join', room: 'den' }, { type: 'close' }, { type: 'auth' }, {},
      { type: 'message', to: '' }, { type: 'message', to: 7 }, { type: 'presence', data: 7 }, { type: 'presence', data: { x: 'x'.repeat(9000) } },
      [], null, undefined, 1, 'x', { type: 'message', n: 1n }, Object.assign(Object.create(null), { toJSON: () => 7 })
    ]
    for (const wrong of unroutable) {
      const before = symple.stats.drops.hook_failed
      symple.authorizeMessage = (_peer, message) => message['to'] === '' ? true : wrong as object
      alice.send({ type: 'message', to: 'bob' })
      await settle(alice, bob)
      t.strictSame([alice.take(), bob.take(), symple.stats.drops.hook_failed], [[], [], before + 1])
    }
  })

  t.test('keeps each sender\'s order, however long it takes over each message', async t => {
    const { symple, alice, bob } = await scene(t)
    const carol = await connect(t, alice.ws.url, { user: 'carol', rooms: ['den'] })
    let held: (() => void) | null = null
    symple.authorizeMessage = async (peer, message) => {
      if (message['n'] === 'held') await new Promise<void>(resolve => { held = resolve })
      for (let i = 0; i < Number(message['n']) * 7 % 5; i++) await tick()
      return Number(message['n']) % 3 === 0 ? { ...message, by: peer.user } : true
    }
    const expected: unknown[] = []
    for (let n = 0; n < 200; n++) {
      alice.send({ type: 'message', to: 'bob', n })
      if (n % 20 === 0) alice.send({ type: 'join', room: `room-${n}` })
      expected.push(n)
    }
    alice.send({ type: 'message', to: 'bob', n: 'held' })
    alice.send({ type: 'message', to: 'bob', n: 'last' })
    await eventually(() => held !== null, 'the last but one is held')
    carol.send({ type: 'message', to: 'bob', n: 'meanwhile' })
    await bob.find(({ n }) => n === 'meanwhile')
    held!()
    await bob.find(({ n }) => n === 'last')
    const order = bob.frames.filter(({ from, type }) => type === 'message' && from === alice.address).map(({ n }) => n)
    t.strictSame(order, [...expected, 'held', 'last'])
    t.strictSame(bob.frames.filter(({ by }) => by === 'alice').length, 67)
    await alice.barrier()
    t.equal(alice.frames.filter(({ type }) => type === 'join:ok').length, 10)
  })

  t.test('lets nothing pass that it has not read', async t => {
    const { symple, alice, bob } = await scene(t)
    symple.authorizeMessage = (_peer, message) => message['data'] === 'good'
    const frame = once(bob.ws, 'message')
    alice.ws.send('{"type":"message","to":"bob","data":"bad","data":"good"}')
    const [bytes] = await frame as [Buffer]
    t.notMatch(String(bytes), 'bad', 'of a key that stands twice, a client might take the first')
    t.strictSame(JSON.parse(String(bytes)), { type: 'message', to: 'bob', data: 'good', from: alice.address })
  })

  t.test('that takes its time has the message go on as it came, whatever comes meanwhile', async t => {
    const { symple, alice, bob } = await scene(t)
    let answer: ((verdict: boolean) => void) | null = null
    symple.authorizeMessage = async peer => peer.user === 'bob' || await new Promise<boolean>(resolve => { answer = resolve })
    const text = 'alice '.repeat(1000)
    alice.send({ type: 'message', to: 'bob', text })
    await eventually(() => answer !== null, 'the hook is asked')
    bob.send({ type: 'message', to: 'alice', text: 'bob, '.repeat(2000) })
    await alice.find('message')
    answer!(true)
    t.match(await bob.find('message'), { text })
  })

  t.test('that fails or hangs drops that message, and no other', async t => {
    const { symple, alice, bob } = await scene(t, { SYMPLE_HOOK_TIMEOUT: '0.2' })
    const faults: Record<string, () => unknown> = {
      throws: () => { throw new Error('S3cr3t') },
      rejects: async () => { throw new Error('S3cr3t') },
      hangs: async () => await never
    }
    symple.authorizeMessage = (_peer, message) => faults[message['fault'] as string]?.() as boolean ?? true
    for (const fault of ['throws', 'rejects', 'hangs', 'none']) {
      alice.send({ type: 'message', to: 'bob', fault })
      bob.send({ type: 'message', to: 'alice', after: fault })
      t.match(await alice.find('message'), { after: fault }, 'others are not held up')
    }
    t.match(await bob.find('message'), { fault: 'none' })
    await alice.barrier()
    t.equal(symple.stats.drops.hook_failed, 3)
    t.strictSame(alice.frames.filter(({ type, id }) => type === 'error' && !String(id).startsWith('barrier')), [])
  })

  t.test('that answers when the connection of the sender has broken sends nothing', async t => {
    const { url, symple, bob } = await scene(t)
    const carol = await (await openRaw(t, Number(new URL(url).port))).authenticate({ user: 'carol', rooms: ['den'] })
    let answer: ((verdict: boolean) => void) | null = null
    symple.authorizeMessage = async peer => peer.user === 'bob' || await new Promise<boolean>(resolve => { answer = resolve })
    carol.write(frame(JSON.stringify({ type: 'message', to: 'bob' })))
    await eventually(() => answer !== null, 'the hook is asked')
    carol.reset()
    await bob.find(({ type, data }) => type === 'presence' && !(data as PeerObject).online)
    answer!(true)
    await bob.barrier()
    t.strictSame(bob.take(), [])
    t.equal(symple.stats.drops.unknown_sender, 1)
  })
})

t.test('what onAuthorize gets for the client refuses what it can not send', async t => {
  const { url, server } = await startServer(t)
  const thrown: unknown[] = []
  const attempt = (act: () => void) => {
    try {
      act()
    } catch (error) {
      thrown.push(error instanceof TypeError ? error.message : error)
    }
  }
  const cyclic: Record<string, unknown> = { type: 'event' }
  cyclic['self'] = cyclic
  server.symple.onAuthorize = socket => {
    for (const message of ['{"type":"event"}', undefined, null, [], cyclic, { type: 'event', n: 1n }, {}, { type: 1 }]) {
      attempt(() => { socket.send(message as object) })
    }
    for (const reason of [1, null, 'x'.repeat(124)]) attempt(() => { socket.disconnect(reason as string) })
    socket.send({ type: 'event', name: 'last', at: new Date(0) })
  }
  const alice = await connect(t, url, { user: 'alice' })
  t.strictSame(await alice.next(), { type: 'event', name: 'last', at: '1970-01-01T00:00:00.000Z' })
  t.strictSame(thrown, [
    ...Array<string>(6).fill('message must be an object that can be JSON'),
    ...Array<string>(2).fill('message must have a string type'),
    ...Array<string>(3).fill('reason must be a string of at most 123 bytes')
  ])
  await alice.barrier()
})

t.test('onAuthorize is called once a client is in, with a way to it', async t => {
  const { url, server } = await startServer(t)
  const { symple } = server
  await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  symple.onAuthorize = async (socket, peer) => {
    socket.send({ type: 'event', name: 'hello', from: 'server', to: peer.id })
    if (peer.user === 'mallory') socket.disconnect('No')
    else await symple.join(peer.id, `of-${peer.user}`)
  }
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  await alice.find('join:ok')
  t.strictSame(alice.frames.map(({ type, room, from }) => room ?? (type === 'event' ? from : type)), ['welcome', 'presence', 'server', 'of-alice'])
  const mallory = await open(t, url)
  mallory.send({ type: 'auth', user: 'mallory' })
  t.strictSame(await mallory.closed, { code: 4403, reason: 'No' })
  t.match(mallory.frames, [{ type: 'welcome' }, { type: 'event' }, { type: 'error', status: 403, message: 'No' }])
  for (const hook of [() => { throw new Error('x') }, async () => { throw new Error('x') }, async () => await never]) {
    symple.onAuthorize = hook
    await (await connect(t, url, { user: 'carol' })).barrier()
  }
})
