import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { SympleConnection } from '../src/client/index.js'
import { connect, eventually, settle, startServer } from './helper.js'
import { asymmetric, ec, ed25519, hmac, inSeconds, pem, rsa, tokenOf, unsigned, type KeyPair, type Sign } from './issuer.js'
import { startProcess, type LogLine } from './process.js'
import { refused, startSessionServer, told } from './session-server.js'

const SECRET = 'a-secret-of-thirty-two-bytes-and-more'
const INFO = 30
const WARN = 40

const HS256 = { alg: 'HS256', typ: 'JWT' }
const signed = (claims: object): string => tokenOf(HS256, claims, hmac(SECRET))

async function startJwtServer (t: Test, env: Record<string, string> = { SYMPLE_JWT_SECRET: SECRET }) {
  return await startServer(t, { SYMPLE_AUTHENTICATION: 'true', SYMPLE_RATE_LIMIT: '0', ...env })
}

t.test('lets in who brings a token, as what its claims say, and in its rooms alone', async t => {
  const { url } = await startJwtServer(t)
  const claims = { sub: 'alice', name: 'Alice', rooms: ['staff', 'alice', 'staff'], exp: inSeconds(60), email: 'private', data: { private: 1 }, type: 'x' }
  const alice = await connect(t, url, { token: signed(claims), name: 'Eve', rooms: ['secret'], data: { mood: 'sunny' } })
  const peer = { id: alice.peer.id, user: 'alice', name: 'Alice', online: true, host: '127.0.0.1', mood: 'sunny' }
  t.strictSame(alice.frames[0], { type: 'welcome', protocol: 'symple/4', status: 200, peer, rooms: ['alice', 'staff'] })
  alice.send({ type: 'presence', data: { name: 'Eve', user: 'eve' } })
  const bob = await connect(t, url, { token: signed({ sub: 'bob', rooms: ['staff'] }), user: 'bob' })
  await settle(alice, bob)
  t.equal(bob.peer.name, 'bob')
  t.match(bob.roster[alice.address], { user: 'alice', name: 'Alice' })
  t.notMatch(told(alice, bob), /private/)
})

t.test('takes a user, in auth, that is the token\'s, and refuses any other', async t => {
  const { url } = await startJwtServer(t)
  const token = signed({ sub: 'alice' })
  for (const user of [null, '', 'alice']) t.equal((await connect(t, url, { token, user })).peer.user, 'alice')
  for (const user of ['bob', 'Alice', 'alice ']) {
    t.match(await refused(t, url, { token, user, id: 7 }), { frames: [{ type: 'error', status: 401, id: 7 }], code: 4401 })
  }
  t.match(await refused(t, url, { user: 'alice' }), { frames: [{ status: 401, message: 'Token required' }], code: 4401 })
})

t.test('finds claims by name, also inside others', async t => {
  const { url } = await startJwtServer(t, {
    SYMPLE_JWT_SECRET: SECRET,
    SYMPLE_JWT_USER_CLAIM: 'email',
    SYMPLE_JWT_NAME_CLAIM: 'profile.nick',
    SYMPLE_JWT_ROOMS_CLAIM: 'https://example.com/rooms',
    SYMPLE_JWT_DATA_CLAIM: 'profile.public'
  })
  const alice = await connect(t, url, {
    token: signed({
      sub: 'x',
      email: 'alice@example.com',
      profile: { nick: 'Al', public: { team: 'red', token: 'hidden', id: 'hidden' }, other: 'hidden' },
      'https://example.com/rooms': ['staff']
    })
  })
  t.match(alice.frames[0], { peer: { user: 'alice@example.com', name: 'Al', team: 'red' }, rooms: ['alice@example.com', 'staff'] })
  t.notMatch(told(alice), /hidden/)
  for (const claims of [{ sub: 'alice' }, { email: { length: 1 } }, { __proto__: { email: 'alice' } }]) {
    t.match(await refused(t, url, { token: signed(claims) }), { code: 4401 })
  }
})

