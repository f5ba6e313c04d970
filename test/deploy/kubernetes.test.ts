import { cpSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import type { IPodTemplateSpec } from 'kubernetes-models/v1'
import { parse } from 'yaml'
import { schema } from '../../plugins/schema.js'
import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { temporaryFolder } from '../process.js'
import { isolate, read } from '../read-config.js'
import { doorsOf, letsIn, matches } from './doors.js'
import { blockOf, sectionOf } from './guide.js'
import { KUSTOMIZE, Manifests, type Manifest } from './manifests.js'
import { extended, overlay, patched } from './overlays.js'
import { faultsOf } from './strict.js'
import { GRACE, SPARE } from './tools.js'

const HELM_ALL = [
  '--set', 'autoscaling.connections=5000', '--set', 'serviceMonitor.enabled=true', '--set', 'prometheusRule.enabled=true',
  '--set', 'dashboard.enabled=true', '--set', 'secrets.SYMPLE_API_KEY=x', '--set', 'podAnnotations.a=b',
  '--set', 'imagePullSecrets[0].name=x', '--set', 'tolerations[0].operator=Exists', '--set', 'nodeSelector.a=b',
  '--set', 'affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key=a',
  '--set', 'affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator=Exists',
  '--set', 'networkPolicy.extraEgress[0].ports[0].port=4318', '--set', 'networkPolicy.extraIngress[0].ports[0].port=http',
  '--set', 'service.type=LoadBalancer',
  '--set', 'extraVolumes[0].name=x', '--set', 'extraVolumeMounts[0].name=x', '--set', 'extraVolumeMounts[0].mountPath=/x', '--set', 'priorityClassName=x', '--set', 'redis.storageClass=x'
]

const BY_CONNECTIONS = 'components/scaling-by-connections'

const GATEWAY = ['--set', 'httpRoute.enabled=true', '--set', 'httpRoute.parentRefs[0].name=public']

interface Patches {
  patches: object[]
}

/** Each way in which the manifests are used. */
const RENDERINGS: Record<string, (t: Test) => Promise<Manifests>> = {
  'kustomize, base': async () => await Manifests.ofKustomize('base'),
  'kustomize, production': async () => await Manifests.ofKustomize('overlays/production'),
  'kustomize, scaled by connections': async t => await Manifests.ofKustomize(overlay(t, 'base', BY_CONNECTIONS)),
  'kustomize, Redis elsewhere': async t => await Manifests.ofKustomize(overlay(t, 'base', 'components/external-redis')),
  'kustomize, a gateway': async t => await Manifests.ofKustomize(overlay(t, 'base', 'components/gateway-api')),
  'helm, as it is': async () => await Manifests.ofHelm(),
  'helm, all that there is': async () => await Manifests.ofHelm(...HELM_ALL, ...GATEWAY),
  'helm, a gateway at another path and port': async () => await Manifests.ofHelm(
    ...GATEWAY, '--set', 'ingress.enabled=false', '--set', 'config.SYMPLE_PATH=/realtime', '--set', 'service.port=8080'),
  'helm, Redis elsewhere': async () =>
    await Manifests.ofHelm('--set', 'redis.enabled=false', '--set', 'redis.url=rediss://:secret@redis.example.com:6380'),
  'helm, one pod without Redis': async () => await Manifests.ofHelm(
    '--set', 'redis.enabled=false', '--set', 'autoscaling.enabled=false', '--set', 'replicas=1', '--set', 'ingress.enabled=false'),
  'helm, a longer drain and another path': async () =>
    await Manifests.ofHelm('--set', 'config.SYMPLE_DRAIN_SECONDS=45.5', '--set', 'preStopSeconds=15', '--set', 'config.SYMPLE_PATH=/realtime')
}

isolate(t)

for (const [name, render] of Object.entries(RENDERINGS)) {
  t.test(name, async t => {
    const manifests = await render(t)
    await keepsSchemas(t, manifests)
    for (const { spec } of manifests.pods) isRestricted(t, spec!)
    await configures(t, manifests)
    drains(t, manifests)
    scales(t, manifests)
    fitsTogether(t, manifests)
    refersToWhatIsThere(t, manifests)
    keepsWebSockets(t, manifests)
    routesWebSockets(t, manifests)
  })
}

t.test('who follows the guide lets in nobody without a token', async t => {
  const { variables } = await Manifests.ofKustomize('overlays/production')
  t.equal((await read({ ...variables, SYMPLE_REDIS_URL: 'redis://redis' })).authentication, true)
})

t.test('who scrapes may come in, with the Prometheus operator or without', async t => {
  const prometheus = { 'app.kubernetes.io/name': 'prometheus' }
  for (const manifests of [await Manifests.ofKustomize('base'), await Manifests.ofKustomize('overlays/production'), await Manifests.ofHelm()]) {
    t.equal(letsIn(manifests, { namespace: 'monitoring', labels: prometheus }), true)
    t.equal(letsIn(manifests, { namespace: 'monitoring' }), false)
    t.equal(letsIn(manifests, { namespace: 'ingress-nginx' }), true)
    t.equal(letsIn(manifests, { namespace: 'default', labels: prometheus }), false)
  }
})

t.test('a gateway comes in in place of the ingress', async t => {
  const [gateway, ingress] = [{ namespace: 'envoy-gateway-system' }, { namespace: 'ingress-nginx' }]
  const helm = ['--set', 'ingress.enabled=false']
  for (const manifests of [await Manifests.ofKustomize(production(t)), await Manifests.ofHelm(...GATEWAY, ...helm)]) {
    t.strictSame(manifests.of('Ingress'), [])
    t.equal(letsIn(manifests, gateway), true)
    t.equal(letsIn(manifests, ingress), false)
    t.equal(letsIn(manifests, { namespace: 'default' }), false)
  }
  const both = await Manifests.ofHelm(...GATEWAY)
  t.strictSame([letsIn(both, gateway), letsIn(both, ingress)], [true, true], 'while clients move from one to the other')
  t.equal(letsIn(await Manifests.ofHelm(), gateway), false)
})

t.test('by connections is scaled only where one asks for it: without the metric, nothing is scaled down', async t => {
  const metricsOf = (manifests: Manifests) =>
    manifests.get('HorizontalPodAutoscaler').spec!.metrics!.map(({ resource, pods }) => resource?.name ?? pods!.metric.name)
  for (const folder of ['base', 'overlays/production', overlay(t, 'base', 'components/prometheus')]) {
    t.strictSame(metricsOf(await Manifests.ofKustomize(folder)), ['cpu'], folder)
  }
  const asked = await Manifests.ofKustomize(overlay(t, 'base', BY_CONNECTIONS))
  t.strictSame(metricsOf(asked), ['cpu', 'symple_open_connections'])
  const byHelm = await Manifests.ofHelm('--set', 'autoscaling.connections=5000')
  t.strictSame(byHelm.get('HorizontalPodAutoscaler').spec!.metrics, asked.get('HorizontalPodAutoscaler').spec!.metrics)
})

t.test('labels for a Prometheus that selects by them, as deployment.md adds them', async t => {
  const manifests = await patched(t, 'Labels for the Prometheus operator')
  for (const kind of ['ServiceMonitor', 'PrometheusRule'] as const) {
    t.equal(manifests.get(kind).metadata!.labels!['release'], 'kube-prometheus-stack', kind)
  }
})

t.test('a load balancer is let in, as deployment.md lets it', async t => {
  const manifests = await patched(t, 'What the network policy lets in')
  const addresses = doorsOf(manifests).flatMap(({ from }) => from!).filter(({ ipBlock }) => ipBlock !== undefined)
  t.strictSame(addresses, [{ ipBlock: { cidr: '10.0.0.0/16' } }])
  await keepsSchemas(t, manifests)
})

t.test('a certificate authority, as deployment.md brings it in', async t => {
  const file = join(temporaryFolder(t), 'values.yaml')
  writeFileSync(file, blockOf('Certificates and other files', 'config'))
  const kustomize = await patched(t, 'Certificates and other files', 'configMapGenerator')
  for (const manifests of [kustomize, await Manifests.ofHelm('--values', file)]) {
    const [mount] = manifests.container.volumeMounts!
    t.strictSame(manifests.pod.volumes, [{ name: mount!.name, configMap: { name: 'symple-ca' } }])
    t.equal(manifests.variables['NODE_EXTRA_CA_CERTS'], `${mount!.mountPath}/ca.crt`)
    await keepsSchemas(t, manifests)
  }
})

t.test('a second file comes beside the first', async t => {
  const first = blockOf('Certificates and other files', 'configMapGenerator')
  const patches = [first, first.replaceAll(/\bca\b(?!\.)/g, 'key')].map(text => (parse(text) as Patches).patches[0])
  const { pod, container } = await extended(t, { patches })
  t.strictSame(pod.volumes!.map(({ name }) => name).sort(), ['ca', 'key'])
  t.strictSame(container.volumeMounts!.map(({ mountPath }) => mountPath).sort(), ['/etc/symple/ca', '/etc/symple/key'])
})

t.test('a route for a gateway that knows no timeouts, as deployment.md makes it', async t => {
  const patch = /`(- \{ op: remove, .*? \})`/.exec(sectionOf('The Gateway API, in place of an ingress'))![1]
  const manifests = await extended(t, { patches: [{ target: { kind: 'HTTPRoute' }, patch }] }, 'components/gateway-api')
  t.equal(manifests.get('HTTPRoute').spec.rules[0]!.timeouts, undefined)
  await keepsSchemas(t, manifests)
})

t.test('what holds manifests against schemas finds what is wrong with them', async t => {
  const { all } = await Manifests.ofKustomize(production(t))
  /** What is said of a manifest in which one field is another; `undefined`: none. */
  const broken = async (kind: string, path: string, value: unknown) => {
    const manifest = structuredClone(all.find(manifest => manifest.kind === kind)!)
    const keys = path.split('/')
    const last = keys.pop()!
    const parent = keys.reduce((object, key) => object[key] as Manifest, manifest)
    if (value === undefined) delete parent[last]
    else parent[last] = value
    return await faultsOf(manifest)
  }
  t.strictSame(await broken('Deployment', 'spec/template/spec/containers/0/livenessprobe', {}),
    ['/spec/template/spec/containers/0/livenessprobe is not known'])
  t.match(await broken('Deployment', 'spec/template/spec/terminationGracePeriodSeconds', '20'), [/must be integer/])
  t.match(await broken('Deployment', 'spec/selector', undefined), [/must have required property selector/])
  t.strictSame(await broken('HTTPRoute', 'spec/rules/0/timeout', '0s'),
    ['/spec/rules/0 must NOT have additional properties {"additionalProperty":"timeout"}'])
  t.match(await broken('HTTPRoute', 'spec/rules/0/matches/0/path/value', 'realtime'), [/must match pattern/])
  t.match(await broken('HTTPRoute', 'spec/parentRefs', undefined), [/must have required property 'parentRefs'/])
  t.strictSame(await broken('ServiceMonitor', 'spec/endpoints/0/intervall', '15s'), ['/spec/endpoints/0/intervall is not known'])
})

/** A copy of the production overlay, for a Gateway: with the line that it has for one. */
function production (t: Test): string {
  const folder = realpathSync(temporaryFolder(t))
  const original = join(KUSTOMIZE, 'overlays/production')
  cpSync(original, folder, { recursive: true })
  const file = join(folder, 'kustomization.yaml')
  const text = readFileSync(file, 'utf8').replace(/# (- .*gateway-api)$/m, '$1')
  writeFileSync(file, text.replaceAll('../..', relative(folder, KUSTOMIZE)))
  return folder
}

async function keepsSchemas (t: Test, { all }: Manifests): Promise<void> {
  for (const manifest of all) t.strictSame(await faultsOf(manifest), [], `${manifest.kind} ${manifest.metadata.name}`)
  const names = all.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  t.strictSame(names, [...new Set(names)], 'none twice')
}

/** The pod security standard "restricted", and more. */
function isRestricted (t: Test, pod: NonNullable<IPodTemplateSpec['spec']>): void {
  t.match(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
  t.ok(pod.securityContext!.runAsUser! > 0)
  t.equal(pod.automountServiceAccountToken, false)
  t.equal(pod.enableServiceLinks, false, 'no SYMPLE_…_PORT from a service')
  for (const { securityContext, resources } of pod.containers) {
    t.strictSame(securityContext, {
      allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] }
    })
    t.ok(resources!.requests!['cpu'] && resources!.requests!['memory'] && resources!.limits!['memory'])
    t.notOk('cpu' in resources!.limits!, 'nobody is throttled')
  }
}

/** That the server takes the variables that it would be given. */
async function configures (t: Test, { container, variables }: Manifests): Promise<void> {
  const given: Record<string, string> = { ...variables }
  for (const { name, value } of container.env ?? []) given[name] = value ?? 'redis://:password@redis'
  t.strictSame(Object.keys(given).filter(name => name !== 'REDIS_PASSWORD' && !(name in schema.properties)), [])
  const config = await read(given)
  t.equal(config.port, container.ports![0]!.containerPort)
  t.equal(config.redis?.url?.kind ?? 'none', container.env === undefined ? 'none' : 'single')
  t.not(config.trustProxy, false, 'clients have addresses of their own')
}

/** That nothing is killed while it drains, and that drains begin when nobody sends new clients any more. */
function drains (t: Test, { pod, container, drain, preStop }: Manifests): void {
  t.ok(preStop > 0)
  t.ok(drain > 0)
  t.equal(pod.terminationGracePeriodSeconds, preStop + Math.ceil(drain) + GRACE + SPARE)
  t.equal(container.readinessProbe!.httpGet!.path, '/readyz')
  t.equal(container.livenessProbe!.httpGet!.path, '/healthz', 'no restart because Redis is away')
  t.equal(container.startupProbe!.httpGet!.path, '/healthz')
}

/** That per cent of the processor are of what a node can use, which is one core. */
function scales (t: Test, manifests: Manifests): void {
  t.equal(manifests.container.resources!.requests!['cpu'], '1')
  for (const { spec } of manifests.of('HorizontalPodAutoscaler')) {
    const cpu = spec!.metrics!.find(({ resource }) => resource?.name === 'cpu')!.resource!.target
    t.ok(cpu.type === 'Utilization' && cpu.averageUtilization! <= 100)
  }
}

/** That what selects pods selects the right ones, and what names a port names one of theirs. */
function fitsTogether (t: Test, manifests: Manifests): void {
  const deployment = manifests.get('Deployment')
  const { labels } = deployment.spec!.template.metadata!
  const server = (selector: object | undefined) => t.match(labels, selector, 'selects the server')
  server(deployment.spec!.selector.matchLabels)
  server(manifests.get('Service').spec!.selector)
  for (const { spec } of manifests.of('PodDisruptionBudget')) server(spec!.selector!.matchLabels)
  for (const { labelSelector } of manifests.pod.topologySpreadConstraints!) server(labelSelector!.matchLabels)
  for (const { spec } of manifests.of('HorizontalPodAutoscaler')) t.equal(spec!.scaleTargetRef.name, deployment.metadata!.name)
  for (const { spec } of manifests.of('ServiceMonitor')) {
    t.match(manifests.get('Service').metadata!.labels, spec!.selector.matchLabels)
    t.equal(spec!.endpoints[0]!.port, manifests.get('Service').spec!.ports![0]!.name)
  }
  const pods = manifests.pods.map(({ metadata }) => metadata!.labels!)
  for (const { metadata, spec } of manifests.of('NetworkPolicy')) {
    const selected = pods.filter(labels => matches(labels, spec!.podSelector!.matchLabels!))
    t.equal(selected.length, 1, `${metadata!.name} is about one kind of pod`)
  }
  for (const stateful of manifests.of('StatefulSet')) {
    const redis = manifests.get('Service', stateful.spec!.serviceName)
    t.ok(matches(stateful.spec!.template.metadata!.labels!, redis.spec!.selector!))
    const [rule] = manifests.get('NetworkPolicy', stateful.metadata!.name).spec!.ingress!
    t.match(labels, rule!.from![0]!.podSelector!.matchLabels, 'Redis lets the server in')
  }
}

/** That each ConfigMap and Secret that a pod needs is there, but for the password that stands in no file. */
function refersToWhatIsThere (t: Test, manifests: Manifests): void {
  const there = new Set(manifests.all.map(({ kind, metadata }) => `${kind} ${metadata.name}`))
  const wanted = manifests.pods.flatMap(({ spec }) => spec!.containers).flatMap(({ envFrom = [], env = [] }) => [
    ...envFrom.flatMap(({ configMapRef, secretRef }) => [
      ...configMapRef === undefined ? [] : [`ConfigMap ${configMapRef.name}`],
      ...secretRef === undefined || secretRef.optional === true ? [] : [`Secret ${secretRef.name}`]
    ]),
    ...env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef === undefined ? [] : [`Secret ${valueFrom.secretKeyRef.name}`])
  ])
  const missing = [...new Set(wanted.filter(name => !there.has(name)))]
  const helm = manifests.get('Deployment').metadata!.labels!['helm.sh/chart'] !== undefined
  t.strictSame(missing, helm ? [] : ['Secret symple-server-redis'])
}

