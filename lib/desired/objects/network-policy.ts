import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import { fieldManager, labels as labelNames } from '../../crd/group.ts'
import type { Named, NetworkPolicy, NetworkPolicyPeer } from '../../crd/objects.ts'
import type { Identity } from '../identity.ts'
import { declaredPorts } from '../ports.ts'
import { egressRules, namespaceNameLabel } from './egress.ts'

type IngressRules = NonNullable<NetworkPolicy['spec']['ingress']>

/**
 * Opens the ports and ranges that the template declares; the default-deny policy of the namespace closes all others.
 * The policy has no ownerReference, because a foreground deletion would remove it before the pod.
 */
export function networkPolicy(
  { name, namespace, labels, podSelector }: Identity,
  spec: ChallengeTemplateSpec,
  config: Pick<OperatorConfig, 'ingressNamespaces' | 'dns' | 'clusterCidrs'>,
): Named<NetworkPolicy> {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, labels },
    spec: {
      podSelector: { matchLabels: podSelector },
      policyTypes: ['Ingress', 'Egress'],
      ingress: ingressRules(spec, config.ingressNamespaces),
      egress: egressRules(spec, config),
    },
  }
}

/** Returns no rule for an empty list of peers or ports, which Kubernetes would read as "all of them". */
function ingressRules(
  spec: ChallengeTemplateSpec,
  namespaces: OperatorConfig['ingressNamespaces'],
): IngressRules {
  const ports = declaredPorts(spec).map(({ port, protocol }) => ({ protocol, port }))
  if (ports.length === 0 || namespaces?.length === 0) return []
  return [{ from: [notOurs(namespaces)], ports }]
}

/** Selects the pods that are no challenges, also in namespaces that have both. */
function notOurs(namespaces: OperatorConfig['ingressNamespaces']): NetworkPolicyPeer {
  const podSelector = {
    matchExpressions: [{ key: labelNames.managedBy, operator: 'NotIn', values: [fieldManager] }],
  }
  if (namespaces === undefined) return { namespaceSelector: {}, podSelector }
  const named = [{ key: namespaceNameLabel, operator: 'In', values: [...namespaces].sort() }]
  return { namespaceSelector: { matchExpressions: named }, podSelector }
}
