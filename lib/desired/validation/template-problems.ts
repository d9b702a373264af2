import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeTemplate, ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import { dateAdvice, parseTime } from '../../lifetime.ts'
import type { Problem } from '../problem.ts'
import { containerProblems } from './container-problems.ts'
import { exposureProblems } from './exposure-problems.ts'
import { networkProblems } from './network-problems.ts'
import { podProblems } from './pod-problems.ts'

/** Characters of a message. Users do not read longer ones. */
const messageLimit = 800

/** Collects every problem of a template that the schema of its resource lets through, in one message. */
export function templateProblem(template: ChallengeTemplate, config: OperatorConfig): Problem | undefined {
  const { metadata, spec } = template
  const problems = [
    ...containerProblems(spec),
    ...podProblems(spec),
    ...networkProblems(spec, config.clusterCidrs),
    ...exposureProblems(spec),
    ...dateProblems(spec),
    ...placementProblems(spec, config),
  ]
  if (problems.length === 0) return undefined
  const message = `ChallengeTemplate "${metadata.name}" cannot be used: ${problems.join('; ')}`
  const cut =
    message.length > messageLimit ? `${message.slice(0, messageLimit).toWellFormed()}…` : `${message}.`
  // Postgres accepts no NUL in a text.
  return { reason: 'TemplateInvalid', message: cut.replace(/\p{Cc}/gu, ' ') }
}

function dateProblems(spec: ChallengeTemplateSpec): string[] {
  return (['availableFrom', 'availableUntil'] as const)
    .filter(field => spec[field] !== undefined && parseTime(spec[field]) === undefined)
    .map(field => `${field} is no date; ${dateAdvice}`)
}

function placementProblems({ placement }: ChallengeTemplateSpec, { placement: settings }: OperatorConfig) {
  const { allowed } = settings
  if (placement === undefined || allowed.includes(placement)) return []
  return [
    `placement ${placement} is not allowed here; write ${allowed.join(' or ')}, ` +
      'or have the organisers add it to OPERATOR_PLACEMENTS',
  ]
}
