import type { INetworkPolicyIngressRule, INetworkPolicyPeer } from 'kubernetes-models/networking.k8s.io/v1'
import type { Manifests } from './manifests.js'

type Labels = Record<string, string>

/** A pod that asks to come in. */
interface Visitor {
  namespace: string
  labels?: Labels
}

/** Whether the network policies let a pod of another namespace come in to the server. */
export function letsIn (manifests: Manifests, visitor: Visitor): boolean {
  return doorsOf(manifests).some(({ from, ports }) => {
    const [port] = ports!
    return port!.port === 'http' && (from === undefined || from.some(peer => isMeant(peer, visitor)))
  })
}

/** All rules by which somebody may come in to the server. */
export function doorsOf (manifests: Manifests): INetworkPolicyIngressRule[] {
  const { labels = {} } = manifests.get('Deployment').spec!.template.metadata!
  return manifests.of('NetworkPolicy')
    .filter(({ spec }) => matches(labels, spec!.podSelector!.matchLabels!))
    .flatMap(({ spec }) => spec!.ingress!)
}

/** Whether labels are such as a selector asks for. */
export function matches (labels: Labels, selector: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value)
}

function isMeant (peer: INetworkPolicyPeer, { namespace, labels = {} }: Visitor): boolean {
  const { namespaceSelector, podSelector } = peer
  // Without a selector of namespaces, a rule is about the policy's own.
  if (namespaceSelector === undefined) return false
  return matches({ 'kubernetes.io/metadata.name': namespace }, namespaceSelector.matchLabels!) &&
    matches(labels, podSelector?.matchLabels ?? {})
}