t.test('checks with each kind of key', async t => {
  const cases: Array<[pair: KeyPair, signatures: Record<string, Sign>]> = []
  const [r, p256, p384, p521, ed] = [rsa(), ec(), ec('P-384'), ec('P-521'), ed25519()]
  cases.push(
    [r, { RS256: asymmetric(r), RS384: asymmetric(r, 'sha384'), RS512: asymmetric(r, 'sha512') }],
    [p256, { ES256: asymmetric(p256) }],
    [p384, { ES384: asymmetric(p384, 'sha384') }],
    [p521, { ES512: asymmetric(p521, 'sha512') }],
    [ed, { EdDSA: asymmetric(ed, null), Ed25519: asymmetric(ed, null) }]
  )
  for (const [pair, signatures] of cases) {
    const { url } = await startJwtServer(t, { SYMPLE_JWT_PUBLIC_KEY: pem(pair) })
    for (const [alg, signature] of Object.entries(signatures)) {
      t.equal((await connect(t, url, { token: tokenOf({ alg }, { sub: 'alice' }, signature) })).peer.user, 'alice', alg)
    }
  }
  const { url } = await startJwtServer(t, { SYMPLE_JWT_SECRET: SECRET.repeat(2), SYMPLE_JWT_ALGORITHMS: 'HS384,HS512' })
  for (const [alg, bits, good] of [['HS256', 256, false], ['HS384', 384, true], ['HS512', 512, true]] as const) {
    const token = tokenOf({ alg }, { sub: 'alice' }, hmac(SECRET.repeat(2), bits))
    if (good) t.ok(await connect(t, url, { token }), alg)
    else t.match(await refused(t, url, { token }), { code: 4401 })
  }
})

t.test('refuses with 401 and 4401 what is forged or not for it, and logs why', async t => {
  const [issuer, stranger, other] = [rsa(), rsa(), ec()]
  const server = await startProcess(t, {
    SYMPLE_AUTHENTICATION: 'true',
    SYMPLE_JWT_PUBLIC_KEY: pem(issuer),
    SYMPLE_JWT_ISSUER: 'https://issuer.example',
    SYMPLE_JWT_AUDIENCE: 'chat,video',
    SYMPLE_JWT_LEEWAY: '5'
  })
  const claims = { sub: 'alice', iss: 'https://issuer.example', aud: 'chat', exp: inSeconds(600) }
  const [rs256, sign] = [{ alg: 'RS256' }, asymmetric(issuer)]
  const good = tokenOf(rs256, claims, sign)
  const [header, body, signature] = good.split('.') as [string, string, string]
  const eve = tokenOf(rs256, { ...claims, sub: 'eve' }, sign).split('.')
  const key = pem(issuer)
  const der = issuer.publicKey.export({ type: 'spki', format: 'der' })
  const jwk = stranger.publicKey.export({ format: 'jwk' })
  const with_ = (changes: object) => tokenOf(rs256, { ...claims, ...changes }, sign)
  const cases: Array<[what: string, token: string, detail: string]> = [
    ['nobody signed it', tokenOf({ alg: 'none' }, claims, unsigned), 'algorithm not allowed'],
    ['nobody signed it, in other words', tokenOf({ alg: 'None' }, claims, unsigned), 'algorithm not allowed'],
    ['nobody signed it, with a signature', tokenOf({ alg: 'none' }, claims, sign), 'algorithm not allowed'],
    ['the signature is missing', `${header}.${body}.`, 'bad signature'],
    ['the public key as a secret', tokenOf({ alg: 'HS256' }, claims, hmac(key)), 'algorithm not allowed'],
    ['the public key as a secret, trimmed', tokenOf({ alg: 'HS256' }, claims, hmac(key.trim())), 'algorithm not allowed'],
    ['the public key as a secret, in DER', tokenOf({ alg: 'HS512' }, claims, hmac(der, 512)), 'algorithm not allowed'],
    ['somebody else\'s key', tokenOf(rs256, claims, asymmetric(stranger)), 'bad signature'],
    ['a key that it brings along', tokenOf({ ...rs256, jwk, kid: '1' }, claims, asymmetric(stranger)), 'bad signature'],
    ['a key at an address that it names', tokenOf({ ...rs256, jku: 'http://127.0.0.1/keys' }, claims, asymmetric(stranger)), 'bad signature'],
    ['another kind of key', tokenOf({ alg: 'ES256' }, claims, asymmetric(other)), 'algorithm not allowed'],
    ['claims of another token', `${header}.${eve[1]}.${signature}`, 'bad signature'],
    ['no algorithm', tokenOf({}, claims, sign), 'malformed'],
    ['an extension that must be understood', tokenOf({ ...rs256, crit: ['b64'], b64: false }, claims, sign), 'malformed'],
    ['a header that is no JSON', tokenOf('RS256', claims, sign), 'malformed'],
    ['claims that are no object', tokenOf(rs256, '["alice"]', sign), 'malformed'],
    ['two parts', `${header}.${body}`, 'malformed'],
    ['an encrypted token', `${good}.${body}.${body}`, 'malformed'],
    ['another issuer', with_({ iss: 'https://issuer.example.evil' }), 'wrong issuer'],
    ['no issuer', with_({ iss: undefined }), 'no issuer'],
    ['another audience', with_({ aud: 'files' }), 'wrong audience'],
    ['other audiences', with_({ aud: ['files', 'chat2'] }), 'wrong audience'],
    ['no audience', with_({ aud: undefined }), 'no audience'],
    ['expired', with_({ exp: inSeconds(-6) }), 'expired'],
    ['long expired', with_({ exp: 0 }), 'expired'],
    ['not valid yet', with_({ nbf: inSeconds(60) }), 'not valid yet'],
    ['an end that is no time', with_({ exp: 'tomorrow' }), 'malformed']
  ]
  for (const [what, token, detail] of cases) {
    const lines = () => server.log.filter(({ msg }) => msg === 'refused')
    const before = lines().length
    const { frames, code } = await refused(t, server.url, { token, id: 1 })
    t.match(frames, [{ type: 'error', status: 401, message: detail === 'expired' ? 'Token expired' : 'Invalid token', id: 1 }], what)
    t.strictSame([frames.length, code], [1, 4401])
    await server.until(() => lines().length > before, 'the line')
    t.match(lines()[before], { level: INFO, status: 401, reason: frames[0]!.message, detail, host: '127.0.0.1' }, what)
    t.notOk(server.log.some(line => JSON.stringify(line).includes(token.split('.')[1]!)), 'the token is not logged')
  }
  for (const changes of [{}, { aud: ['files', 'video'] }, { exp: inSeconds(-2) }, { nbf: inSeconds(4) }, { exp: undefined }]) {
    const { peer } = await connect(t, server.url, { token: with_(changes) }).catch(() => ({ peer: undefined }))
    // A token within the leeway lets its peer in, whom it ends soon.
    t.equal(peer?.user, 'alice', JSON.stringify(changes))
  }
})

