import type { OperatorConfig } from '../../config/operator.ts'
import { annotations, fieldManager, labels as labelNames } from '../../crd/group.ts'
import type { Named, NetworkPolicy } from '../../crd/objects.ts'
import { type Identity, policyName } from '../identity.ts'
import { type PolicyRules, policyRulesText } from '../policy-rules.ts'
import { egressRules } from './egress.ts'
import { type IngressSettings, ingressRules } from './ingress.ts'

/** The settings that are content of policies. Their change is written into the policies and restarts no pod. */
export type PolicySettings = IngressSettings &
  Pick<OperatorConfig, 'dns'> & {
    /** During a lockdown nothing reaches a pod, and a pod reaches nothing. Undefined: there is none. */
    lockdown?: boolean
  }

/**
 * Builds the policy that all pods of a namespace with the same rules share. It opens the ports and ranges that the rules
 * declare; the default-deny policy of the namespace closes all others.
 *
 * It selects pods by a label with its own name. Its annotation keeps the rules, so that it can be built anew without a
 * template; whoever reads them compares them with the name. It has no owner, since it belongs to no single instance.
 */
export function sharedPolicy(
  namespace: string,
  rules: PolicyRules,
  settings: PolicySettings,
): Named<NetworkPolicy> {
  const name = policyName(rules)
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name,
      namespace,
      labels: { [labelNames.managedBy]: fieldManager, [labelNames.policy]: name },
      annotations: { [annotations.policyRules]: policyRulesText(rules) },
    },
    spec: policySpec({ [labelNames.policy]: name }, rules, settings),
  }
}

/**
 * Builds the policy of one instance, as earlier releases made it. An instance keeps it until its pod is made anew. The
 * policy has no ownerReference, because a foreground deletion would remove it before the pod.
 */
export function ownPolicy(
  { name, namespace, labels, podSelector }: Identity,
  rules: PolicyRules,
  settings: PolicySettings,
): Named<NetworkPolicy> {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, labels },
    spec: policySpec(podSelector, rules, settings),
  }
}

/** Builds the policy of one instance during a lockdown. It follows from no template. */
export function closedOwnPolicy({ name, namespace, labels, podSelector }: Identity): Named<NetworkPolicy> {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, labels },
    spec: closedSpec(podSelector),
  }
}

function policySpec(
  matchLabels: Record<string, string>,
  rules: PolicyRules,
  settings: PolicySettings,
): NetworkPolicy['spec'] {
  const closed = closedSpec(matchLabels)
  if (settings.lockdown) return closed
  return { ...closed, ingress: ingressRules(rules, settings), egress: egressRules(rules, settings) }
}

function closedSpec(matchLabels: Record<string, string>): NetworkPolicy['spec'] {
  return { podSelector: { matchLabels }, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [] }
}
