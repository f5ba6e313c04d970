import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import type { JwtConfig } from '../plugins/jwt-config.js'
import { createIdentity } from './certificate.js'
import { ec, ed25519, pem, rsa } from './issuer.js'
import { temporaryFolder } from './process.js'
import { isolate, PASSWORD, read, refuses } from './read-config.js'

const ON = { SYMPLE_AUTHENTICATION: 'true' }
const SECRET = `${PASSWORD}-0123456789abcdef`
const REDIS = 'redis://127.0.0.1:6379'

isolate(t)

async function jwt (env: Record<string, string>): Promise<JwtConfig> {
  return (await read({ ...ON, ...env })).jwt!
}

async function refusesJwt (t: Test, variable: string, env: Record<string, string>): Promise<void> {
  await refuses(t, variable, { ...ON, ...env })
}

t.test('there are no JSON Web Tokens without a key', async t => {
  t.equal((await read()).jwt, undefined)
  t.equal((await read({ ...ON, SYMPLE_REDIS_URL: REDIS })).jwt, undefined)
  t.equal((await read({ ...ON, SYMPLE_REDIS_URL: REDIS, SYMPLE_JWT_SECRET: '' })).jwt, undefined)
  for (const name of ['ISSUER', 'AUDIENCE', 'ALGORITHMS', 'DATA_CLAIM']) {
    const variable = `SYMPLE_JWT_${name}`
    await refusesJwt(t, variable, { [variable]: 'x', SYMPLE_REDIS_URL: REDIS })
  }
})

t.test('a key and SYMPLE_AUTHENTICATION go together', async t => {
  t.match(await read({ ...ON, SYMPLE_JWT_SECRET: SECRET }), { authentication: true, redis: undefined, jwt: { key: { kind: 'secret' } } })
  t.match(await read({ ...ON, SYMPLE_JWT_SECRET: SECRET, SYMPLE_REDIS_URL: REDIS }), { redis: {}, jwt: {} })
  const keys = { SECRET, PUBLIC_KEY: pem(ec()), JWKS_URL: 'https://a.example/keys' }
  for (const [name, value] of Object.entries(keys)) {
    for (const off of ['false', '']) {
      await refuses(t, 'SYMPLE_AUTHENTICATION', { SYMPLE_AUTHENTICATION: off, [`SYMPLE_JWT_${name}`]: value })
    }
  }
})

t.test('there is one key', async t => {
  const [secret, key, url] = [{ SYMPLE_JWT_SECRET: SECRET }, { SYMPLE_JWT_PUBLIC_KEY: pem(ec()) }, { SYMPLE_JWT_JWKS_URL: 'https://a.example' }]
  await refusesJwt(t, 'SYMPLE_JWT_PUBLIC_KEY', { ...secret, ...key })
  await refusesJwt(t, 'SYMPLE_JWT_JWKS_URL', { ...secret, ...url })
  await refusesJwt(t, 'SYMPLE_JWT_JWKS_URL', { ...key, ...url })
})

t.test('SYMPLE_JWT_SECRET', async t => {
  t.match(await jwt({ SYMPLE_JWT_SECRET: SECRET }), { key: { secret: Buffer.from(SECRET) }, algorithms: ['HS256'] })
  for (const [length, algorithms] of [[32, 'HS256'], [48, 'HS384'], [64, 'HS512'], [64, 'HS256, HS512']] as const) {
    const env = { SYMPLE_JWT_ALGORITHMS: algorithms }
    t.strictSame((await jwt({ ...env, SYMPLE_JWT_SECRET: 'x'.repeat(length) })).algorithms, algorithms.split(', '))
    await refusesJwt(t, 'SYMPLE_JWT_SECRET', { ...env, SYMPLE_JWT_SECRET: 'x'.repeat(length - 1) })
  }
  t.ok(await jwt({ SYMPLE_JWT_SECRET: 'é'.repeat(16) }), 'bytes count')
  await refusesJwt(t, 'SYMPLE_JWT_SECRET', { SYMPLE_JWT_SECRET: PASSWORD })
})

