import type { Metric, Registry } from 'prom-client'

/** Gateway's registry → where each instance is mounted → its own registry. */
const SHARED = new WeakMap<Registry, Map<string, Registry>>()

/**
 * Has a registry show the metrics of another, with a label that says where they come from: several instances have
 * metrics of the same names.
 *
 * @returns what undoes it
 * @throws Error where the registry has one of these metrics from somebody else
 */
export function share (own: Registry, shared: Registry, mount: string): () => void {
  const mounts = SHARED.get(shared) ?? new Map<string, Registry>()
  SHARED.set(shared, mounts)
  if (mounts.has(mount)) throw new Error(`the registry has metrics of an instance at ${mount} already`)
  const metrics = own.getMetricsAsArray()
  const names = metrics.map(({ name }) => name)
  if (mounts.size === 0) {
    const taken = names.find(name => shared.getSingleMetric(name) !== undefined)
    if (taken !== undefined) throw new Error(`the registry has a metric ${taken} of somebody else already`)
    for (const { name, help } of metrics) shared.registerMetric(merged(name, help, mounts))
  }
  mounts.set(mount, own)
  return () => {
    mounts.delete(mount)
    if (mounts.size === 0) for (const name of names) shared.removeSingleMetric(name)
  }
}

function merged (name: string, help: string, mounts: Map<string, Registry>): Metric {
  const get = async () => {
    const parts = await Promise.all(Array.from(mounts, async ([mount, registry]) => {
      const part = await registry.getSingleMetric(name)!.get()
      return { ...part, values: part.values.map(value => ({ ...value, labels: { ...value.labels, mount } })) }
    }))
    return { ...parts[0]!, values: parts.flatMap(({ values }) => values) }
  }
  return { name, help, get } as unknown as Metric
}
