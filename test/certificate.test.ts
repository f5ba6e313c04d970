import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { Certificate } from '../plugins/certificate.js'
import { readIdentity } from '../plugins/tls.js'
import { assemble } from '../src/create-server.js'
import { createIdentity, tlsVariables, type Identity } from './certificate.js'
import { eventually, open, settle, TestClient } from './helper.js'
import { startProcess, temporaryFolder, type LogLine } from './process.js'

const INFO = 30
const ERROR = 50

/** The files that variables name get another content. */
function replace (env: Record<string, string>, { key, cert }: Partial<Identity>): void {
  if (key !== undefined) writeFileSync(env['SYMPLE_SSL_KEY']!, key)
  if (cert !== undefined) writeFileSync(env['SYMPLE_SSL_CERT']!, cert)
}

const fingerprint = ({ cert }: Identity): string => new X509Certificate(cert).fingerprint256

/** The fingerprint of the certificate that a server shows to a new connection. */
async function shown (port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

const isNews = ({ msg }: LogLine): boolean => msg.startsWith('certificate')

t.test('on SIGHUP new connections get the new certificate, and open ones go on', async t => {
  const [old, fresh] = [createIdentity(), createIdentity()]
  const env = tlsVariables(t, old)
  const server = await startProcess(t, env)
  const enter = async (user: string, ca: string) => {
    const client = await open(t, server.url, { ca })
    await client.authenticate({ user, rooms: ['lobby'] })
    return client
  }
  const news = async (count: number) => {
    await server.until(() => server.log.filter(isNews).length >= count, `${count} lines`)
    return server.log.filter(isNews)[count - 1]
  }
  const alice = await enter('alice', old.cert)

  t.comment('nothing has changed')
  server.child.kill('SIGHUP')
  t.match(await news(1), { level: INFO, msg: 'certificate unchanged' })

  t.comment('a certificate without its key, and none at all: the old pair stays')
  replace(env, { cert: fresh.cert })
  server.child.kill('SIGHUP')
  t.match(await news(2), { level: ERROR, msg: 'certificate not renewed', reason: /^SYMPLE_SSL_KEY is no private key in PEM that fits/ })
  t.equal(await shown(server.port), fingerprint(old))
  replace(env, { cert: 'no PEM at all' })
  server.child.kill('SIGHUP')
  t.match(await news(3), { level: ERROR, reason: /^SYMPLE_SSL_CERT is no certificate/ })
  rmSync(env['SYMPLE_SSL_CERT']!)
  server.child.kill('SIGHUP')
  t.match(await news(4), { level: ERROR, reason: /^SYMPLE_SSL_CERT names a file that can't be read \(ENOENT\)$/ })
  t.equal(await shown(server.port), fingerprint(old))

  t.comment('both')
  replace(env, fresh)
  server.child.kill('SIGHUP')
  const renewed = await news(5)
  t.match(renewed, { level: INFO, msg: 'certificate renewed' })
  t.equal(renewed!['validTo'], new Date(new X509Certificate(fresh.cert).validTo).toISOString())
  t.equal(await shown(server.port), fingerprint(fresh))
  await t.rejects(new TestClient(server.url, { ca: old.cert }).opened())
  const bob = await enter('bob', fresh.cert)
  await settle(alice, bob)
  alice.send({ type: 'message', to: 'bob', data: 'over the old one' })
  t.match(await bob.find('message'), { from: alice.address, data: 'over the old one' })
  bob.send({ type: 'message', to: 'alice', data: 'over the new one' })
  t.match(await alice.find('message'), { from: bob.address, data: 'over the new one' })

  t.strictSame(await server.stop(), { code: 0, signal: null })
  t.equal((await alice.closed).code, 1001)
  t.equal(server.log.filter(isNews).length, 5)
  t.notMatch(server.stdout, /PRIVATE KEY|BEGIN/)
})

/** A server for which the files are looked at all the time, and what it has logged of them. */
async function watch (t: Test, env: Record<string, string>) {
  const identity = readIdentity(env['SYMPLE_SSL_KEY'], env['SYMPLE_SSL_CERT'])
  const server = createHttps({ key: identity.key, cert: identity.cert }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const lines: string[] = []
  const log = (...args: unknown[]) => { lines.push(args[1] as string) }
  const certificate = new Certificate({ server, identity, log: { info: log, error: log }, interval: 10 })
  // The timer of the watcher holds nobody.
  t.teardown(() => {
    certificate.stop()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { lines, shows: async (wanted: Identity) => { await eventually(async () => await shown(port) === fingerprint(wanted), 'it') } }
}

t.test('without a signal, files that have changed are found', async t => {
  const [old, fresh] = [createIdentity(), createIdentity()]
  const env = tlsVariables(t, old)
  const { lines, shows } = await watch(t, env)
  await shows(old)

  t.comment('one after the other: it says once that they make no pair, and takes them when they do')
  replace(env, { key: fresh.key })
  await eventually(() => lines.length > 0, 'a line')
  const looks = 5
  for (let i = 0; i < looks; i++) await shows(old)
  replace(env, { cert: fresh.cert })
  await shows(fresh)
  t.strictSame(lines, ['certificate not renewed', 'certificate renewed'])

  t.comment('back again, after that has been forgotten')
  replace(env, old)
  await shows(old)
  t.equal(lines.at(-1), 'certificate renewed')
})

t.test('links that lead elsewhere, as Kubernetes mounts secrets, are followed', async t => {
  const folder = temporaryFolder(t)
  const publish = (name: string, { key, cert }: Identity) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'tls.key'), key)
    writeFileSync(join(folder, name, 'tls.crt'), cert)
    symlinkSync(name, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  const [old, fresh] = [createIdentity(), createIdentity()]
  publish('..1', old)
  for (const name of ['tls.key', 'tls.crt']) symlinkSync(join('..data', name), join(folder, name))
  const { lines, shows } = await watch(t, { SYMPLE_SSL_KEY: join(folder, 'tls.key'), SYMPLE_SSL_CERT: join(folder, 'tls.crt') })
  publish('..2', fresh)
  await shows(fresh)
  publish('..3', old)
  await shows(old)
  t.strictSame(lines, ['certificate renewed', 'certificate renewed'])
})

t.test('a server of an application has it as well, and without TLS there is none', async t => {
  const [old, fresh] = [createIdentity(), createIdentity()]
  const { SYMPLE_SSL_KEY: sslKey = '', SYMPLE_SSL_CERT: sslCert = '' } = tlsVariables(t, old)
  const { server: { app, listen }, scope } = await assemble({
    env: false, host: '127.0.0.1', port: 0, logLevel: 'silent', drainSeconds: 0, sslEnabled: true, sslKey, sslCert
  })
  t.teardown(() => app.close())
  await listen()
  const { port } = app.server.address() as AddressInfo
  t.equal(await shown(port), fingerprint(old))
  replace({ SYMPLE_SSL_KEY: sslKey, SYMPLE_SSL_CERT: sslCert }, fresh)
  scope.certificate!.renew()
  t.equal(await shown(port), fingerprint(fresh))

  const plain = await assemble({ env: false, logLevel: 'silent' })
  t.teardown(() => plain.server.close())
  t.equal(plain.scope.certificate, null)
})
