import t from 'tap'
import { TestClient } from '../helper.js'
import { run } from '../process.js'
import { blockOf } from './guide.js'
import { patched } from './overlays.js'
import { ROOT } from './tools.js'

/** How the network policy of the base lets the server out: to Redis, and to ask for names. */
const OWN_WAYS = 2

/** Seconds: far more than the test takes. Its clients leave by themselves. */
const DRAIN = '60'

t.test('a gateway reaches its database, beside Redis, as deployment.md lets it', async t => {
  const { egress } = (await patched(t, 'A gateway')).get('NetworkPolicy').spec!
  t.equal(egress!.length, OWN_WAYS + 1)
  t.match(egress![OWN_WAYS], { to: [{ ipBlock: {} }], ports: [{ port: 5432 }] })
})

t.test('a gateway as deployment.md writes it is what the manifests there expect', async t => {
  const manifests = await patched(t, 'A gateway')
  const { startupProbe, livenessProbe, readinessProbe, ports } = manifests.container
  const code = blockOf('A gateway', 'import', 'js')
  t.match(code, `host: '0.0.0.0', port: ${ports![0]!.containerPort} }`)
  const args = ['--input-type=module', '--eval', code.replace('0.0.0.0', '127.0.0.1').replace(/port: \d+/, 'port: 0')]
  const gateway = run(t, process.execPath, args, { SYMPLE_DRAIN_SECONDS: DRAIN }, ROOT)
  const { msg } = await gateway.logged(line => line.msg.startsWith('Server listening'), '"Server listening"')
  const host = /127\.0\.0\.1:\d+/.exec(msg)![0]
  const ask = async (path: string | undefined) => (await fetch(`http://${host}${path}`)).status

  const probes = [startupProbe, livenessProbe, readinessProbe].map(probe => probe!.httpGet!.path)
  t.strictSame(await Promise.all(probes.map(ask)), [200, 200, 200])
  t.equal(await ask(manifests.get('ServiceMonitor').spec!.endpoints[0]!.path), 200)
  const { path } = manifests.get('Ingress').spec!.rules![0]!.http!.paths[0]!
  const behindGateway = await patched(t, 'A gateway', 'patches', 'components/gateway-api')
  t.equal(behindGateway.get('HTTPRoute').spec.rules[0]!.matches[0]!.path.value, path, 'a Gateway leads to the same')
  const clients = await Promise.all(['alice', 'bob'].map(async user => {
    const client = new TestClient(`ws://${host}${path}`)
    await client.authenticate({ user })
    return client
  }))

  gateway.child.kill('SIGTERM')
  await clients[0]!.find(({ name }) => name === 'shutdown')
  t.strictSame(await Promise.all(probes.map(ask)), [200, 200, 503], 'it lives while it drains, and takes nobody in')
  for (const { ws } of clients) ws.close()
  t.strictSame(await gateway.exited, { code: 0, signal: null })
})