t.test('refuses claims that nobody may have, and logs that the issuer is to blame', async t => {
  const server = await startProcess(t, {
    SYMPLE_AUTHENTICATION: 'true', SYMPLE_JWT_SECRET: SECRET, SYMPLE_JWT_DATA_CLAIM: 'data', SYMPLE_MAX_ROOMS_PER_PEER: '3'
  })
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
  const cases: Array<[claims: object | string, fault: RegExp]> = [
    [{}, /no user/], [{ sub: '' }, /no user/], [{ sub: null }, /no user/],
    ...[7, true, {}, ['alice'], 'a|b', 'auth0|x', 'a\n', '\0', 'x'.repeat(257)].map((sub): [object, RegExp] => [{ sub }, /its user/]),
    ...[7, {}, ['Alice'], 'A\n', 'x'.repeat(257)].map((name): [object, RegExp] => [{ sub: 'a', name }, /its name/]),
    ...['staff', {}, 7, [7], [null], [''], ['a|b'], ['a\n'], ['x'.repeat(257)]]
      .map((rooms): [object, RegExp] => [{ sub: 'a', rooms }, /its rooms/]),
    [{ sub: 'a', rooms: ['1', '2', '3', '4'] }, /too many rooms/],
    ...['x', 7, ['x']].map((data): [object, RegExp] => [{ sub: 'a', data }, /its data are no object/]),
    [{ sub: 'a', data: { text: 'x'.repeat(8192) } }, /its data are too large/],
    [`{"sub":"a","data":{"x":${deep}}}`, /nested too deeply/]
  ]
  for (const [claims, fault] of cases) {
    const blames = () => server.log.filter(({ level, msg }) => level === WARN && msg === 'authentication failed')
    const before = blames().length
    const text = typeof claims === 'string' ? claims : JSON.stringify(claims)
    const { frames, code } = await refused(t, server.url, { token: tokenOf(HS256, claims, hmac(SECRET)) })
    t.match(frames, [{ type: 'error', status: 401, message: 'Invalid token' }], text.slice(0, 60))
    t.strictSame([frames.length, code], [1, 4401])
    await server.until(() => blames().length > before, 'the blame')
    t.match((blames()[before] as LogLine & { err: { message: string } }).err.message, fault)
  }
  await connect(t, server.url, { token: signed({ sub: 'a', name: null, rooms: null, data: null }) })
  await connect(t, server.url, { token: signed({ sub: 'a', rooms: ['1', '2', '3', 'a'] }) })
})

