import type { OperatorConfig } from '../config/operator.ts'
import type { ChallengeTemplateSpec } from '../crd/challenge-template.ts'
import { addedExceptions } from './objects/allowed-range.ts'

/** Characters. The schema admits 1,024. */
const limit = 1_000

/**
 * Tells an author what the operator makes of the template and does not follow from its text: the parts of an allowed
 * range that stay closed.
 * @param spec of a template without a problem
 * @returns undefined if there is nothing to say
 */
export function templateMessage(
  { networkProfile, egressAllowlist = [] }: ChallengeTemplateSpec,
  { clusterCidrs }: Pick<OperatorConfig, 'clusterCidrs'>,
): string | undefined {
  if (networkProfile !== 'egress-allowlist') return undefined
  const narrowed = egressAllowlist.flatMap(rule => {
    const added = addedExceptions(rule, clusterCidrs)
    return added.length === 0 ? [] : [`${rule.cidr} does not reach ${added.join(', ')}`]
  })
  if (narrowed.length === 0) return undefined
  const message = `egressAllowlist: ${narrowed.join('; ')}. If instances need a private range, give it an entry of its own.`
  return message.length > limit ? `${message.slice(0, limit)}…` : message
}
