import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { eventually } from '../helper.js'
import { run, temporaryFolder } from '../process.js'
import { freePort } from '../redis.js'
import { ROOT, TOOLS_PATH } from './tools.js'

/** A value of a query, by the labels that tell it from others. */
export interface Sample {
  metric: Record<string, string>
  value: number
}

/** A rule as it stands in a running Prometheus. */
export interface Rule {
  name: string
  health: string
  state: string
}

/** A real Prometheus that reads the metrics of servers once a second, and has the alert rules. */
export class Prometheus {
  readonly #origin: string

  private constructor (origin: string) {
    this.#origin = origin
  }

  /** @param targets as host:port */
  static async start (t: Test, targets: readonly string[]): Promise<Prometheus> {
    const folder = temporaryFolder(t)
    // JSON is YAML.
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [join(ROOT, 'deploy/observability/prometheus-rules.yaml')],
      scrape_configs: [{ job_name: 'symple-server', static_configs: [{ targets }] }]
    }))
    const address = `127.0.0.1:${await freePort()}`
    const prometheus = run(t, 'prometheus', [
      '--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=${address}`
    ], { PATH: TOOLS_PATH }, folder)
    await eventually(async () => {
      if (prometheus.child.exitCode !== null) throw new Error(`prometheus ended: ${prometheus.stderr}`)
      return await fetch(`http://${address}/-/ready`).then(({ ok }) => ok, () => false)
    }, 'a Prometheus that is ready')
    return new Prometheus(`http://${address}`)
  }

  /** What a query yields now. Throws where it is wrong. */
  async query (query: string): Promise<Sample[]> {
    const { result } = await this.#get('query', { query }) as {
      result: Array<{ metric: Record<string, string>, value: [time: number, value: string] }>
    }
    return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))
  }

  /** The values of a label of what matches. */
  async labelValues (label: string, match: string): Promise<string[]> {
    return await this.#get(`label/${label}/values`, { 'match[]': match }) as string[]
  }

  async rules (): Promise<Rule[]> {
    const { groups } = await this.#get('rules', {}) as { groups: Array<{ rules: Rule[] }> }
    return groups.flatMap(({ rules }) => rules)
  }

  async #get (path: string, parameters: Record<string, string>): Promise<unknown> {
    const response = await fetch(`${this.#origin}/api/v1/${path}?${String(new URLSearchParams(parameters))}`)
    const { status, data, error } = await response.json() as { status: string, data: unknown, error?: string }
    if (status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${error}`)
    return data
  }
}
