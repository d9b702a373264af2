import type { ChallengeInstance, ChallengeInstanceStatus } from '../../crd/challenge-instance.ts'
import { apiVersion } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import { type OperatorError, operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { InstanceKey } from '../../messages.ts'
import { rowDigest } from '../../observed/row-digest.ts'
import { type PlatformProblem, type Reason, reasons } from '../../reasons.ts'
import type { InstanceEnd, InstanceRecord, Recorded, Store, ToldState } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { databaseShareMs } from '../pass/database-share.ts'
import type { Findings } from '../pass/findings.ts'
import { messageForStatus } from '../pass/obstacle.ts'
import type { Pass } from '../pass/outcome.ts'
import { syncOf } from './conditions.ts'
import type { Sync } from './status-facts.ts'

/** The number of passes in a row that have ended in a wait. */
type Waiting = Pick<Pass, 'waits'>

interface Database {
  cluster: Cluster
  store: Store
  log: Log
}

export interface RowWritten {
  sync: Sync
  /** The number of outbox rows that were written. */
  events: number
  /** The number of the last event of the instance; undefined: not known. */
  sequence?: number | undefined
  wakes: readonly InstanceKey[]
  /** The instance lives, and its teardown came to its end before: a restore of etcd brought it back. */
  cameBack?: boolean
}

/**
 * Writes the row of an instance. A failure of the database is part of the result, and is logged. If the cluster's uid
 * cannot be read, the row is written without it, and the result says so.
 */
export async function recordRow(
  deps: Database,
  instance: Omit<InstanceRecord, 'cluster'>,
  { waits }: Waiting,
  signal: AbortSignal,
): Promise<RowWritten> {
  const { log } = deps
  const { uid: cluster, failure } = await clusterUid(deps, signal)
  const record = { ...instance, cluster }
  const shareMs = databaseShareMs(waits)
  try {
    const {
      problem,
      events,
      sequence,
      cameBack = false,
      wakes = [],
    } = await recordOrReopen(deps, record, shareMs, signal)
    if (problem !== undefined || failure === undefined)
      return {
        sync: { ok: problem === undefined, reason: problem, message: sentenceOf(problem) },
        events,
        sequence,
        wakes,
        cameBack,
      }
    logFailure(log, record, failure)
    const message = `The row does not name its cluster yet: ${messageForStatus(failure)}`
    return { sync: { ok: false, reason: failure.reason, message }, events, sequence, wakes }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = operatorError(thrown)
    logFailure(log, record, error)
    return { sync: { ok: false, reason: error.reason, message: notWritten(error) }, events: 0, wakes: [] }
  }
}

async function clusterUid(
  { cluster }: Database,
  signal: AbortSignal,
): Promise<{ uid?: string; failure?: OperatorError }> {
  try {
    return { uid: await cluster.uid(signal) }
  } catch (thrown) {
    signal.throwIfAborted()
    return { failure: operatorError(thrown) }
  }
}

/**
 * A row may have been closed although its instance lives: by a person, or by an operator of an earlier release in another
 * cluster. It is opened then. After its teardown an instance can only live because etcd was restored, and its row stays
 * closed. The instance is read once more, since a pass may be late.
 */
async function recordOrReopen(
  { cluster, store }: Database,
  record: InstanceRecord,
  shareMs: number,
  signal: AbortSignal,
): Promise<Recorded & { cameBack?: boolean }> {
  const recorded = await store.record(record, capped(signal, shareMs))
  if (!recorded.closed || record.phase === 'Terminating') return recorded
  const { namespace, name } = record
  const found = await cluster.getMetadata({ apiVersion, kind: 'ChallengeInstance', namespace, name }, signal)
  const lives = found?.metadata.uid === record.uid && found.metadata.deletionTimestamp === undefined
  if (!lives) return recorded
  if (recorded.tornDown) return { ...recorded, cameBack: true }
  return store.reopen(record, capped(signal, shareMs))
}

function sentenceOf(problem: PlatformProblem | undefined): string {
  return problem ? reasons[problem].sentence : ''
}

/**
 * Closes the row of an instance that is being deleted. A failure of the database is part of the result, and is
 * logged: the teardown of the instance does not wait for it.
 * @returns `failed`: why the row is still open
 */
export function closeRow(
  deps: Database,
  instance: Stored<ChallengeInstance>,
  { why, waits }: Pick<InstanceEnd, 'why'> & Waiting,
  signal: AbortSignal,
): Promise<Closed> {
  const last = recordOf({ instance }, { ...instance.status, phase: 'Terminating' }, undefined)
  const close = async () => {
    const { uid: cluster } = await clusterUid(deps, signal)
    const end = { why, last: { ...last, cluster } }
    return deps.store.close(last.uid, end, capped(signal, databaseShareMs(waits)))
  }
  return closing(deps, instance.metadata, close, signal)
}

/**
 * Closes the row of an instance that this cluster does not have, like `closeRow`. If the cluster's uid cannot be read, the
 * row is not judged.
 */
export function closeGoneRow(
  deps: Database,
  instance: InstanceKey,
  { waits }: Waiting,
  signal: AbortSignal,
): Promise<Closed> {
  const close = async () => {
    const cluster = await deps.cluster.uid(signal)
    return deps.store.closeGone({ ...instance, cluster }, capped(signal, databaseShareMs(waits)))
  }
  return closing(deps, instance, close, signal)
}

/**
 * Reads the namespace of the workload of an instance that is gone. A failure of the database is part of the result, and is
 * logged: the row must stay open then, since nothing else may know where the children are.
 */
export async function placeInRow(
  { store, log }: Pick<Database, 'store' | 'log'>,
  instance: InstanceKey,
  { waits }: Waiting,
  signal: AbortSignal,
): Promise<{ namespace?: string | undefined; failed?: Reason }> {
  try {
    return {
      namespace: await store.workloadNamespaceOf(instance.uid, capped(signal, databaseShareMs(waits))),
    }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = operatorError(thrown)
    const { namespace, name, uid } = instance
    log.warn('row not read', { namespace, name, uid, error })
    return { failed: error.reason }
  }
}

export interface Closed {
  events: number
  failed: Reason | undefined
  /** The instances that waited for the host of the row. */
  wakes: readonly InstanceKey[]
}

async function closing(
  { log }: Database,
  instance: InstanceKey,
  close: () => Promise<Recorded>,
  signal: AbortSignal,
): Promise<Closed> {
  try {
    const { events, wakes = [] } = await close()
    return { events, failed: undefined, wakes }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = operatorError(thrown)
    logFailure(log, instance, error)
    return { events: 0, failed: error.reason, wakes: [] }
  }
}

export function recordOf(
  {
    instance: { metadata, spec, status: before },
    cannotStart = false,
  }: Pick<Findings, 'instance' | 'cannotStart'>,
  status: ChallengeInstanceStatus,
  flagHmac: string | undefined,
): Omit<InstanceRecord, 'cluster'> {
  const { uid, namespace, name, creationTimestamp } = metadata
  const ready = status.conditions?.find(each => each.type === 'Ready')
  return {
    uid,
    namespace,
    name,
    workloadNamespace: status.namespace,
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
    warnedOf: status.warnedOf,
    notes: spec.annotations ?? {},
    needsNoRoom: cannotStart,
    digest: rowDigest({ spec }, status),
    told: toldBy(before),
  }
}

/** An earlier release wrote no number. Its status says whether there was a row. */
function toldBy(status: ChallengeInstanceStatus | undefined): ToldState | undefined {
  const sequence = status?.eventSequence ?? (syncOf(status)?.status === 'True' ? 0 : undefined)
  if (status?.phase === undefined || sequence === undefined) return undefined
  const { phase, expiresAt, warnedOf } = status
  return { sequence, phase, expiresAt, warnedOf }
}

/** The store builds its messages from fixed advice and a code of the database, so organisers may read them. */
function notWritten(error: OperatorError): string {
  return error.reason === 'Internal' ? messageForStatus(error) : `The row is not written: ${error.message}.`
}

function capped(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)])
}

function logFailure(log: Log, { namespace, name, uid }: InstanceKey, error: unknown): void {
  log.warn('row not written', { namespace, name, uid, error })
}
