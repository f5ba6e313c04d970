import t, { type Test } from 'tap'
import { JwtAuthenticator } from '../plugins/jwt.js'
import { SympleError } from '../src/core/errors.js'
import { resolveLimits } from '../src/core/limits.js'
import { silent } from '../src/core/logger.js'
import { connect, eventually } from './helper.js'
import { asymmetric, ec, hmac, inSeconds, pem, rsa, startKeyServer, tokenOf, type KeyPair, type KeyServer } from './issuer.js'
import { startProcess } from './process.js'
import { refused } from './session-server.js'

const WARN = 40
const MINUTE = 60

const tokenBy = (pair: KeyPair, kid?: string, sub = 'alice'): string =>
  tokenOf({ alg: pair.publicKey.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256', kid }, { sub }, asymmetric(pair))

/** What checks tokens with the keys of a server, with a clock that goes when it is told to. */
function setUp (t: Test, keys: KeyServer) {
  let now = 0
  const jwt = new JwtAuthenticator({
    config: {
      key: { kind: 'jwks', url: new URL(keys.url) },
      algorithms: ['RS256', 'ES256'],
      issuers: [],
      audiences: [],
      claims: { user: 'sub', name: 'name', rooms: 'rooms', data: undefined },
      leeway: 0
    },
    limits: resolveLimits(),
    log: silent,
    now: () => now
  })
  t.teardown(() => { jwt.close() })
  return {
    jwt,
    pass (seconds: number): void {
      now += seconds * 1000
    },
    /** What comes of a token: its user, or why it is refused. */
    async check (token: string): Promise<string> {
      const auth = { user: undefined, name: undefined, token, rooms: [], data: {} }
      try {
        return (await jwt.authenticate(auth, { host: '127.0.0.1' })).user!
      } catch (error) {
        if (!(error instanceof SympleError)) throw error
        return `${error.status} ${error.detail ?? error.message}`
      }
    }
  }
}

t.test('gets the keys before anybody comes, once, and knows which is which', async t => {
  const [one, two, stranger] = [ec(), rsa(), ec()]
  const keys = await startKeyServer(t, { one, two })
  const { check } = setUp(t, keys)
  await eventually(() => keys.requests === 1, 'a request')
  const results = await Promise.all([
    tokenBy(one, 'one'), tokenBy(two, 'two'), tokenBy(one), tokenBy(two), tokenBy(stranger, 'one'), tokenBy(one, 'two')
  ].map(check))
  t.strictSame(results, ['alice', 'alice', 'alice', 'alice', '401 bad signature', '401 unknown key'])
  t.equal(keys.requests, 1)
})

t.test('tries all keys that fit a token which names none', async t => {
  const [one, two, stranger] = [ec(), ec(), ec()]
  const { check } = setUp(t, await startKeyServer(t, { one, two }))
  for (const pair of [one, two]) t.equal(await check(tokenBy(pair)), 'alice')
  t.equal(await check(tokenBy(stranger)), '401 bad signature')
})

t.test('passes over keys that can not be used while it tries', async t => {
  const [small, good, stranger] = [rsa(1024), rsa(), rsa()]
  const { check } = setUp(t, await startKeyServer(t, { small, good }))
  t.equal(await check(tokenBy(good)), 'alice')
  for (const pair of [small, stranger]) t.equal(await check(tokenBy(pair)), '401 bad signature')
  const past = tokenOf({ alg: 'RS256' }, { sub: 'alice', exp: inSeconds(-60) }, asymmetric(good))
  t.equal(await check(past), '401 expired', 'what is wrong with a token is said')
})

t.test('takes no secret, and no key that is none, from the set', async t => {
  const secret = Buffer.alloc(64, 's')
  const keys = await startKeyServer(t)
  const { kty, e } = rsa().publicKey.export({ format: 'jwk' })
  keys.answer = {
    body: JSON.stringify({
      keys: [
        { kty: 'oct', kid: 'secret', k: secret.toString('base64url') }, { kty, e, kid: 'broken', n: 'AQAB' },
        { ...rsa(1024).publicKey.export({ format: 'jwk' }), kid: 'small' }, { kty: 'unheard of', kid: 'new' },
        { ...rsa().publicKey.export({ format: 'jwk' }), kid: 'good' }
      ]
    })
  }
  const { check } = setUp(t, keys)
  t.equal(await check(tokenOf({ alg: 'HS256', kid: 'secret' }, { sub: 'alice' }, hmac(secret))), '401 algorithm not allowed')
  for (const kid of ['broken', 'small']) t.match(await check(tokenBy(rsa(), kid)), /^401 /, kid)
  t.match(await check(tokenBy(rsa(), 'new')), '401 unknown key')
})

t.test('finds keys that come later, and has those that are withdrawn out within ten minutes of use', async t => {
  const [one, two, three] = [ec(), ec(), ec()]
  const keys = await startKeyServer(t, { one })
  const { check, pass } = setUp(t, keys)
  t.equal(await check(tokenBy(one, 'one')), 'alice')
  keys.keys.set('two', two)
  t.equal(await check(tokenBy(two, 'two')), '401 unknown key', 'the set has been got a moment ago')
  pass(10)
  t.equal(await check(tokenBy(two, 'two')), 'alice')
  t.equal(keys.requests, 2)

  t.comment('under the same name')
  keys.keys.set('one', three)
  pass(10)
  t.equal(await check(tokenBy(three, 'one')), 'alice')
  t.equal(await check(tokenBy(one, 'one')), '401 bad signature')

  t.comment('after a while, without a reason to ask')
  keys.keys.delete('two')
  pass(5 * MINUTE)
  const { requests } = keys
  t.equal(await check(tokenBy(two, 'two')), 'alice', 'nobody waits')
  await eventually(() => keys.requests > requests, 'a request')
  await eventually(async () => await check(tokenBy(two, 'two')) === '401 unknown key', 'it is gone')
  keys.keys.delete('one')
  keys.keys.set('four', ec())
  pass(10 * MINUTE)
  t.equal(await check(tokenBy(three, 'one')), '401 unknown key', 'what is so old nobody uses')
})

t.test('finds the key that takes the place of one that can not be used, under the same name', async t => {
  const mended = rsa()
  const keys = await startKeyServer(t, { one: rsa(1024), two: ec() })
  const { check, pass } = setUp(t, keys)
  const token = tokenBy(mended, 'one')
  t.equal(await check(token), '401 the key can not be used')
  keys.keys.set('one', mended)
  t.equal(await check(token), '401 the key can not be used', 'the set has been got a moment ago')
  pass(10)
  t.equal(await check(token), 'alice')
  t.equal(keys.requests, 2)
})

t.test('asks no more than once in ten seconds, whatever comes', async t => {
  const keys = await startKeyServer(t, { one: ec() })
  const { check, pass } = setUp(t, keys)
  const stranger = ec()
  for (let i = 0; i < 5; i++) {
    const results = await Promise.all(Array.from({ length: 50 }, async (_, j) => await check(tokenBy(stranger, `${j}`))))
    t.strictSame([...new Set(results)], ['401 unknown key'])
    t.equal(keys.requests, i + 1)
    pass(10)
  }
  await keys.stop()
  for (let i = 0; i < 50; i++) t.equal(await check(tokenBy(stranger, 'x')), '503 Keys of tokens unavailable')
})

t.test('goes on with the keys that it has while the URL says nothing of use', async t => {
  const [one, two] = [ec(), ec()]
  const elsewhere = await startKeyServer(t, { two })
  const key = { ...two.publicKey.export({ format: 'jwk' }), kid: 'two' }
  const unusable = [
    { kty: 'EC', kid: 'two' }, { kty: 'oct', k: 'c2VjcmV0' }, rsa(1024).publicKey.export({ format: 'jwk' }),
    { ...key, use: 'enc' }, two.privateKey.export({ format: 'jwk' })
  ]
  const answers = {
    'an error': { status: 500, body: '{"keys":[]}' },
    'nothing there': { status: 404, body: '{}' },
    'no content': { status: 204, body: '' },
    'no JSON': { body: '<html>' },
    'no keys': { body: '{}' },
    'no set': { body: '[]' },
    'an empty set': { body: '{"keys":[]}' },
    'keys that are none': { body: '{"keys":["x"]}' },
    'a key without anything': { body: '{"keys":[{}]}' },
    'keys that can not be used': { body: JSON.stringify({ keys: unusable }) },
    'too much': { body: JSON.stringify({ keys: [], x: 'x'.repeat(300_000) }) },
    'another place': { status: 302, location: elsewhere.url }
  }
  for (const [what, answer] of Object.entries(answers)) {
    t.test(what, async t => {
      const keys = await startKeyServer(t, { one })
      const { check, pass } = setUp(t, keys)
      t.equal(await check(tokenBy(one, 'one')), 'alice')
      keys.answer = answer
      for (const seconds of [10, 5 * MINUTE, 10 * MINUTE, 1e6]) {
        pass(seconds)
        t.equal(await check(tokenBy(one, 'one')), 'alice')
        t.equal(await check(tokenBy(two, 'two')), '503 Keys of tokens unavailable', 'it may be a new one')
        t.equal(await check(tokenBy(two, 'one')), '401 bad signature', 'it is not')
      }
      keys.answer = null
      keys.keys.set('two', two)
      pass(10)
      for (const [pair, kid] of [[two, 'two'], [one, 'one']] as const) t.equal(await check(tokenBy(pair, kid)), 'alice')
    })
  }
})

t.test('waits for an answer for a bounded time, once, and with nothing that is known', async t => {
  const [one, two] = [ec(), ec()]
  const keys = await startKeyServer(t, { one })
  const { check, pass } = setUp(t, keys)
  t.equal(await check(tokenBy(one, 'one')), 'alice')
  keys.silent = true
  pass(5 * MINUTE)
  const unknown = check(tokenBy(two, 'two'))
  t.equal(await Promise.race([check(tokenBy(one, 'one')), unknown]), 'alice')
  t.equal(await unknown, '503 Keys of tokens unavailable')
  pass(10 * MINUTE)
  const again = check(tokenBy(two, 'two'))
  t.equal(await Promise.race([check(tokenBy(one, 'one')), again]), 'alice', 'old keys are used at once: it was tried')
  keys.silent = false
})

t.test('gives up what is under way when the server closes', async t => {
  const keys = await startKeyServer(t, { one: ec() })
  keys.silent = true
  const { jwt, check } = setUp(t, keys)
  const waiting = check(tokenBy(ec(), 'one'))
  await eventually(() => keys.requests === 1, 'a request')
  jwt.close()
  t.equal(await waiting, '503 Keys of tokens unavailable')
})

t.test('a server that is told the URL', async t => {
  const [one, stranger] = [ec(), ec()]
  const keys = await startKeyServer(t, { one })
  const env = { SYMPLE_AUTHENTICATION: 'true', SYMPLE_JWT_JWKS_URL: `${keys.url}?password=hunter2` }
  const server = await startProcess(t, env)
  t.equal((await connect(t, server.url, { token: tokenBy(one, 'one') })).peer.user, 'alice')
  for (const token of [tokenBy(stranger, 'one'), tokenOf({ alg: 'HS256', kid: 'one' }, { sub: 'alice' }, hmac(pem(one)))]) {
    t.match(await refused(t, server.url, { token }), { frames: [{ status: 401, message: 'Invalid token' }], code: 4401 })
  }
  await keys.stop()
  t.equal((await connect(t, server.url, { token: tokenBy(one, 'one') })).peer.user, 'alice')

  const late = await startProcess(t, env)
  t.match(await refused(t, late.url, { token: tokenBy(one, 'one') }), { frames: [{ status: 503, message: /./ }], code: 1013 })
  await late.logged(({ level, msg }) => level === WARN && msg === 'can not be fetched', 'the operator is told')
  t.notMatch(late.stdout, /hunter2/)
})
