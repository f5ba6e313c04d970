import { Ajv } from 'ajv'
import type { Manifest } from './manifests.js'

/** A route of the Gateway API, as far as the manifests use it. */
export interface HTTPRoute {
  metadata: Manifest['metadata']
  spec: {
    parentRefs: Array<{ name: string, namespace?: string, sectionName?: string }>
    hostnames: string[]
    rules: Array<{
      matches: Array<{ path: { type: string, value: string } }>
      backendRefs: Array<{ name: string, port: number }>
      timeouts?: { request?: string }
    }>
  }
}

const NAME = { type: 'string', minLength: 1, maxLength: 253 }
const PORT = { type: 'integer', minimum: 1, maximum: 65535 }
const DURATION = { type: 'string', pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$' }
const HOSTNAME = {
  type: 'string',
  maxLength: 253,
  pattern: '^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'
}
const PATH = { type: 'string', maxLength: 1024, pattern: '^/(?!/)(?:[-A-Za-z0-9/._~!$&\'()*+,;=:@]|%[0-9a-fA-F]{2})*$' }

const object = (required: string[], properties: object) =>
  ({ type: 'object', additionalProperties: false, required, properties })
const list = (items: object, maxItems = 16) => ({ type: 'array', minItems: 1, maxItems, items })

/** What version 1 of the Gateway API says of the fields that are used here; its own schema is in no package. */
const SCHEMA = object(['apiVersion', 'kind', 'metadata', 'spec'], {
  apiVersion: { const: 'gateway.networking.k8s.io/v1' },
  kind: { const: 'HTTPRoute' },
  metadata: object(['name'], {
    name: NAME, namespace: NAME, labels: { type: 'object' }, annotations: { type: 'object' }
  }),
  spec: object(['parentRefs', 'rules'], {
    parentRefs: list(object(['name'], { name: NAME, namespace: NAME, sectionName: NAME, port: PORT }), 32),
    hostnames: list(HOSTNAME),
    rules: list(object(['matches', 'backendRefs'], {
      matches: list(object(['path'], { path: object(['type', 'value'], { type: { enum: ['Exact', 'PathPrefix'] }, value: PATH }) })),
      backendRefs: list(object(['name', 'port'], { name: NAME, port: PORT })),
      timeouts: object([], { request: DURATION, backendRequest: DURATION })
    }))
  })
})

const validate = new Ajv({ allErrors: true }).compile(SCHEMA)

/** What is wrong with a route, each as path and problem. */
export function faultsOfRoute (route: Manifest): string[] {
  if (validate(route)) return []
  return validate.errors!.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
}
