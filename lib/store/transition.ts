import type { Phase } from '../crd/challenge-instance.ts'
import type { EventType, TransitionEvent } from '../events.ts'

/** The part of an instance that its events depend on. */
export interface InstanceState {
  phase: Phase
  /** Epoch milliseconds. Undefined: the instance does not expire. */
  expiresAt: number | undefined
  /** The end of which the platform is warned, in epoch milliseconds. Undefined: none. */
  warnedOf: number | undefined
}

const eventOnEntering: Partial<Record<Phase, EventType>> = {
  Provisioning: 'instance.provisioning',
  Ready: 'instance.ready',
  Failed: 'instance.failed',
  Idle: 'instance.idle',
}

/**
 * Returns the events of a transition, in their order.
 *
 * - Entering a phase emits its event, also on re-entering it: an instance that is provisioning again does not serve.
 * - Pending and Terminating have no event. `instance.deleted` follows when the row is closed.
 * - Leaving Idle for any phase but Terminating emits `instance.woken` first.
 * - A later expiry emits `instance.renewed`.
 * - A warning of an end that was not warned of before emits `instance.expiring` last.
 * @param before undefined: the instance is new
 */
export function transitionEvents(before: InstanceState | undefined, after: InstanceState): EventType[] {
  const events: EventType[] = []
  if (before?.phase === 'Idle' && !['Idle', 'Terminating'].includes(after.phase))
    events.push('instance.woken')
  const phaseEvent = before?.phase === after.phase ? undefined : eventOnEntering[after.phase]
  if (phaseEvent !== undefined) events.push(phaseEvent)
  if (before !== undefined && renewed(before, after)) events.push('instance.renewed')
  if (after.warnedOf !== undefined && after.warnedOf !== before?.warnedOf) events.push('instance.expiring')
  return events
}

/**
 * Returns the events of a transition whose row is missing or older than the instance. The phase that the status had before
 * is told as a rebuilt event, unless the transition leaves it. All else is compared with the status of before.
 * @param told what the status said before
 */
export function rebuiltEvents(told: InstanceState, after: InstanceState): TransitionEvent[] {
  const phaseEvent = told.phase === after.phase ? eventOnEntering[after.phase] : undefined
  const repeated = phaseEvent === undefined ? [] : [{ type: phaseEvent, rebuilt: true }]
  return [...repeated, ...transitionEvents(told, after).map(type => ({ type, rebuilt: false }))]
}

function renewed(before: InstanceState, after: InstanceState): boolean {
  if (before.expiresAt === undefined || after.phase === 'Terminating') return false
  return after.expiresAt === undefined || after.expiresAt > before.expiresAt
}
