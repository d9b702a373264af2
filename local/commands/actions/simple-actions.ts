import { annotations } from '../../../lib/crd/group.ts'
import { parseTime } from '../../../lib/lifetime.ts'
import { setAnnotation } from '../../../lib/reconcile/json-patch.ts'
import { type Action, alsoTakesUp, isBeingDeleted, type Step, tooLate } from './action.ts'
import { shownPhase } from './selection.ts'

export const stop: Action = {
  participle: 'stopped',
  step: instance =>
    isBeingDeleted(instance)
      ? { kind: 'leave', because: 'it is being deleted already' }
      : { kind: 'delete', detail: 'the instance is deleted' },
}

/** Removes the pod and keeps the instance. Its end stays. */
export const sleep: Action = {
  participle: 'put to sleep',
  step(instance) {
    if (isBeingDeleted(instance)) return { kind: 'refuse', because: tooLate }
    if (instance.spec.suspend) return { kind: 'leave', because: 'it sleeps already' }
    return changed([{ op: 'add', path: '/spec/suspend', value: true }])
  },
}

/**
 * Takes the suspension back. An instance that sleeps because nobody used it is woken by activity, as by a player. One
 * without a known activity gets none: it would count as watched for activity from then on.
 * @param now epoch milliseconds of the API server
 */
export function wake(now: number): Action {
  return {
    participle: 'woken',
    step(instance) {
      if (isBeingDeleted(instance)) return { kind: 'refuse', because: tooLate }
      if (instance.spec.suspend) return changed([{ op: 'add', path: '/spec/suspend', value: false }])
      if (shownPhase(instance) !== 'Idle') return { kind: 'leave', because: 'it does not sleep' }
      if (instance.status?.reason === 'Queued')
        return { kind: 'leave', because: 'it is woken already, and waits until there is room' }
      // Only activity after the hibernation wakes.
      const since = parseTime(instance.status?.hibernation?.since) ?? 0
      const at = dateOf(Math.max(now, since + 1))
      return changed([setAnnotation(instance.metadata, annotations.lastActivity, at)])
    },
  }
}

/** Gives the instance a new pod, once. @param now epoch milliseconds of the API server */
export function restart(now: number): Action {
  return {
    participle: 'restarted',
    step(instance) {
      if (isBeingDeleted(instance)) return { kind: 'refuse', because: tooLate }
      if (instance.spec.suspend || shownPhase(instance) === 'Idle')
        return { kind: 'leave', because: 'it sleeps, and gets a new pod when it wakes' }
      return changed([{ op: 'add', path: '/spec/restartedAt', value: dateOf(now) }], alsoTakesUp(instance))
    },
  }
}

function changed(operations: Extract<Step, { kind: 'patch' }>['operations'], detail?: string): Step {
  return { kind: 'patch', operations, detail }
}

function dateOf(now: number): string {
  return new Date(now).toISOString()
}