t.test('SYMPLE_JWT_PUBLIC_KEY', async t => {
  const folder = temporaryFolder(t)
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
  const pair = rsa()
  const cases: Array<[text: string, algorithms: string[]]> = [
    [pem(pair), RSA],
    [pair.publicKey.export({ type: 'pkcs1', format: 'pem' }) as string, RSA],
    [pem(ec('P-256')), ['ES256']],
    [pem(ec('P-384')), ['ES384']],
    [pem(ec('P-521')), ['ES512']],
    [pem(ed25519()), ['EdDSA', 'Ed25519']],
    [createIdentity().cert, ['ES256']]
  ]
  for (const [i, [text, algorithms]] of cases.entries()) {
    for (const value of [text, text.replaceAll('\n', '\\n'), file(`${i}.pem`, text)]) {
      const config = await jwt({ SYMPLE_JWT_PUBLIC_KEY: value })
      t.match(config, { key: { kind: 'public', key: { type: 'public' } }, algorithms })
      t.strictSame(config.algorithms, algorithms)
    }
  }
  const bad = [
    pem(rsa(1024)), pem(ec('secp256k1')), pem(generateKeyPairSync('x25519')), pem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 })),
    pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, createIdentity().key, 'no PEM', join(folder, 'missing.pem'), folder,
    file('garbage.pem', 'no PEM at all'), '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', PASSWORD
  ]
  for (const value of bad) await refusesJwt(t, 'SYMPLE_JWT_PUBLIC_KEY', { SYMPLE_JWT_PUBLIC_KEY: value })
})

t.test('SYMPLE_JWT_JWKS_URL', async t => {
  for (const url of ['https://a.example/.well-known/jwks.json', 'http://127.0.0.1:8080/keys?x=y']) {
    const { key, algorithms } = await jwt({ SYMPLE_JWT_JWKS_URL: url })
    t.match(key, { kind: 'jwks', url: { href: url } })
    t.notOk(algorithms.some(algorithm => algorithm.startsWith('HS') || algorithm === 'none'))
    t.ok(algorithms.includes('RS256') && algorithms.includes('ES256'))
  }
  for (const url of ['a.example', 'ftp://a.example', 'file:///etc/keys', '/keys', `https://user:${PASSWORD}@a.example`]) {
    await refusesJwt(t, 'SYMPLE_JWT_JWKS_URL', { SYMPLE_JWT_JWKS_URL: url })
  }
})

t.test('SYMPLE_JWT_ALGORITHMS are those that fit the key', async t => {
  const secret = { SYMPLE_JWT_SECRET: 'x'.repeat(64) }
  const key = { SYMPLE_JWT_PUBLIC_KEY: pem(ec()) }
  const url = { SYMPLE_JWT_JWKS_URL: 'https://a.example' }
  t.strictSame((await jwt({ ...url, SYMPLE_JWT_ALGORITHMS: ' RS256 ,ES256,' })).algorithms, ['RS256', 'ES256'])
  t.strictSame((await jwt({ ...key, SYMPLE_JWT_ALGORITHMS: 'ES256' })).algorithms, ['ES256'])
  for (const source of [secret, key, url]) {
    for (const algorithms of ['none', 'HS256,none', 'hs256', 'x', ',', 'ES256,HS256', 'RS256,HS256']) {
      await refusesJwt(t, 'SYMPLE_JWT_ALGORITHMS', { ...source, SYMPLE_JWT_ALGORITHMS: algorithms })
    }
  }
  await refusesJwt(t, 'SYMPLE_JWT_ALGORITHMS', { ...key, SYMPLE_JWT_ALGORITHMS: 'HS256' })
  await refusesJwt(t, 'SYMPLE_JWT_ALGORITHMS', { ...url, SYMPLE_JWT_ALGORITHMS: 'HS256' })
  await refusesJwt(t, 'SYMPLE_JWT_ALGORITHMS', { ...secret, SYMPLE_JWT_ALGORITHMS: 'RS256' })
})

t.test('what is read of a token', async t => {
  const secret = { SYMPLE_JWT_SECRET: SECRET }
  t.match(await jwt(secret), {
    issuers: [], audiences: [], claims: { user: 'sub', name: 'name', rooms: 'rooms', data: undefined }, leeway: 5
  })
  t.match(await jwt({
    ...secret,
    SYMPLE_JWT_ISSUER: 'https://a.example/, b',
    SYMPLE_JWT_AUDIENCE: 'chat',
    SYMPLE_JWT_USER_CLAIM: 'email',
    SYMPLE_JWT_NAME_CLAIM: 'nickname',
    SYMPLE_JWT_ROOMS_CLAIM: 'realm_access.roles',
    SYMPLE_JWT_DATA_CLAIM: 'profile',
    SYMPLE_JWT_LEEWAY: '0'
  }), {
    issuers: ['https://a.example/', 'b'],
    audiences: ['chat'],
    claims: { user: 'email', name: 'nickname', rooms: 'realm_access.roles', data: 'profile' },
    leeway: 0
  })
  for (const leeway of ['-1', 'x', '1e999']) await refusesJwt(t, 'SYMPLE_JWT_LEEWAY', { ...secret, SYMPLE_JWT_LEEWAY: leeway })
  for (const name of ['ISSUER', 'AUDIENCE']) {
    const variable = `SYMPLE_JWT_${name}`
    await refusesJwt(t, variable, { ...secret, [variable]: ' , ' })
  }
})
