import { isDeepStrictEqual } from 'node:util'
import type { ChallengeInstance, ChallengeInstanceStatus } from '../../crd/challenge-instance.ts'
import type { Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { EventRecorder } from '../../kubernetes/event-recorder.ts'
import type { InstanceKey } from '../../messages.ts'
import { rowDigest } from '../../observed/row-digest.ts'
import type { Store } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'
import type { ChildWrite } from '../act/acted.ts'
import type { Findings } from '../pass/findings.ts'
import type { Pass } from '../pass/outcome.ts'
import { syncOf, withSync } from './conditions.ts'
import { type RowWritten, recordOf, recordRow } from './database-row.ts'
import { readyAfterMs } from './ready-after.ts'
import { recordEvents } from './record-events.ts'
import { statusOf } from './status.ts'
import type { Sync } from './status-facts.ts'

export interface Reporting {
  cluster: Cluster
  store: Store
  recorder: EventRecorder
  now: () => number
  log: Log
}

interface ToReport {
  findings: Findings
  flagHmac?: string | undefined
  /** Compares the row even if the status does not change. */
  recheckRow?: boolean
  /** The writes of the pass to the children, for the Kubernetes Events. */
  writes?: readonly ChildWrite[]
  pass: Pick<Pass, 'waits'>
}

/** `events`: outbox rows that were written, worth publishing at once. */
export interface Reported {
  sync: Sync
  events: number
  /** See `PassResult`. */
  readyAfterMs: number | undefined
  /** See `RowWritten`. */
  cameBack: boolean
  /** Instances that got the room of this one, which is hibernated now. */
  wakes: readonly InstanceKey[]
}

/**
 * Writes the row first, then the status, which says whether the database has the row, then the Kubernetes Events.
 * Writes nothing if nothing differs from what was reported before.
 */
export async function report(
  deps: Reporting,
  { findings, flagHmac, recheckRow = false, writes = [], pass }: ToReport,
  signal: AbortSignal,
): Promise<Reported> {
  const { cluster, now } = deps
  const { instance } = findings
  const at = new Date(now()).toISOString()
  const status = statusOf(findings, at)
  const generation = instance.metadata.generation ?? 0
  const known = syncOf(instance.status)
  const rowIsKnown = known?.status === 'True' && !rowDiffers(instance, status)
  const {
    sync,
    events,
    sequence,
    wakes,
    cameBack = false,
  }: RowWritten = rowIsKnown && !recheckRow
    ? { sync: { ok: true, reason: undefined, message: known.message }, events: 0, wakes: [] }
    : await recordRow(deps, recordOf(findings, status, flagHmac), pass, signal)
  const after = withSequence(withSync(status, generation, sync, at), sequence)
  await writeStatus(cluster, instance, after, signal)
  await recordEvents(deps, { instance, before: instance.status, after, writes }, signal)
  return { sync, events, wakes, cameBack, readyAfterMs: readyAfterMs(instance, after, now()) }
}

/** A number in the status is never taken back. */
function withSequence(
  status: ChallengeInstanceStatus,
  sequence: number | undefined,
): ChallengeInstanceStatus {
  const eventSequence = Math.max(status.eventSequence ?? -1, sequence ?? -1)
  return eventSequence < 0 ? status : { ...status, eventSequence }
}

function rowDiffers(instance: Stored<ChallengeInstance>, after: ChallengeInstanceStatus): boolean {
  const { status, metadata } = instance
  return (
    status === undefined ||
    status.observedGeneration !== metadata.generation ||
    rowDigest(instance, status) !== rowDigest(instance, after) ||
    // A changed configuration or template may have changed the hash of the flag, which no status has.
    status.configuration !== after.configuration ||
    (['revision', 'flagVersion'] as const).some(field => status.template?.[field] !== after.template?.[field])
  )
}

/**
 * Writes the status if it differs, with the resourceVersion that was read as precondition. After a conflict the instance
 * is read once more, and the status is written only if spec and status are the same as before.
 */
async function writeStatus(
  cluster: Cluster,
  instance: Stored<ChallengeInstance>,
  status: ChallengeInstanceStatus,
  signal: AbortSignal,
): Promise<void> {
  if (isDeepStrictEqual(status, instance.status ?? {})) return
  const written = await cluster.putStatus({ ...instance, status }, signal)
  if (written !== 'conflict') return
  const { namespace, name, uid, generation } = instance.metadata
  const fresh = await cluster.get<ChallengeInstance>(referenceTo(instance), signal)
  if (fresh === undefined || fresh.metadata.uid !== uid) return
  const unchanged =
    fresh.metadata.generation === generation && isDeepStrictEqual(fresh.status, instance.status)
  const again = unchanged ? await cluster.putStatus({ ...fresh, status }, signal) : 'conflict'
  if (again === 'conflict')
    throw new OperatorError(
      'Internal',
      `ChallengeInstance ${namespace}/${name} changed while it was reconciled.`,
    )
}
