import type { Transaction } from 'kysely'
import type { Limits } from '../config/limits.ts'
import type { OperatorConfig } from '../config/operator.ts'
import type { TransitionEvent } from '../events.ts'
import type { PlatformProblem, Reason } from '../reasons.ts'
import { readLastActive, recordActivityIn } from './activity.ts'
import { admitAndRemindIn, admitIn, admitWaitingIn, giveRoomUp, makesRoom } from './admission.ts'
import { claimHostIn, releaseHostIn } from './claim-host.ts'
import { type Database, inTransaction } from './database.ts'
import { storeError } from './errors.ts'
import { type InstanceRow, readInstance, readWorkloadNamespace, rowAfter, sleeps } from './instances.ts'
import { openRowPages } from './open-rows.ts'
import { drainOutbox, isSequenceTaken, numberedOn, oldestInOutbox, writeTransition } from './outbox.ts'
import { lockPair, mirrorPair, platformProblemOf } from './platform-rows.ts'
import { pruneIn } from './prune.ts'
import { eventsOf } from './record-events.ts'
import { countOpenRows } from './rows-by-cluster.ts'
import type { Schema } from './schema.ts'
import { storable } from './storable.ts'
import type { InstanceRecord, Outbox, Recorded, Store } from './store.ts'
import { incompleteForMsIn, markWholeIn, readWholeSince } from './whole-cluster.ts'

const unchanged: Recorded = { problem: undefined, events: 0, closed: false }

const noLimits: Limits = { perTeam: undefined, perEvent: undefined, total: undefined }

export interface StoreOptions {
  /** The name of the event bus that the events of every write are for; undefined: any. `noBus`: none. */
  bus?: string
  /** Whose tables follow the rows. Default: the platform's, made by Django. */
  platform?: OperatorConfig['platform']
  /** How many instances may hold a workload. Default: any number. */
  limits?: Limits
}

export function openStore(
  db: Database,
  { bus, limits = noLimits, platform = 'django' }: StoreOptions = {},
): Store {
  const mirror: Mirror = platform === 'none' ? mirrorNothing : mirrorPair
  const settings = { bus, limits, mirror }
  return {
    record: (record, signal) =>
      withPlatform(
        db,
        (transaction, problem) => recordIn(transaction, { record, ...settings }, problem),
        signal,
      ),
    reopen: (record, signal) =>
      withPlatform(
        db,
        (transaction, problem) => recordIn(transaction, { record, ...settings, reopens: true }, problem),
        signal,
      ),
    close: (uid, end, signal) =>
      withPlatform(
        db,
        (transaction, problem) => closeIn(transaction, { uid, ...end, ...settings }, problem),
        signal,
      ),
    closeGone: ({ uid, namespace, cluster, reason }, signal) => {
      const toClose: ToClose = {
        uid,
        why: 'gone',
        reason,
        ...settings,
        claimsOf: { cluster, namespace },
        where: row => row.cluster === cluster && row.namespace === namespace,
      }
      return withPlatform(db, (transaction, problem) => closeIn(transaction, toClose, problem), signal)
    },
    countOpenRows: signal => countOpenRows(db, signal),
    admit: (request, signal) => withErrors(db, transaction => admitIn(transaction, request, limits), signal),
    admitWaiting: (cluster, signal) =>
      withErrors(db, transaction => admitAndRemindIn(transaction, cluster, limits), signal),
    claimHost: (claim, signal) => withErrors(db, transaction => claimHostIn(transaction, claim), signal),
    releaseHost: (instance, signal) =>
      withErrors(db, transaction => releaseHostIn(transaction, instance), signal),
    workloadNamespaceOf: (uid, signal) =>
      withErrors(db, transaction => readWorkloadNamespace(transaction, uid), signal),
    lastActiveAt: (uid, signal) => withErrors(db, transaction => readLastActive(transaction, uid), signal),
    recordActivity: (uids, at, signal) =>
      withErrors(db, transaction => recordActivityIn(transaction, uids, at), signal),
    rowsWholeSince: (cluster, signal) =>
      withErrors(db, transaction => readWholeSince(transaction, cluster), signal),
    rowsIncompleteForMs: (cluster, signal) =>
      withErrors(db, transaction => incompleteForMsIn(transaction, cluster), signal),
    markRowsWhole: (cluster, signal) =>
      withErrors(db, transaction => markWholeIn(transaction, cluster), signal),
    prune: (old, signal) => withErrors(db, transaction => pruneIn(transaction, old), signal),
    async *openRows(scope, signal) {
      try {
        yield* openRowPages(db, { ...scope, platform }, signal)
      } catch (thrown) {
        throw storeError(thrown, signal)
      }
    },
  }
}

