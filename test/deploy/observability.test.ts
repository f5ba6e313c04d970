import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { AUTH_OUTCOMES, DROP_REASONS, LIMIT_NAMES } from '../../src/core/stats.js'
import { Crowd } from '../cluster/crowd.js'
import { startNode, startNodes } from '../cluster/nodes.js'
import { eventually, startServer } from '../helper.js'
import { run, temporaryFolder, type ServerProcess } from '../process.js'
import { freePort, startRedis } from '../redis.js'
import { scrape } from '../scrape.js'
import { Manifests } from './manifests.js'
import { Prometheus } from './prometheus.js'
import { ROOT, tool } from './tools.js'

interface Alert {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string, runbook: string }
}

interface Panel {
  id: number
  type: string
  title: string
  description?: string
  gridPos: { x: number, y: number, w: number, h: number }
  targets?: Array<{ expr: string, legendFormat: string }>
}

interface Dashboard {
  panels: Panel[]
  templating: { list: Array<{ name: string, type: string, definition?: string }> }
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

const RULES = 'deploy/observability/prometheus-rules.yaml'
/** For the HTTP API. */
const API_KEY = 'api-key-0123456789-0123456789-0123'

const { groups } = parse(read(RULES)) as { groups: Array<{ rules: Alert[] }> }
const alerts = groups.flatMap(({ rules }) => rules)
const dashboard = JSON.parse(read('deploy/observability/grafana-dashboard.json')) as Dashboard
const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

/** A query of the dashboard with what Grafana puts in for its variables. */
function expand (query: string): string {
  const expanded = query.replaceAll('$__rate_interval', '1m').replaceAll(/"\$(job|instance)"/g, '".+"')
  if (expanded.includes('$')) throw new Error(`a variable that is not there: ${expanded}`)
  return expanded
}

t.test('each metric that is named is one that a server exports', async t => {
  const { origin } = await startServer(t)
  const { samples, types } = await scrape(origin)
  const exported = new Set(Array.from(samples.keys(), name => name.replace(/\{.*/, '')))
  // Some have no samples before something happens.
  for (const [name, type] of types) exported.add(name).add(type === 'histogram' ? `${name}_sum` : name)
  const { rules: { custom } } = parse(read('deploy/observability/prometheus-adapter-values.yaml')) as {
    rules: { custom: Array<{ seriesQuery: string, name: { as: string } }> }
  }
  const scaled = (await Manifests.ofHelm('--set', 'autoscaling.connections=5000')).of('HorizontalPodAutoscaler')
    .flatMap(({ spec }) => spec!.metrics!).flatMap(({ pods }) => pods === undefined ? [] : [pods.metric.name])
  t.strictSame(scaled, custom.map(({ name }) => name.as), 'the adapter gives what is scaled by')

  const sources = {
    dashboard: [...queries, ...dashboard.templating.list.map(({ definition = '' }) => definition)],
    alerts: alerts.map(({ expr }) => expr),
    adapter: custom.map(({ seriesQuery }) => seriesQuery),
    scaling: scaled,
    runbook: [read('docs/operations.md'), read('docs/deployment.md')]
  }
  for (const [name, texts] of Object.entries(sources)) {
    const named = new Set(texts.join('\n').match(/\b(symple|process|nodejs)_[a-z0-9_]+\b/g))
    t.ok(named.size > 0, name)
    t.strictSame([...named].filter(metric => !exported.has(metric)), [], name)
  }
})

t.test('each metric of the server\'s own is on the dashboard', async t => {
  const { types } = await scrape((await startServer(t)).origin)
  const own = [...types.keys()].filter(name => name.startsWith('symple_'))
  t.ok(own.length > 0)
  const shown = new Set(queries.join('\n').match(/\bsymple_[a-z0-9_]+/g)?.map(name => name.replace(/_bucket$/, '')))
  t.strictSame(own.filter(name => !shown.has(name)), [])
})

t.test('the rules', async t => {
  t.match(await tool('promtool', 'check', 'rules', RULES), `${alerts.length} rules found`)
  t.match(await tool('promtool', 'test', 'rules', 'test/deploy/alerts.yaml'), 'SUCCESS')

  t.test('each is tested to fire, and not to', async t => {
    const { tests } = parse(read('test/deploy/alerts.yaml')) as {
      tests: Array<{ alert_rule_test: Array<{ alertname: string, exp_alerts?: object[] }> }>
    }
    const cases = tests.flatMap(({ alert_rule_test: cases }) => cases)
    const names = alerts.map(({ alert }) => alert).sort()
    const tested = (fires: boolean) => {
      const some = cases.filter(({ exp_alerts: expected }) => (expected !== undefined) === fires)
      return [...new Set(some.map(({ alertname }) => alertname))].sort()
    }
    t.strictSame(tested(true), names)
    t.strictSame(tested(false), names)
  })

  t.test('each has its section in the runbook, and the runbook no other', async t => {
    const [, section = ''] = /^## Alerts$(.*?)^## /ms.exec(read('docs/operations.md')) ?? []
    const titles = [...section.matchAll(/^### (.+)$/gm)].map(([, title]) => title)
    t.strictSame(titles, alerts.map(({ alert }) => alert))
    for (const { alert, annotations } of alerts) {
      t.equal(annotations.runbook, `docs/operations.md#${alert.toLowerCase()}`)
    }
  })

  t.test('they ask for values of labels that there are', async t => {
    const known: Record<string, readonly string[]> = {
      outcome: [...AUTH_OUTCOMES, 'lost'], status: ['5xx'], reason: DROP_REASONS, limit: LIMIT_NAMES
    }
    const asked = alerts.flatMap(({ expr }) => [...expr.matchAll(/(\w+)=~?"([^"]+)"/g)])
    t.ok(asked.length >= 5)
    for (const [, label, values] of asked) {
      t.strictSame(values!.split('|').filter(value => !known[label!]!.includes(value)), [], `${label}: ${values}`)
    }
  })

  t.test('memory: before the limit of the manifests', async t => {
    const { limits } = (await Manifests.ofKustomize('base')).container.resources!
    t.equal(limits!['memory'], '1Gi')
    const { expr } = alerts.find(({ alert }) => alert === 'SympleMemory')!
    t.equal(Number(/> (\d+)/.exec(expr)![1]), Math.floor(0.85 * 2 ** 30))
  })

  t.test('those of the operator are the same', async t => {
    const { spec } = (await Manifests.ofKustomize('overlays/production')).get('PrometheusRule')
    t.strictSame(spec!.groups, groups)
  })
})

t.test('the dashboard: panels do not overlap, and say what they are', async t => {
  const { panels } = dashboard
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids are unique')
  const taken = new Map<string, string>()
  for (const { title, type, description, targets = [], gridPos: { x, y, w, h } } of panels) {
    t.ok(x >= 0 && x + w <= 24, `${title} is on the grid`)
    for (let i = x; i < x + w; i++) {
      for (let j = y; j < y + h; j++) {
        const cell = `${i},${j}`
        if (taken.has(cell)) t.fail(`${title} lies over ${taken.get(cell)}`)
        taken.set(cell, title)
      }
    }
    if (type !== 'row') t.ok(description !== undefined && targets.length > 0, `${title} has a description and queries`)
  }
})

t.test('a real Prometheus: every panel shows something, and no alert fires', async t => {
  const nodes = await startCluster(t)
  const prometheus = await Prometheus.start(t, nodes.map(({ port }) => `127.0.0.1:${port}`))
  const crowd = new Crowd(t)
  for (const [i, { url }] of nodes.entries()) await crowd.enter(url, { user: `user${i}`, rooms: ['lobby'] })
  await crowd.part(await crowd.enter(nodes[0]!.url, { user: 'leaver' }))
  const [alice, bob] = crowd.players.map(({ client }) => client)
  t.equal(await listRooms(nodes[0]!, 'a-key-that-is-not-valid'), 401)
  // Without a barrier, which is answered with an error: an alert would count it.
  const talk = async () => {
    await listRooms(nodes[0]!, API_KEY)
    for (const [from, to] of [[alice!, bob!], [bob!, alice!]] as const) {
      from.send({ type: 'message', to: ['lobby'], data: 'hello' })
      await to.find('message')
    }
  }

  await talk()
  for (const query of queries) {
    await eventually(async () => {
      await talk()
      const samples = await prometheus.query(expand(query))
      return samples.length > 0 && samples.every(({ value }) => Number.isFinite(value))
    }, query)
  }
  t.equal((await prometheus.query(expand(queries.find(query => query.includes('symple_peers'))!)))[0]?.value, crowd.players.length)
  t.strictSame(await prometheus.labelValues('instance', 'symple_ready'), nodes.map(({ port }) => `127.0.0.1:${port}`).sort())

  await eventually(async () => (await prometheus.rules()).every(({ health }) => health === 'ok'), 'rules that can be evaluated')
  const rules = await prometheus.rules()
  t.equal(rules.length, alerts.length)
  // A busy machine may well be late: what has to last a while before it fires is let be.
  t.strictSame(rules.filter(({ state }) => state === 'firing').map(({ name }) => name), [])
})

t.test('the runbook asks a node why it is not ready', async t => {
  const node = await startNode(t, `redis://127.0.0.1:${await freePort()}`)
  const command = commandOf(/^ *kubectl exec POD -- (.+)$/m).replace(':4500', `:${node.port}`)
  t.match(JSON.parse(await shell(t, command)), { reasons: ['Redis can not be reached'] })
})

t.test('the runbook changes the password of Redis, and no node is without it', async t => {
  const redis = await startRedis(t, { args: ['--requirepass', 'old'] })
  const urlWith = (password: string) => redis.url.replace('//', `//:${password}@`)
  const [before] = await startNodes(t, urlWith('old'), 1)
  const inside = { REDISCLI_AUTH: 'old', NEW: 'new' }
  const command = commandOf(/^kubectl .+ exec symple-server-redis-0 -- (.+)$/m).replace('redis-cli', `redis-cli -p ${redis.port}`)
  t.equal(await shell(t, command, inside), 'OK\n')
  const [after] = await startNodes(t, urlWith('new'), 1)
  t.equal(await shell(t, `redis-cli -p ${redis.port} ping`, inside), 'PONG\n', 'the probes of Redis have the old one')
  const crowd = new Crowd(t)
  for (const node of [before!, after!]) await crowd.enter(node.url, { user: 'user', rooms: ['lobby'] })
  await crowd.exact()
  for (const { log } of [before!, after!]) t.strictSame(log.filter(({ level }) => level >= 40), [])
})

/** A command of the runbook, without what runs it in a pod. */
function commandOf (pattern: RegExp): string {
  return pattern.exec(read('docs/operations.md'))![1]!
}

/** What a command says where it succeeds. */
async function shell (t: Test, command: string, env: Record<string, string> = {}): Promise<string> {
  const program = run(t, 'sh', ['-c', command], env, temporaryFolder(t))
  t.strictSame(await program.exited, { code: 0, signal: null }, `${command} ${program.stderr}`)
  return program.stdout
}

async function startCluster (t: Test): Promise<ServerProcess[]> {
  const redis = await startRedis(t)
  return await startNodes(t, redis.url, 2, { SYMPLE_MAX_CONNECTIONS: '1000', SYMPLE_NODE_TTL: '10', SYMPLE_API_KEY: API_KEY })
}

/** @returns the status of the answer */
async function listRooms ({ origin }: ServerProcess, key: string): Promise<number> {
  return (await fetch(`${origin}/api/rooms`, { headers: { authorization: `Bearer ${key}` } })).status
}
