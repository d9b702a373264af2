import { contains, formatCidr, parseCidr } from '../../config/cidr.ts'
import type { ChallengeTemplateSpec, EgressRule } from '../../crd/challenge-template.ts'
import { closedBy } from '../objects/allowed-range.ts'

const profiles = ['isolated-egress-dns-only', 'egress-allowlist', 'open']

/** The problems of a template's network fields, each with what to write instead. */
export function networkProblems(
  spec: Pick<ChallengeTemplateSpec, 'networkProfile' | 'egressAllowlist'>,
  clusterCidrs: readonly string[],
): string[] {
  const { networkProfile = 'isolated-egress-dns-only', egressAllowlist = [] } = spec
  if (!profiles.includes(networkProfile))
    return [
      `networkProfile ${JSON.stringify(networkProfile)} is not known; write one of ${profiles.join(', ')}`,
    ]
  if (egressAllowlist.length > 0 && networkProfile !== 'egress-allowlist')
    return [
      `egressAllowlist has no effect with ${networkProfile}; write networkProfile egress-allowlist or remove it`,
    ]
  return egressAllowlist.flatMap((rule, index) =>
    ruleProblems(`egressAllowlist[${index}]`, rule, clusterCidrs),
  )
}

function ruleProblems(path: string, rule: EgressRule, clusterCidrs: readonly string[]): string[] {
  const range = parseCidr(rule.cidr)
  if (typeof range === 'string') return [`${path}.cidr ${range}`]
  const parsed = (rule.except ?? []).map(parseCidr)
  const broken = parsed.find(each => typeof each === 'string')
  if (broken) return [`${path}.except ${broken}`]
  const except = parsed.filter(each => typeof each !== 'string')
  const outside = except.find(each => !contains(range, each) || contains(each, range))
  if (outside) return [`${path}.except ${formatCidr(outside)} is no part of ${rule.cidr}; remove it`]
  if (rule.ports?.length === 0) return [`${path}.ports is empty; leave it out for every port, or write one`]
  // A wider range gets the exceptions that it needs, see `addedExceptions`.
  const covering = closedBy(range, clusterCidrs)
  if (covering === undefined) return []
  return [
    `${path}.cidr ${rule.cidr} lies in ${formatCidr(covering)}, which no challenge may reach; remove it`,
  ]
}
