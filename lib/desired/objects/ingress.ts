import { cidr } from '../../config/cidr.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import { fieldManager, labels as labelNames } from '../../crd/group.ts'
import type { NetworkPolicy, NetworkPolicyPeer } from '../../crd/objects.ts'
import type { PolicyRules } from '../policy-rules.ts'
import { blockWithout, namespaceNameLabel } from './egress.ts'

type IngressRules = NonNullable<NetworkPolicy['spec']['ingress']>

/** The settings that say who may reach challenges. */
export type IngressSettings = Pick<OperatorConfig, 'ingressNamespaces' | 'ingressCidrs' | 'clusterCidrs'>

/** Opens the declared ports. Returns no rule for an empty list of peers or ports, which Kubernetes would read as "all of them". */
export function ingressRules(
  { ports, exposure }: Pick<PolicyRules, 'ports' | 'exposure'>,
  settings: IngressSettings,
): IngressRules {
  const outside = exposure === undefined ? [] : fromOutside(exposure, settings)
  return [
    ...rule(fromPods(settings.ingressNamespaces), ports),
    ...(exposure === undefined ? [] : rule(outside, [exposure])),
  ]
}

function rule(from: NetworkPolicyPeer[], ports: PolicyRules['ports']): IngressRules {
  if (from.length === 0 || ports.length === 0) return []
  return [{ from, ports: ports.map(({ port, protocol }) => ({ protocol, port })) }]
}

/** Selects the pods that are no challenges, also in namespaces that have both. */
function fromPods(namespaces: OperatorConfig['ingressNamespaces']): NetworkPolicyPeer[] {
  const podSelector = {
    matchExpressions: [{ key: labelNames.managedBy, operator: 'NotIn', values: [fieldManager] }],
  }
  if (namespaces === undefined) return [{ namespaceSelector: {}, podSelector }]
  if (namespaces.length === 0) return []
  const named = [{ key: namespaceNameLabel, operator: 'In', values: [...namespaces].sort() }]
  return [{ namespaceSelector: { matchExpressions: named }, podSelector }]
}

/**
 * Selects addresses outside of the pods. A node port and a load balancer may keep the player's own address, so they admit
 * every address that is not the cluster's.
 */
function fromOutside(
  { type }: NonNullable<PolicyRules['exposure']>,
  { ingressCidrs, clusterCidrs }: IngressSettings,
): NetworkPolicyPeer[] {
  const named = ingressCidrs.map(range => ({ ipBlock: { cidr: range } }))
  if (type !== 'NodePort' && type !== 'LoadBalancer') return named
  const closed = clusterCidrs.map(cidr)
  return [blockWithout('0.0.0.0/0', closed), blockWithout('::/0', closed), ...named]
}