/** That the route lets WebSockets be as long as they like, and keeps what is inside from the public. */
function routesWebSockets (t: Test, manifests: Manifests): void {
  for (const { spec } of manifests.of('HTTPRoute')) {
    const [rule] = spec.rules
    t.equal(spec.rules.length, 1)
    t.strictSame(rule!.matches, [{ path: { type: 'Exact', value: manifests.variables['SYMPLE_PATH'] ?? '/' } }])
    const { metadata, spec: service } = manifests.get('Service')
    t.strictSame(rule!.backendRefs, [{ name: metadata!.name, port: service!.ports![0]!.port }])
    t.strictSame(rule!.timeouts, { request: '0s' }, 'else some gateways cut them after 15 s')
  }
}

/** That the ingress keeps idle WebSockets, and keeps what is inside from the public. */
function keepsWebSockets (t: Test, manifests: Manifests): void {
  for (const { metadata, spec } of manifests.of('Ingress')) {
    for (const side of ['read', 'send']) {
      t.ok(Number(metadata!.annotations![`nginx.ingress.kubernetes.io/proxy-${side}-timeout`]) > 2 * DEFAULT_LIMITS.pingInterval, `${side} timeout`)
    }
    const paths = spec!.rules!.flatMap(({ http }) => http!.paths)
    t.strictSame(paths.map(({ path, pathType }) => [path, pathType]),
      [[manifests.variables['SYMPLE_PATH'] ?? '/', 'Exact']], 'neither probes nor metrics')
    t.equal(paths[0]!.backend.service!.name, manifests.get('Service').metadata!.name)
    t.strictSame(spec!.tls!.flatMap(({ hosts }) => hosts), spec!.rules!.map(({ host }) => host))
  }
}