/** Opens the events that are for one event bus, and those that are for any. */
export function openOutbox(db: Database, bus: string): Outbox {
  return {
    drain: (limit, publish, signal) =>
      withErrors(db, transaction => drainOutbox(transaction, { limit, bus }, publish), signal),
    oldestMs: signal => withErrors(db, transaction => oldestInOutbox(transaction, bus), signal),
  }
}

/** Runs `work` in a transaction. @throws OperatorError */
async function withErrors<T>(
  db: Database,
  work: (transaction: Transaction<Schema>) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await inTransaction(db, work, signal)
  } catch (thrown) {
    throw storeError(thrown, signal)
  }
}

/** What the transactions before this one have found. */
interface Repeated {
  /** The platform's tables refuse the write, so they are left out. */
  problem?: PlatformProblem | undefined
  /** The outbox has events of the instance with higher numbers than the row knows. */
  sequenceIsTaken?: boolean
}

/**
 * Runs `work` in a transaction. If the platform's tables made it fail, runs it in a second transaction that leaves them
 * out, so that our own rows are written all the same. The second one is rare. A savepoint in the first one would cost
 * every transition two round trips. A row that was deleted or restored without its events is written in another one, too.
 */
async function withPlatform(
  db: Database,
  work: (transaction: Transaction<Schema>, repeated: Repeated) => Promise<Recorded>,
  signal: AbortSignal,
): Promise<Recorded> {
  const attempt = (repeated: Repeated) =>
    inTransaction(db, transaction => work(transaction, repeated), signal)
  const repeat = (repeated: Repeated) =>
    attempt(repeated).catch(thrown => {
      const problem = platformProblemOf(thrown)
      if (problem === undefined || repeated.problem !== undefined) throw thrown
      return attempt({ ...repeated, problem })
    })
  try {
    return await repeat({}).catch(thrown => {
      if (!isSequenceTaken(thrown)) throw thrown
      return repeat({ sequenceIsTaken: true })
    })
  } catch (thrown) {
    throw storeError(thrown, signal)
  }
}

/** Lets the platform's row of a pair follow, see `mirrorPair`. */
type Mirror = (...of: Parameters<typeof mirrorPair>) => Promise<PlatformProblem | undefined>

const mirrorNothing: Mirror = async () => undefined

/** What every write goes by. */
interface Settings {
  bus: string | undefined
  limits: Limits
  mirror: Mirror
}

interface ToRecord extends Settings {
  record: InstanceRecord
  reopens?: boolean
}

async function recordIn(
  transaction: Transaction<Schema>,
  { record, bus, limits, mirror, reopens = false }: ToRecord,
  { problem: known, sequenceIsTaken }: Repeated,
): Promise<Recorded> {
  const pair = { teamId: String(record.teamId), template: storable(record.template) }
  await lockPair(transaction, pair)
  const found = await readInstance(transaction, record.uid)
  // A late record of a deleted instance must not reopen its row.
  if (found?.deleted_at && !reopens) return { ...unchanged, closed: true, tornDown: found.torn_down }
  const before = found && { ...found, deleted_at: null, torn_down: false }
  const events = eventsOf(found, record)
  const row = rowAfter(before, record, events.length) ?? (found?.deleted_at ? before : undefined)
  const written = row && sequenceIsTaken ? await numberedOn(transaction, row, events.length) : row
  if (written)
    await writeTransition(transaction, {
      row: written,
      isNew: before === undefined,
      events,
      bus,
      at: new Date(),
    })
  const problem = known ?? (await mirror(transaction, pair, record.uid))
  if ((before?.platform_problem ?? undefined) !== problem)
    await writeProblem(transaction, record.uid, problem)
  const sequence = (written ?? before)?.sequence ?? 0
  const recorded = { problem, events: events.length, closed: false, sequence }
  const leavesRoom = record.needsNoRoom === true && before?.admitted_at != null
  if (leavesRoom) await giveRoomUp(transaction, record.uid)
  return leavesRoom || sleeps(record) ? withRoom(transaction, recorded, before, limits) : recorded
}

/** Gives the room of a row that needs none any more to those that wait for it. */
async function withRoom(
  transaction: Transaction<Schema>,
  recorded: Recorded,
  row: InstanceRow | undefined,
  limits: Limits,
): Promise<Recorded> {
  // The row is locked by now. One that waits may be locked by who holds the lock of the admissions.
  if (!row?.cluster || !makesRoom(row, limits)) return recorded
  const { wakes } = await admitWaitingIn(transaction, row.cluster, limits)
  return wakes.length > 0 ? { ...recorded, wakes } : recorded
}

type Ending = 'deleted' | 'expired'

