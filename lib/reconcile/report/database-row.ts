import type { ChallengeInstance, ChallengeInstanceStatus } from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import { type OperatorError, operatorError } from '../../errors.ts'
import type { InstanceKey } from '../../messages.ts'
import { type Reason, reasons } from '../../reasons.ts'
import type { InstanceRecord, Store } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { messageForStatus } from '../pass/obstacle.ts'
import type { Sync } from './status-facts.ts'

/** Caps the database's share of a pass, in milliseconds: workloads start and end whether or not it answers. */
const databaseCapMs = 500

interface Database {
  store: Store
  log: Log
}

/**
 * Writes the row of an instance. A failure of the database is part of the result, and is logged.
 * @returns `events`: outbox rows that were written
 */
export async function recordRow(
  { store, log }: Database,
  record: InstanceRecord,
  signal: AbortSignal,
): Promise<{ sync: Sync; events: number }> {
  try {
    const { problem, events } = await store.record(record, capped(signal))
    const message = problem ? reasons[problem].sentence : ''
    return { sync: { ok: problem === undefined, reason: problem, message }, events }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = operatorError(thrown)
    logFailure(log, record, error)
    return { sync: { ok: false, reason: error.reason, message: notWritten(error) }, events: 0 }
  }
}

/**
 * Closes the row of an instance that is gone or being deleted. A failure of the database is part of the result, and is
 * logged: the teardown of the instance does not wait for it.
 * @returns `failed`: why the row is still open
 */
export async function closeRow(
  { store, log }: Database,
  instance: InstanceKey,
  why: 'deleted' | 'expired',
  signal: AbortSignal,
): Promise<{ events: number; failed: Reason | undefined }> {
  try {
    const { events } = await store.close(instance.uid, why, capped(signal))
    return { events, failed: undefined }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = operatorError(thrown)
    logFailure(log, instance, error)
    return { events: 0, failed: error.reason }
  }
}

export function recordOf(
  { metadata, spec }: Stored<ChallengeInstance>,
  status: ChallengeInstanceStatus,
  flagHmac: string | undefined,
): InstanceRecord {
  const { uid, namespace, name, creationTimestamp } = metadata
  const ready = status.conditions?.find(each => each.type === 'Ready')
  return {
    uid,
    namespace,
    name,
    teamId: spec.owner.teamId,
    eventId: spec.owner.eventId,
    template: spec.templateRef,
    phase: status.phase ?? 'Pending',
    reason: status.reason,
    message: status.message,
    url: status.url,
    flagHmac,
    createdAt: creationTimestamp,
    readyAt: ready?.status === 'True' ? ready.lastTransitionTime : undefined,
    expiresAt: status.expiresAt,
    notes: spec.annotations ?? {},
  }
}

/** The store builds its messages from fixed advice and a code of the database, so organisers may read them. */
function notWritten(error: OperatorError): string {
  return error.reason === 'Internal' ? messageForStatus(error) : `The row is not written: ${error.message}.`
}

function capped(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(databaseCapMs)])
}

function logFailure(log: Log, { namespace, name, uid }: InstanceKey, error: unknown): void {
  log.warn('row not written', { namespace, name, uid, error })
}
