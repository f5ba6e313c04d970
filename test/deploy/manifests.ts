import { join, resolve } from 'node:path'
import type { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import type { Deployment, StatefulSet } from 'kubernetes-models/apps/v1'
import type { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import type { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import type { ConfigMap, IPodTemplateSpec, Namespace, Secret, Service, ServiceAccount } from 'kubernetes-models/v1'
import type { PrometheusRule, ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import { parseAllDocuments } from 'yaml'
import type { HTTPRoute } from './gateway-api.js'
import { ROOT, tool } from './tools.js'

export const KUSTOMIZE = join(ROOT, 'deploy/kubernetes')

/** Without which the chart makes nothing. */
export const IMAGE = ['--set', 'image.repository=symple-server']

interface Kinds {
  ConfigMap: ConfigMap
  Deployment: Deployment
  HTTPRoute: HTTPRoute
  HorizontalPodAutoscaler: HorizontalPodAutoscaler
  Ingress: Ingress
  Namespace: Namespace
  NetworkPolicy: NetworkPolicy
  PodDisruptionBudget: PodDisruptionBudget
  PrometheusRule: PrometheusRule
  Secret: Secret
  Service: Service
  ServiceAccount: ServiceAccount
  ServiceMonitor: ServiceMonitor
  StatefulSet: StatefulSet
}

/** An object as it would be sent to a cluster. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string, namespace?: string, labels?: Record<string, string>, annotations?: Record<string, string> }
  [field: string]: unknown
}

/** All that is sent to a cluster at once. */
export class Manifests {
  constructor (readonly all: Manifest[]) {}

  /** What `kubectl apply -k` would send; the folder's path is absolute or within `deploy/kubernetes`. */
  static async ofKustomize (folder: string): Promise<Manifests> {
    return new Manifests(parse(await tool('kubectl', 'kustomize', resolve(KUSTOMIZE, folder))))
  }

  /** What `helm install` would send, with the one value that it needs, and further arguments such as `--set`. */
  static async ofHelm (...args: string[]): Promise<Manifests> {
    return new Manifests(parse(await tool('helm', 'template', 'symple-server', 'deploy/helm/symple-server', ...IMAGE, ...args)))
  }

  of<K extends keyof Kinds> (kind: K): Array<Kinds[K]> {
    return this.all.filter(manifest => manifest.kind === kind) as unknown as Array<Kinds[K]>
  }

  /** The one of a kind and name. */
  get<K extends keyof Kinds> (kind: K, name = 'symple-server'): Kinds[K] {
    const found = this.of(kind).find(({ metadata }) => metadata?.name === name)
    if (found === undefined) throw new Error(`no ${kind} ${name}`)
    return found
  }

  /** The templates of all pods. */
  get pods (): IPodTemplateSpec[] {
    return [...this.of('Deployment'), ...this.of('StatefulSet')].map(({ spec }) => spec!.template)
  }

  /** The variables of the server that stand in its ConfigMap. */
  get variables (): Record<string, string> {
    const { configMapRef } = this.container.envFrom![0]!
    return this.get('ConfigMap', configMapRef!.name).data!
  }

  /** The server's own container. */
  get container () {
    return this.pod.containers[0]!
  }

  /** The server's pod. */
  get pod () {
    return this.get('Deployment').spec!.template.spec!
  }

  /** Seconds that a pod which is to go still takes connections. */
  get preStop (): number {
    const [program, seconds] = this.container.lifecycle!.preStop!.exec!.command!
    if (program !== 'sleep') throw new Error(`preStop runs ${program}`)
    return Number(seconds)
  }

  /** Seconds over which clients are sent away. */
  get drain (): number {
    return Number(this.variables['SYMPLE_DRAIN_SECONDS'])
  }
}

function parse (text: string): Manifest[] {
  return parseAllDocuments(text).map(document => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS() as Manifest | null
  }).filter(manifest => manifest !== null)
}