t.test('ends a peer whose token expires, unless it has sent a fresh one before', async t => {
  const { url } = await startJwtServer(t, { SYMPLE_JWT_SECRET: SECRET, SYMPLE_JWT_LEEWAY: '0' })
  const token = (sub: string, exp: number, rooms = ['lobby']) => signed({ sub, exp: inSeconds(exp), rooms })
  const [bob, endless] = [await connect(t, url, { token: token('bob', 3600) }), await connect(t, url, { token: signed({ sub: 'carol' }) })]
  const [alice, dave] = [await connect(t, url, { token: token('alice', 2) }), await connect(t, url, { token: token('dave', 2) })]
  alice.send({ type: 'auth', token: token('alice', 3600, ['lobby', 'den']), id: 1 })
  t.match(await alice.find(({ type }) => type === 'welcome' || type === 'error'), { peer: { id: alice.peer.id }, rooms: ['alice', 'lobby', 'den'] })
  t.match(await dave.closed, { code: 4401, reason: 'Token expired' })
  t.strictSame(dave.frames.at(-1), { type: 'error', status: 401, message: 'Token expired' })
  await settle(alice, bob, endless)
  t.strictSame(Object.keys(bob.roster), [alice.address])
  t.match(await refused(t, url, { token: token('dave', 0) }), { frames: [{ message: 'Token expired' }] })
})

t.test('serves the reference client, which stays the same peer with the token that it gets next', async t => {
  const { url } = await startJwtServer(t, { SYMPLE_JWT_SECRET: SECRET, SYMPLE_REFRESH_INTERVAL: '0' })
  const bob = await connect(t, url, { token: signed({ sub: 'bob', rooms: ['one', 'two'] }) })
  const tokens = [
    signed({ sub: 'alice', rooms: ['one'] }), signed({ sub: 'alice', rooms: ['two'] }), signed({ sub: 'eve' }), signed({ sub: 'alice' })
  ]
  const alice = new SympleConnection(url, { WebSocket, token: () => tokens.shift()! })
  t.teardown(() => { alice.close() })
  const { peer } = await alice.connect()
  await eventually(() => alice.roster.size === 1, 'she sees bob')
  t.match(await alice.refresh(), { peer: { id: peer.id }, rooms: ['alice', 'two'] })
  await t.rejects(alice.refresh(), /not this user/)
  t.strictSame([alice.state, alice.roster.size, [...alice.rooms]], ['online', 1, ['alice', 'two']])
  t.strictSame((await alice.refresh()).rooms, ['alice'])
  await eventually(() => alice.roster.size === 0, 'she sees nobody')
  await bob.barrier()
  t.strictSame(bob.roster, {})
})

t.test('looks for sessions under what has not the form of a JSON Web Token, and only then', async t => {
  const { url, write, backend } = await startSessionServer(t, { SYMPLE_JWT_SECRET: SECRET, SYMPLE_SESSION_CHECK: '0.1' })
  const forged = tokenOf(HS256, { sub: 'eve' }, hmac('x'.repeat(32)))
  const bare = tokenOf({ alg: 'none' }, { sub: 'eve' }, unsigned)
  for (const token of ['plain', 'a.b', 'a.b.c.d', forged, bare, 'a.b.c']) await write(token, { user: 'alice' })
  for (const token of ['plain', 'a.b', 'a.b.c.d']) t.equal((await connect(t, url, { token })).peer.user, 'alice')
  for (const token of [forged, bare, 'a.b.c', 'unknown', undefined]) {
    t.match(await refused(t, url, { token }), { frames: [{ status: 401 }], code: 4401 }, String(token))
  }
  const bob = await connect(t, url, { token: signed({ sub: 'bob', exp: inSeconds(600) }) })
  const [alice, other] = [await connect(t, url, { token: 'plain' }), await connect(t, url, { token: 'a.b' })]
  t.comment('a peer can go from the one to the other')
  alice.send({ type: 'auth', token: signed({ sub: 'alice' }) })
  t.match(await alice.find(({ type }) => type === 'welcome' || type === 'error'), { type: 'welcome' })
  await backend.flushall()
  t.match(await other.closed, { code: 4401 }, 'sessions have been looked at')
  await settle(alice, bob)
})

t.test('refuses tokens without the form, where there are no sessions', async t => {
  const { url } = await startJwtServer(t)
  for (const token of ['plain', 'a.b', '..', 'é.é.é', 'x'.repeat(10_000)]) {
    t.match(await refused(t, url, { token }), { frames: [{ status: 401, message: 'Invalid token' }], code: 4401 })
  }
})