interface ToClose extends Settings {
  uid: string
  /** 'gone': nobody has seen the instance end, so its row tells. */
  why: Ending | 'gone'
  /** Why a person takes the instance for gone. */
  reason?: Reason | undefined
  /** See `InstanceEnd`. */
  last?: InstanceRecord | undefined
  /** Whose claim of a host is given up. Default: that of the instance, whatever cluster and namespace it names. */
  claimsOf?: { cluster: string | null; namespace: string }
  /** The row is closed only if this holds for it. */
  where?: (row: InstanceRow) => boolean
}

/** Gives up the host and closes the row. A pass that did not come to its end leaves a claim without a row. */
async function closeIn(
  transaction: Transaction<Schema>,
  toClose: ToClose,
  repeated: Repeated,
): Promise<Recorded> {
  const { uid, claimsOf = {} } = toClose
  const { wakes } = await releaseHostIn(transaction, { uid, ...claimsOf })
  const closed = await closeRowIn(transaction, toClose, repeated)
  const all = [...wakes, ...(closed.wakes ?? [])]
  return all.length > 0 ? { ...closed, wakes: all } : closed
}

async function closeRowIn(
  transaction: Transaction<Schema>,
  { uid, why, reason, last, bus, limits, mirror, where = () => true }: ToClose,
  { problem: known, sequenceIsTaken = false }: Repeated,
): Promise<Recorded> {
  const found = await readInstance(transaction, uid)
  if (found === undefined && last?.told)
    await recordIn(transaction, { record: last, bus, limits, mirror }, { problem: known, sequenceIsTaken })
  const seen = found ?? (last?.told && (await readInstance(transaction, uid)))
  if (seen === undefined || isStopped(seen) || !where(seen)) return unchanged
  const pair = { teamId: seen.team_id, template: seen.template }
  await lockPair(transaction, pair)
  // While this transaction waited for the lock, another one may have closed the row or added an event.
  const before = await readInstance(transaction, uid)
  if (before === undefined || isStopped(before) || !where(before)) return unchanged
  const ending = why === 'gone' ? endingOf(before) : why
  const tornDown = why !== 'gone'
  const events = before.deleted_at ? [] : endingEvents(ending)
  if (events.length > 0)
    await closeRow(transaction, { before, ending, events, bus, sequenceIsTaken, last, reason, tornDown })
  const problem = known ?? (await mirror(transaction, pair, uid))
  if ((before.platform_problem ?? undefined) !== problem) await writeProblem(transaction, uid, problem)
  const closed = { problem, events: events.length, closed: false }
  return events.length > 0 ? withRoom(transaction, closed, before, limits) : closed
}

/** Whether the row is closed and the platform knows it. */
function isStopped(row: InstanceRow): boolean {
  return row.deleted_at !== null && row.platform_problem !== 'PlatformTablesMissing'
}

/**
 * How an instance ended that is gone. The database may have been away when it ended, or its finalizer was removed. If its
 * end has passed since, it expired most likely: only a deletion shortly before the end looks the same.
 */
function endingOf({ expires_at }: InstanceRow): Ending {
  return expires_at !== null && expires_at.getTime() <= Date.now() ? 'expired' : 'deleted'
}

function endingEvents(ending: Ending): TransitionEvent[] {
  const deleted = { type: 'instance.deleted', rebuilt: false } as const
  return ending === 'expired' ? [{ type: 'instance.expired', rebuilt: false }, deleted] : [deleted]
}

interface Closing extends Pick<ToClose, 'bus' | 'last' | 'reason'> {
  ending: Ending
  before: InstanceRow
  events: TransitionEvent[]
  tornDown: boolean
  sequenceIsTaken: boolean
}

async function closeRow(
  transaction: Transaction<Schema>,
  { before, ending, events, bus, sequenceIsTaken, last, reason, tornDown }: Closing,
): Promise<void> {
  const at = new Date()
  const row: InstanceRow = {
    ...before,
    phase: 'Terminating',
    reason: ending === 'expired' ? 'Expired' : (reason ?? before.reason),
    sequence: Math.max(before.sequence, last?.told?.sequence ?? 0) + events.length,
    deleted_at: at,
    torn_down: tornDown,
  }
  const numbered = sequenceIsTaken ? await numberedOn(transaction, row, events.length) : row
  await writeTransition(transaction, { row: numbered, isNew: false, events, bus, at })
}

async function writeProblem(
  transaction: Transaction<Schema>,
  uid: string,
  problem: PlatformProblem | undefined,
): Promise<void> {
  await transaction
    .updateTable('challenge_operator.instance')
    .set({ platform_problem: problem ?? null })
    .where('uid', '=', storable(uid))
    .execute()
}
