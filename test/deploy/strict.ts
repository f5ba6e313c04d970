import { faultsOfRoute } from './gateway-api.js'
import type { Manifest } from './manifests.js'

interface Model {
  /** Throws where it breaks its schema. */
  validate (): void
}

/** Kinds that Kubernetes does not bring itself. */
const OPERATORS = new Set(['monitoring.coreos.com'])

/**
 * Holds a manifest against the schema of its kind, and against typing errors, which schemas of Kubernetes let pass: a
 * field that the schema never looks at is one that it does not know.
 *
 * @returns what is wrong, each as path and problem
 */
export async function faultsOf (manifest: Manifest): Promise<string[]> {
  if (manifest.kind === 'HTTPRoute') return faultsOfRoute(manifest)
  const model = new (await modelOf(manifest))(manifest)
  const overlooked = new Set<string>()
  const watched = watch(model, '', overlooked) as Model
  try {
    watched.validate()
  } catch (error) {
    return [(error as Error).message]
  }
  return [...overlooked].map(path => `${path} is not known`)
}

async function modelOf ({ apiVersion, kind }: Manifest): Promise<new (data: object) => Model> {
  const [group = ''] = apiVersion.split('/')
  const models = OPERATORS.has(group) ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models'
  const module = await import(`${models}/${apiVersion}/${kind}`) as Record<string, new (data: object) => Model>
  return module[kind]!
}

/** A view of a value that takes each path off a set when it is read. */
function watch (value: unknown, path: string, overlooked: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const views = new Map<PropertyKey, unknown>()
  for (const [key, child] of Object.entries(value)) {
    overlooked.add(`${path}/${key}`)
    views.set(key, watch(child, `${path}/${key}`, overlooked))
  }
  return new Proxy(value, {
    get (target, key) {
      overlooked.delete(`${path}/${String(key)}`)
      return views.has(key) ? views.get(key) : Reflect.get(target, key) as unknown
    }
  })
}
