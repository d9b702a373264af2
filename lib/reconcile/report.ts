import { isDeepStrictEqual } from 'node:util'
import type { ChallengeInstance, ChallengeInstanceStatus } from '../crd/challenge-instance.ts'
import { OperatorError, operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import { reasons } from '../reasons.ts'
import type { InstanceRecord, Store } from '../store/store.ts'
import { type Report, type Sync, statusOf, syncOf, withSync } from './status.ts'

/** Caps the database's share of a pass, in milliseconds: workloads converge, and go, whether or not it answers. */
export const databaseCapMs = 500

export interface Reporting {
  cluster: Cluster
  store: Store
  now: () => number
}

export interface Reported {
  sync: Sync
  /** Outbox rows written: worth publishing at once. */
  events: number
}

/**
 * Database first, then one status write that says whether the database has it.
 * Writes nothing where nothing differs from what was reported before.
 * @param doubted the sweep or a person doubts the row: it is compared even if the status would not change
 */
export async function report(
  { cluster, store, now }: Reporting,
  facts: Report,
  flagHmac: string | undefined,
  doubted: boolean,
  signal: AbortSignal,
): Promise<Reported> {
  const at = new Date(now()).toISOString()
  const before = facts.instance.status
  const status = statusOf(facts, at)
  const generation = facts.instance.metadata.generation ?? 0
  const known = syncOf(before)
  if (!doubted && known?.status === 'True' && !rowDiffers(before, status, generation)) {
    const sync: Sync = { ok: true, reason: undefined, message: known.message }
    await writeStatus(cluster, facts.instance, withSync(status, generation, sync, at), signal)
    return { sync, events: 0 }
  }
  const { sync, events } = await recordRow(store, recordOf(facts.instance, status, flagHmac), signal)
  await writeStatus(cluster, facts.instance, withSync(status, generation, sync, at), signal)
  return { sync, events }
}

async function recordRow(store: Store, record: InstanceRecord, signal: AbortSignal): Promise<Reported> {
  try {
    const capped = AbortSignal.any([signal, AbortSignal.timeout(databaseCapMs)])
    const { problem, events } = await store.record(record, capped)
    const sync: Sync = {
      ok: problem === undefined,
      reason: problem,
      message: problem ? reasons[problem].sentence : '',
    }
    return { sync, events }
  } catch (thrown) {
    signal.throwIfAborted()
    const { reason } = operatorError(thrown)
    return { sync: { ok: false, reason, message: reasons[reason].sentence }, events: 0 }
  }
}

function rowDiffers(
  before: ChallengeInstanceStatus | undefined,
  after: ChallengeInstanceStatus,
  generation: number,
): boolean {
  return (
    before === undefined ||
    before.observedGeneration !== generation ||
    (['phase', 'reason', 'message', 'url', 'expiresAt'] as const).some(
      field => before[field] !== after[field],
    )
  )
}

function recordOf(
  { metadata, spec }: ChallengeInstance,
  status: ChallengeInstanceStatus,
  flagHmac: string | undefined,
): InstanceRecord {
  const ready = status.conditions?.find(each => each.type === 'Ready')
  return {
    uid: metadata.uid ?? '',
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    teamId: spec.owner.teamId,
    eventId: spec.owner.eventId,
    template: spec.templateRef,
    phase: status.phase ?? 'Pending',
    reason: status.reason,
    message: status.message,
    url: status.url,
    flagHmac,
    createdAt: metadata.creationTimestamp ?? '',
    readyAt: ready?.status === 'True' ? ready.lastTransitionTime : undefined,
    expiresAt: status.expiresAt,
    notes: spec.annotations ?? {},
  }
}

/** Only when different, with the resourceVersion we read as precondition. A 409 is read once more: only a status that nobody wrote meanwhile is ours to write. */
async function writeStatus(
  cluster: Cluster,
  instance: ChallengeInstance,
  status: ChallengeInstanceStatus,
  signal: AbortSignal,
): Promise<void> {
  if (isDeepStrictEqual(status, instance.status ?? {})) return
  const written = await cluster.putStatus({ ...instance, status }, signal)
  if (written !== 'conflict') return
  const { namespace = '', name = '', uid, generation } = instance.metadata
  const reference = { apiVersion: instance.apiVersion, kind: instance.kind, namespace, name }
  const fresh = await cluster.get<ChallengeInstance>(reference, signal)
  if (fresh === undefined || fresh.metadata.uid !== uid) return
  const again =
    fresh.metadata.generation === generation && isDeepStrictEqual(fresh.status, instance.status)
      ? await cluster.putStatus({ ...fresh, status }, signal)
      : 'conflict'
  if (again === 'conflict')
    throw new OperatorError(
      'Internal',
      `ChallengeInstance ${namespace}/${name} changed while it was reconciled.`,
    )
}
