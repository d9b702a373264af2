import { type Cidr, cidr, contains, formatCidr } from '../../config/cidr.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import type { NetworkPolicy } from '../../crd/objects.ts'
import { addedExceptions, closedBy, widest } from './allowed-range.ts'
import { notInternet } from './ranges.ts'

/** The label with the namespace's name, which Kubernetes puts on every namespace. */
export const namespaceNameLabel = 'kubernetes.io/metadata.name'

/** The fields of a template that say what its pods may reach. */
type EgressFields = Pick<ChallengeTemplateSpec, 'networkProfile' | 'egressAllowlist'>

type EgressRules = NonNullable<NetworkPolicy['spec']['egress']>

/** Opens cluster DNS for every profile, and the ranges of the profile. */
export function egressRules(
  spec: EgressFields,
  { dns, clusterCidrs }: Pick<OperatorConfig, 'dns' | 'clusterCidrs'>,
): EgressRules {
  const toDns = dnsRule(dns)
  switch (spec.networkProfile) {
    case 'open':
      return [toDns, { to: [internet('0.0.0.0/0', clusterCidrs), internet('::/0', clusterCidrs)] }]
    case 'egress-allowlist':
      return [toDns, ...allowlist(spec, clusterCidrs)]
    default:
      return [toDns]
  }
}

function dnsRule({ namespace, labels, port }: OperatorConfig['dns']): EgressRules[number] {
  return {
    to: [
      {
        namespaceSelector: { matchLabels: { [namespaceNameLabel]: namespace } },
        podSelector: { matchLabels: labels },
      },
    ],
    ports: [
      { protocol: 'UDP', port },
      { protocol: 'TCP', port },
    ],
  }
}

function allowlist({ egressAllowlist = [] }: EgressFields, clusterCidrs: readonly string[]): EgressRules {
  const open = egressAllowlist.filter(rule => closedBy(cidr(rule.cidr), clusterCidrs) === undefined)
  return open.map(rule => {
    const { cidr: range, ports = [] } = rule
    const except = [...(rule.except ?? []), ...addedExceptions(rule, clusterCidrs)]
    return {
      to: [{ ipBlock: { cidr: range, ...(except.length > 0 && { except }) } }],
      ...(ports.length > 0 && {
        ports: ports.map(({ port, protocol = 'TCP' }) => ({ protocol, port })),
      }),
    }
  })
}

function internet(everything: string, clusterCidrs: readonly string[]) {
  return blockWithout(everything, [...notInternet, ...clusterCidrs.map(cidr)])
}

/** A range without those of its family that lie in it. */
export function blockWithout(range: string, closed: readonly Cidr[]) {
  const whole = cidr(range)
  const except = widest(closed.filter(each => contains(whole, each))).map(formatCidr)
  return { ipBlock: { cidr: range, ...(except.length > 0 && { except }) } }
}
