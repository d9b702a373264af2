import { annotations } from '../crd/group.ts'
import type { Named, NetworkPolicy } from '../crd/objects.ts'
import { policyName } from '../desired/identity.ts'
import { normalized, type PolicyRules, policyRulesText, type RulePort } from '../desired/policy-rules.ts'
import { networkProblems } from '../desired/validation/network-problems.ts'

/**
 * Returns the rules that a shared policy was made for, as its annotation keeps them. Anybody who may write policies may
 * change the annotation. It is believed only if the name of the policy follows from it, so that no edit opens anything.
 * @returns undefined if the annotation does not keep the rules of this name
 */
export function rulesOf({ metadata }: Named<NetworkPolicy>): PolicyRules | undefined {
  const rules = parsePolicyRules(metadata.annotations?.[annotations.policyRules] ?? '')
  return rules && policyName(rules) === metadata.name ? rules : undefined
}

/**
 * Parses what `policyRulesText` returns.
 * @returns undefined for a text that no template gives
 */
export function parsePolicyRules(text: string): PolicyRules | undefined {
  try {
    const rules = normalized(JSON.parse(text) as PolicyRules)
    const ports = rules.exposure === undefined ? rules.ports : [...rules.ports, rules.exposure]
    const isSound = ports.every(isPort) && networkProblems(rules, []).length === 0
    return isSound && policyRulesText(rules) === text ? rules : undefined
  } catch {
    return undefined
  }
}

function isPort({ port, protocol }: RulePort): boolean {
  return Number.isInteger(port) && ['TCP', 'UDP'].includes(protocol)
}
