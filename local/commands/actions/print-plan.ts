import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import type { Action, Result, Step } from './action.ts'
import { keyOf, shownPhase } from './selection.ts'

/** One line of a dry run. */
export function plannedLine(instance: Stored<ChallengeInstance>, { participle }: Action, step: Step): string {
  switch (step.kind) {
    case 'patch':
    case 'delete':
      return `${named(instance)}  would be ${participle}${step.detail ? `: ${step.detail}` : ''}`
    case 'leave':
      return `${named(instance)}  stays as it is: ${step.because}`
    case 'refuse':
      return `${named(instance)}  cannot be ${participle}: ${step.because}`
  }
}

/** The last line of a dry run. */
export function planSummary(steps: readonly Step[], { participle }: Action): string {
  const would = steps.filter(({ kind }) => kind === 'patch' || kind === 'delete').length
  const cannot = steps.filter(({ kind }) => kind === 'refuse').length
  const refused = cannot === 0 ? '' : `, and ${cannot} cannot be`
  const advice =
    would === 0 ? '' : ' Nothing has been changed yet. Run the command again with --yes to carry it out.'
  return `${would} of ${instances(steps.length)} would be ${participle}${refused}.${advice}`
}

export function resultLine({ instance, outcome, detail }: Result, { participle }: Action): string {
  const why = detail === undefined ? '' : `: ${detail}`
  if (outcome === 'done') return `${keyOf(instance)}  is ${participle}${why}`
  return outcome === 'left'
    ? `${keyOf(instance)}  stays as it is${why}`
    : `${keyOf(instance)}  is not ${participle}${why}`
}

/** The last line of an action on several instances. */
export function resultSummary(results: readonly Result[], { participle }: Action): string {
  const { done = [], left = [], failed = [] } = Object.groupBy(results, ({ outcome }) => outcome)
  const rest = [
    ...(left.length === 0
      ? []
      : [`${left.length} ${left.length === 1 ? 'stays as it is' : 'stay as they are'}`]),
    ...(failed.length === 0 ? [] : [`${failed.length} failed`]),
  ]
  const others = rest.length === 0 ? '' : `; ${rest.join(', ')}`
  return `${done.length} of ${instances(results.length)} ${done.length === 1 ? 'is' : 'are'} ${participle}${others}.`
}

function named(instance: Stored<ChallengeInstance>): string {
  const { eventId, teamId } = instance.spec.owner
  const phase = shownPhase(instance) ?? 'New'
  return `${keyOf(instance)}  ${phase}  event ${eventId}, team ${teamId}`
}

function instances(count: number): string {
  return count === 1 ? '1 instance' : `${count} instances`
}
