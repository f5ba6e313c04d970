import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { schema } from '../../plugins/schema.js'
import { isolate, read } from '../read-config.js'
import { temporaryFolder } from '../process.js'
import { doorsOf, letsIn } from './doors.js'
import { blockOf } from './guide.js'
import { IMAGE, Manifests, type Manifest } from './manifests.js'
import { overlay } from './overlays.js'
import { ROOT, tool } from './tools.js'

const CHART = 'deploy/helm/symple-server'

/** What the production overlay of kustomize says, as values of the chart. */
const PRODUCTION = [
  '--set', 'image.repository=registry.example.com/symple-server', '--set', 'ingress.host=realtime.example.com',
  '--set', 'config.SYMPLE_AUTHENTICATION=true', '--set', 'config.SYMPLE_ALLOWED_ORIGINS=https://app.example.com',
  '--set', 'serviceMonitor.enabled=true', '--set', 'prometheusRule.enabled=true', '--set', 'dashboard.enabled=true'
]

/** What only Helm says of an object, and only kustomize. */
const HELM_LABELS = /^(app\.kubernetes\.io\/(instance|version|managed-by)|helm\.sh\/chart|checksum\/(config|password))$/

isolate(t)

t.test('helm finds no fault with the chart, and packs it', async t => {
  t.match(await tool('helm', 'lint', '--strict', CHART, ...IMAGE), '0 chart(s) failed')
  const folder = temporaryFolder(t)
  await tool('helm', 'package', CHART, '--destination', folder)
  const { version, appVersion } = parse(readFileSync(join(ROOT, CHART, 'Chart.yaml'), 'utf8')) as Record<string, string>
  const packed = new Manifests(await manifestsOf(join(folder, `symple-server-${version}.tgz`)))
  t.equal(packed.get('PrometheusRule').kind, 'PrometheusRule', 'with the rules, which lie outside')
  const { version: released } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, string>
  t.equal(appVersion, released, 'it is for this release')
})

t.test('it says the same as the manifests of kustomize', async t => {
  const helm = comparable(await Manifests.ofHelm('--namespace', 'symple', ...PRODUCTION))
  const kustomize = comparable(await Manifests.ofKustomize('overlays/production'))
  // Who uses kustomize makes the secret by hand, and the namespace with the rest.
  t.ok(helm.delete('Secret symple-server-redis'))
  t.ok(kustomize.delete('Namespace symple'))
  t.strictSame([...helm.keys()].sort(), [...kustomize.keys()].sort())
  for (const [name, manifest] of helm) t.strictSame(manifest, kustomize.get(name), name)
})

t.test('it says the same as the manifests of kustomize for a gateway', async t => {
  const kustomize = comparable(await Manifests.ofKustomize(overlay(t, 'base', 'components/gateway-api')))
  const parent = 'httpRoute.parentRefs[0]'
  const helm = comparable(await Manifests.ofHelm(
    '--set', 'ingress.enabled=false', '--set', 'httpRoute.enabled=true',
    '--set', `${parent}.name=public,${parent}.namespace=gateways,${parent}.sectionName=https`))
  t.ok(helm.delete('Secret symple-server-redis'))
  t.strictSame([...helm.keys()].sort(), [...kustomize.keys()].sort())
  for (const name of ['HTTPRoute symple-server', 'NetworkPolicy symple-server']) t.strictSame(helm.get(name), kustomize.get(name), name)
})

