import type { TransitionEvent } from '../events.ts'
import type { InstanceRow } from './instances.ts'
import type { InstanceRecord, ToldState } from './store.ts'
import { type InstanceState, rebuiltEvents, transitionEvents } from './transition.ts'

/** Returns the events of a record, in their order. @param found the row, which may be closed; undefined: there is none */
export function eventsOf(found: InstanceRow | undefined, record: InstanceRecord): TransitionEvent[] {
  const { told } = record
  const after = stateOf(record)
  if (found?.deleted_at) return transitionEvents(undefined, after).map(type => ({ type, rebuilt: true }))
  if (told && isOlder(found, told)) return rebuiltEvents(stateOf(told), after)
  return transitionEvents(found && stateOfRow(found), after).map(type => ({ type, rebuilt: false }))
}

/** Whether the database was lost or restored since the status was written. */
function isOlder(row: InstanceRow | undefined, { sequence }: ToldState): boolean {
  return row === undefined || row.sequence < sequence
}

function stateOf({ phase, expiresAt, warnedOf }: Omit<ToldState, 'sequence'>): InstanceState {
  return { phase, expiresAt: epochMs(expiresAt), warnedOf: epochMs(warnedOf) }
}

function stateOfRow({ phase, expires_at, warned_of }: InstanceRow): InstanceState {
  return { phase, expiresAt: expires_at?.getTime(), warnedOf: warned_of?.getTime() }
}

function epochMs(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time)
}
