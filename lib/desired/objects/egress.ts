import { cidr, contains, formatCidr } from '../../config/cidr.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import type { NetworkPolicy } from '../../crd/objects.ts'
import { addedExceptions, widest } from './allowed-range.ts'
import { notInternet } from './ranges.ts'

/** The label with the namespace's name, which Kubernetes puts on every namespace. */
export const namespaceNameLabel = 'kubernetes.io/metadata.name'

type EgressRules = NonNullable<NetworkPolicy['spec']['egress']>

/** Opens cluster DNS for every profile, and the ranges of the profile. */
export function egressRules(
  spec: ChallengeTemplateSpec,
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

function allowlist(
  { egressAllowlist = [] }: ChallengeTemplateSpec,
  clusterCidrs: readonly string[],
): EgressRules {
  return egressAllowlist.map(rule => {
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
  const all = cidr(everything)
  const closed = [...notInternet, ...clusterCidrs.map(cidr)].filter(each => contains(all, each))
  return { ipBlock: { cidr: everything, except: widest(closed).map(formatCidr) } }
}