t.test('it comes behind a gateway as deployment.md brings it there, while the ingress goes on', async t => {
  const values = [...blockOf('The Gateway API, in place of an ingress', 'helm', 'sh').matchAll(/--set (?:'([^']+)'|(\S+))/g)]
    .flatMap(([, quoted, plain]) => ['--set', quoted ?? plain!])
  const manifests = await Manifests.ofHelm(...values)
  const gateway = { name: 'public', namespace: 'gateways', sectionName: 'https' }
  t.strictSame(manifests.get('HTTPRoute').spec.parentRefs, [gateway], 'at the listener with the certificate alone')
  t.equal(manifests.of('Ingress').length, 1)
})

t.test('values that make no sense are refused, and named', async t => {
  const cases: Array<[value: string, problem: RegExp]> = [
    ['ingress.hots=example.com', /'\/ingress'.*hots/],
    ['maxSurge=0', /'\/maxSurge'/],
    ['autoscaling.cpu=much', /'\/autoscaling\/cpu'/],
    ['config.SYMPLE_AUTHENTIFICATION=true', /SYMPLE_AUTHENTIFICATION/],
    ['config.LOGLEVEL=warn', /LOGLEVEL/],
    ['secrets.SYMPLE_JWT_SECRETS=x', /SYMPLE_JWT_SECRETS/],
    ['config.SYMPLE_PORT=80', /SYMPLE_PORT/],
    ['config.PORT=80', /PORT/],
    ['config.SYMPLE_SSL_ENABLED=true', /SYMPLE_SSL_ENABLED/],
    ['config.SYMPLE_REDIS_HOST=redis', /SYMPLE_REDIS_HOST/],
    ['config.SYMPLE_SSL_KEY=/tls/tls.key', /SYMPLE_SSL_KEY/],
    ['config.SYMPLE_SSL_CERT=/tls/tls.crt', /SYMPLE_SSL_CERT/],
    ['secrets.SYMPLE_SSL_KEY=/tls/tls.key', /SYMPLE_SSL_KEY/],
    ['secrets.SYMPLE_PORT=80', /SYMPLE_PORT/],
    ['secrets.PORT=80', /PORT/],
    ['secrets.SYMPLE_SSL_ENABLED=true', /SYMPLE_SSL_ENABLED/],
    ['secrets.SYMPLE_REDIS_URL=redis://redis', /SYMPLE_REDIS_URL/],
    ['secrets.REDIS_URL=redis://redis', /REDIS_URL/],
    ['config.SYMPLE_DRAIN_SECONDS=-1', /SYMPLE_DRAIN_SECONDS/],
    ['config.SYMPLE_DRAIN_SECONDS=soon', /SYMPLE_DRAIN_SECONDS/],
    ['redis.password=a/b', /'\/redis\/password'/],
    ['redis.url=http://redis', /'\/redis\/url'/],
    ['image.repository=', /There is no public image/],
    ['networkPolicy.metricsNamespace=x', /'\/networkPolicy'.*metricsNamespace/],
    ['service.type=LoadBalancer', /lets nobody in through a service of type LoadBalancer: say in networkPolicy\.extraIngress/],
    ['service.type=NodePort', /of type NodePort/],
    ['httpRoute.enabled=true', /Set httpRoute\.parentRefs/],
    ['httpRoute.parentRefs[0].namespace=x', /'\/httpRoute\/parentRefs\/0'.*name/],
    ['httpRoute.timeouts.request=0', /'\/httpRoute\/timeouts\/request'/],
    ['extraVolumeMounts[0].name=x', /'\/extraVolumeMounts\/0'.*mountPath/],
    ['existingSecret=mine,secrets.SYMPLE_API_KEY=x', /Set secrets or existingSecret/],
    ['redis.existingSecret=mine,redis.password=x', /Set redis\.existingSecret, or redis\.password or redis\.url/],
    ['redis.enabled=false,redis.existingSecret=mine,redis.url=redis://redis', /Set redis\.existingSecret, or/],
    ['redis.url=redis://redis', /set redis\.enabled to false/],
    ['redis.enabled=false,redis.url=redis://redis,redis.password=x', /redis\.password is for the Redis of this chart/],
    ['redis.enabled=false', /Several pods are one server only with Redis/],
    ['redis.enabled=false,autoscaling.enabled=false', /Several pods are one server only with Redis/]
  ]
  for (const [value, problem] of cases) await t.rejects(Manifests.ofHelm('--set', value), { message: problem }, value)
})

t.test('the chart knows each variable of the server, and no other', async t => {
  const { definitions } = JSON.parse(readFileSync(join(ROOT, CHART, 'values.schema.json'), 'utf8')) as
    { definitions: { variable: { enum: string[] }, own: { enum: string[] } } }
  const names = Object.keys(schema.properties)
  t.strictSame(definitions.variable.enum, names)
  t.strictSame(definitions.own.enum.filter(name => !names.includes(name)), ['REDIS_PASSWORD'])
})

t.test('variables of others arrive, too', async t => {
  const others = {
    NODE_EXTRA_CA_CERTS: '/etc/symple/ca.crt',
    NODE_OPTIONS: '--max-old-space-size=700',
    OTEL_SERVICE_NAME: 'symple',
    UV_THREADPOOL_SIZE: '8',
    HTTPS_PROXY: 'http://proxy:3128',
    SSL_CERT_FILE: '/etc/symple/ca.crt',
    TZ: 'UTC'
  }
  const values = Object.entries(others).flatMap(([name, value]) => ['--set-string', `config.${name}=${value}`])
  const manifests = await Manifests.ofHelm(...values, '--set', 'secrets.OTEL_EXPORTER_OTLP_HEADERS=key', '--set', 'secrets.ANY=x')
  t.match(manifests.variables, others)
  t.strictSame(manifests.get('Secret').stringData, { ANY: 'x', OTEL_EXPORTER_OTLP_HEADERS: 'key' })
})

t.test('variables arrive as they were written', async t => {
  const { variables } = await Manifests.ofHelm(
    '--set', 'config.SYMPLE_MAX_BUFFERED=8388608', '--set', 'config.SYMPLE_DYNAMIC_ROOMS=false', '--set', 'config.SYMPLE_NODE_TTL=2.5',
    '--set-string', 'config.SYMPLE_MAX_CONNECTIONS=20000', '--set', 'config.LOG_LEVEL=warn')
  t.match(variables, {
    SYMPLE_MAX_BUFFERED: '8388608', SYMPLE_DYNAMIC_ROOMS: 'false', SYMPLE_MAX_CONNECTIONS: '20000', LOG_LEVEL: 'warn'
  })
  t.match(await read({ ...variables, SYMPLE_REDIS_URL: 'redis://redis' }), {
    dynamicRooms: false, limits: { maxBuffered: 8388608, maxConnections: 20000 }, redis: { nodeTtl: 2.5 }
  })
})

t.test('a change of a variable or a secret rolls the pods; nothing else does', async t => {
  const checksum = async (...args: string[]) =>
    (await Manifests.ofHelm(...args)).get('Deployment').spec!.template.metadata!.annotations!['checksum/config']
  const now = await checksum()
  t.equal(await checksum('--set', 'autoscaling.maxReplicas=20'), now)
  for (const value of ['config.LOG_LEVEL=warn', 'secrets.SYMPLE_API_KEY=x', 'redis.password=x']) {
    t.not(await checksum('--set', value), now, value)
  }
})

t.test('another password of Redis restarts it, too; nothing else of the server does', async t => {
  const template = async (...args: string[]) => (await Manifests.ofHelm(...args)).get('StatefulSet', 'symple-server-redis').spec!.template
  const now = await template()
  t.strictSame(await template('--set', 'config.LOG_LEVEL=warn', '--set', 'secrets.SYMPLE_API_KEY=x'), now)
  const [given, other] = await Promise.all(['given', 'other'].map(async password => await template('--set', `redis.password=${password}`)))
  t.strictNotSame(given, now)
  t.strictNotSame(other, given)
  t.strictNotSame(await template('--set', 'redis.existingSecret=mine'), now)
  t.notMatch(JSON.stringify(given), 'given')
})

t.test('the password of Redis: made up or given, and the same for both sides', async t => {
  const passwordOf = (manifests: Manifests) =>
    String(Buffer.from(manifests.get('Secret', 'symple-server-redis').data!['password']!, 'base64'))
  t.match(passwordOf(await Manifests.ofHelm()), /^[A-Za-z0-9]{40}$/)
  const given = await Manifests.ofHelm('--set', 'redis.password=s3cr3t')
  t.equal(passwordOf(given), 's3cr3t')
  const references = ({ pods }: Manifests) => pods.map(({ spec }) =>
    spec!.containers[0]!.env!.find(({ name }) => name === 'REDIS_PASSWORD')?.valueFrom?.secretKeyRef)
  t.strictSame(references(given), Array(2).fill({ name: 'symple-server-redis', key: 'password' }))

  t.comment('what renders it without a cluster must not make up another one each time')
  const own = await Manifests.ofHelm('--set', 'redis.existingSecret=mine')
  t.strictSame(references(own), Array(2).fill({ name: 'mine', key: 'password' }))
  t.strictSame(own.of('Secret'), [])
  t.match((await Manifests.ofHelm('--set', 'redis.enabled=false,redis.existingSecret=mine')).container.env, [
    { name: 'SYMPLE_REDIS_URL', valueFrom: { secretKeyRef: { name: 'mine', key: 'url' } } }
  ])
})

t.test('what is told after an install', async t => {
  const notes = async (...values: string[]) => await tool('helm', 'install', 'symple-server', CHART, ...IMAGE, '--dry-run=client', ...values.flatMap(value => ['--set', value]))
  t.match(await notes(), /password was made up[^]*redis\.existingSecret/)
  for (const value of ['redis.password=x', 'redis.existingSecret=mine', 'redis.enabled=false,redis.url=redis://redis']) {
    t.notMatch(await notes(value), /made up/, value)
  }
  const keys = 'config.SYMPLE_JWT_JWKS_URL=https://id.example.com/keys'
  t.match(await notes(keys), 'lets nothing out to https://id.example.com/keys')
  t.notMatch(await notes(keys, 'networkPolicy.extraEgress[0].ports[0].port=443'), 'lets nothing out')
  t.notMatch(await notes(), 'lets nothing out')
  t.match(await notes(), /everybody who reaches the server is let in, and is who he says\.\n/)
  t.match(await notes('existingSecret=mine'), /is let in, and is who he says, unless the secret mine says otherwise\.\n/)
  for (const value of ['config.SYMPLE_AUTHENTICATION=true', 'config.SYMPLE_AUTHENTICATION=false', 'secrets.SYMPLE_AUTHENTICATION=true']) {
    t.notMatch(await notes(value), 'is let in, and', value)
  }
  t.match(await notes('config.SYMPLE_JWT_USER_CLAIM=email'), 'is let in, and', 'which authenticates nobody')
  const gateway = ['httpRoute.enabled=true', 'httpRoute.parentRefs[0].name=public', 'ingress.enabled=false']
  t.match(await notes(...gateway), 'connect to wss://symple.example.com/, if a listener')
  t.notMatch(await notes(...gateway), 'port-forward')
  t.match(await notes('ingress.enabled=false'), 'port-forward')
  const closed = 'lets in no ingress controller and no gateway'
  t.match(await notes('ingress.enabled=false'), closed)
  t.notMatch(await notes(), closed)
  t.notMatch(await notes(...gateway), closed)
  for (const value of ['networkPolicy.enabled=false', 'networkPolicy.extraIngress[0].ports[0].port=http']) {
    t.notMatch(await notes('ingress.enabled=false', value), closed, value)
  }
  t.match(await notes('ingress.tlsSecret=mine'), 'create secret tls mine ')
  for (const value of ['ingress.tlsSecret=', 'ingress.enabled=false', 'ingress.annotations.cert-manager\\.io/issuer=x']) {
    t.notMatch(await notes(value), 'create secret tls', value)
  }
})

t.test('who may come in is for values to say', async t => {
  const render = async (...values: string[]) => await Manifests.ofHelm(...values.flatMap(value => ['--set', value]))
  const name = (value: string) => ({ 'app.kubernetes.io/name': value })
  const metrics = 'networkPolicy.metrics'

  const alloy = await render(`${metrics}.namespace=observability`, `${metrics}.podLabels.app\\.kubernetes\\.io/name=alloy`)
  t.equal(letsIn(alloy, { namespace: 'observability', labels: name('alloy') }), true)
  t.equal(letsIn(alloy, { namespace: 'observability', labels: name('prometheus') }), false)
  const scraper = await render(`${metrics}.podLabels.app=scraper`)
  t.equal(letsIn(scraper, { namespace: 'monitoring', labels: { app: 'scraper' } }), true, 'by another label')
  t.equal(letsIn(scraper, { namespace: 'monitoring', labels: name('prometheus') }), false)
  const none = await render(`${metrics}.enabled=false`, 'serviceMonitor.enabled=true')
  t.equal(letsIn(none, { namespace: 'monitoring', labels: name('prometheus') }), false)

  t.equal(letsIn(await render('networkPolicy.ingressNamespace=traefik'), { namespace: 'traefik' }), true)
  t.equal(letsIn(await render('ingress.enabled=false'), { namespace: 'ingress-nginx' }), false, 'nobody stands there')

  const cidr = '10.0.0.0/16'
  const rule = 'networkPolicy.extraIngress[0]'
  const balanced = await render('service.type=LoadBalancer', `${rule}.ports[0].port=http`, `${rule}.from[0].ipBlock.cidr=${cidr}`)
  t.match(doorsOf(balanced), [{}, {}, { from: [{ ipBlock: { cidr } }], ports: [{ port: 'http' }] }])
  const open = await render('service.type=NodePort', 'networkPolicy.enabled=false')
  t.equal(open.get('Service').spec!.type, 'NodePort')
})

t.test('a gateway that knows no timeouts is told of none', async t => {
  const manifests = await Manifests.ofHelm('--set', 'httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,httpRoute.timeouts.request=null')
  const [rule] = manifests.get('HTTPRoute').spec.rules
  t.equal(rule!.timeouts, undefined)
})

t.test('how many pods a restart adds', async t => {
  for (const [value, maxSurge] of [['2', 2], ['100%', '100%']] as const) {
    const { spec } = (await Manifests.ofHelm('--set', `maxSurge=${value}`)).get('Deployment')
    t.strictSame(spec!.strategy!.rollingUpdate, { maxSurge, maxUnavailable: 0 })
  }
})

t.test('the runbook is a link where it has an address', async t => {
  const annotations = async (...args: string[]) => {
    const manifests = await Manifests.ofHelm('--set', 'prometheusRule.enabled=true', ...args)
    return manifests.get('PrometheusRule').spec!.groups![0]!.rules![0]!.annotations
  }
  t.match(await annotations(), { runbook: 'docs/operations.md#sympleabsent', runbook_url: undefined })
  const address = 'https://wiki.example.com/operations'
  t.match(await annotations('--set', `prometheusRule.runbook=${address}`), { runbook: undefined, runbook_url: `${address}#sympleabsent` })
})

t.test('names of any length', async t => {
  const long = 'x'.repeat(63)
  const { all } = await Manifests.ofHelm('--set', `fullnameOverride=${long}`, '--set', 'serviceMonitor.enabled=true')
  t.strictSame(all.map(({ metadata }) => metadata.name).filter(name => name.length > 63), [])
})

async function manifestsOf (chart: string): Promise<Manifest[]> {
  const text = await tool('helm', 'template', 'symple-server', chart, ...IMAGE, '--set', 'prometheusRule.enabled=true')
  return text.split(/^---$/m).map(part => parse(part) as Manifest | null).filter(manifest => manifest !== null)
}

/** Manifests by kind and name, without what is bound to differ. */
function comparable ({ all }: Manifests): Map<string, Manifest> {
  return new Map(all.map(original => {
    // Kustomize appends a hash to the names of its ConfigMaps.
    const text = JSON.stringify(original).replaceAll(/"(symple-server)-[a-z0-9]{10}"/g, '"$1"')
    const manifest = JSON.parse(text, (key, value: unknown) =>
      HELM_LABELS.test(key) || key === 'namespace' || isEmpty(value) ? undefined : value) as Manifest
    return [`${manifest.kind} ${manifest.metadata.name}`, manifest]
  }))
}

function isEmpty (value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}
