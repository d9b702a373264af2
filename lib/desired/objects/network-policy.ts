import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import { fieldManager, labels as labelNames } from '../../crd/group.ts'
import type { NetworkPolicy, NetworkPolicyPeer } from '../../crd/objects.ts'
import type { Identity } from '../identity.ts'
import { declaredPorts } from '../ports.ts'
import { egressRules, namespaceNameLabel } from './egress.ts'

type IngressRules = NonNullable<NetworkPolicy['spec']['ingress']>

/**
 * Opens what the template declares, over the namespace's default-deny. No ownerReference: a foreground deletion
 * would take the policy before the pod.
 */
export function networkPolicy(
  { name, namespace, labels, podSelector }: Identity,
  spec: ChallengeTemplateSpec,
  config: Pick<OperatorConfig, 'ingressNamespaces' | 'dns' | 'clusterCidrs'>,
): NetworkPolicy {
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

/** A rule with an empty list of peers or ports means "all of them", so there is no rule then. */
function ingressRules(
  spec: ChallengeTemplateSpec,
  namespaces: OperatorConfig['ingressNamespaces'],
): IngressRules {
  const ports = declaredPorts(spec).map(({ port, protocol }) => ({ protocol, port }))
  if (ports.length === 0 || namespaces?.length === 0) return []
  return [{ from: [notOurs(namespaces)], ports }]
}

/** Never another challenge, also where challenges run in a namespace that may come in. */
function notOurs(namespaces: OperatorConfig['ingressNamespaces']): NetworkPolicyPeer {
  const podSelector = {
    matchExpressions: [{ key: labelNames.managedBy, operator: 'NotIn', values: [fieldManager] }],
  }
  if (namespaces === undefined) return { namespaceSelector: {}, podSelector }
  const named = [{ key: namespaceNameLabel, operator: 'In', values: [...namespaces].sort() }]
  return { namespaceSelector: { matchExpressions: named }, podSelector }
}
