import type { Phase } from '../crd/challenge-instance.ts'
import type { EventType } from '../events.ts'

/** What an event is read off. `expiresAt` in epoch milliseconds, undefined: for ever. */
export interface Moment {
  phase: Phase
  expiresAt: number | undefined
}

const entered: Partial<Record<Phase, EventType>> = {
  Provisioning: 'instance.provisioning',
  Ready: 'instance.ready',
  Failed: 'instance.failed',
  Idle: 'instance.idle',
}

/**
 * The events between what the row said and what it is to say, in the order they are told. A phase says when it is
 * entered, also again: an instance that is provisioning after it was ready does not serve. Pending and Terminating say
 * nothing (`instance.deleted` comes when it is gone). Who leaves Idle for anything but its end was woken, before all else.
 * @param before undefined at first sight
 */
export function transitionEvents(before: Moment | undefined, after: Moment): EventType[] {
  const events: EventType[] = []
  if (before?.phase === 'Idle' && !['Idle', 'Terminating'].includes(after.phase))
    events.push('instance.woken')
  const phaseEvent = before?.phase === after.phase ? undefined : entered[after.phase]
  if (phaseEvent !== undefined) events.push(phaseEvent)
  if (before !== undefined && renewed(before, after)) events.push('instance.renewed')
  return events
}

function renewed(before: Moment, after: Moment): boolean {
  if (before.expiresAt === undefined || after.phase === 'Terminating') return false
  return after.expiresAt === undefined || after.expiresAt > before.expiresAt
}
