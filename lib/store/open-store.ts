import type { Transaction } from 'kysely'
import type { EventType } from '../events.ts'
import type { PlatformProblem } from '../reasons.ts'
import { type Database, inTransaction } from './database.ts'
import { storeError } from './errors.ts'
import { type InstanceRow, readInstance, rowAfter } from './instances.ts'
import { livePages } from './live.ts'
import { drainOutbox, writeTransition } from './outbox.ts'
import { lockPair, mirrorPair, type Pair, platformProblemOf } from './platform-rows.ts'
import type { Schema } from './schema.ts'
import { storable } from './storable.ts'
import type { InstanceRecord, Outbox, Recorded, Store } from './store.ts'
import { transitionEvents } from './transition.ts'

const unchanged: Recorded = { changed: false, problem: undefined, events: 0 }

export function openStore(db: Database): Store {
  return {
    record: (record, signal) =>
      withPlatform(db, (transaction, problem) => recordIn(transaction, record, problem), signal),
    close: (uid, why, signal) =>
      withPlatform(db, (transaction, problem) => closeIn(transaction, uid, why, problem), signal),
    async *live(signal) {
      try {
        yield* livePages(db, signal)
      } catch (thrown) {
        throw storeError(thrown, signal)
      }
    },
  }
}

export function openOutbox(db: Database): Outbox {
  return {
    async drain(limit, publish, signal) {
      try {
        return await inTransaction(db, transaction => drainOutbox(transaction, limit, publish), signal)
      } catch (thrown) {
        throw storeError(thrown, signal)
      }
    },
  }
}

/**
 * One transaction, and where the platform's tables made it fail, another one without them: our own rows are written
 * all the same. The second is rare, so the first carries no savepoint, which would cost every transition two trips.
 */
async function withPlatform(
  db: Database,
  work: (transaction: Transaction<Schema>, known: PlatformProblem | undefined) => Promise<Recorded>,
  signal: AbortSignal,
): Promise<Recorded> {
  const attempt = (known?: PlatformProblem) =>
    inTransaction(db, transaction => work(transaction, known), signal)
  try {
    return await attempt().catch(thrown => {
      const problem = platformProblemOf(thrown)
      if (problem === undefined) throw thrown
      return attempt(problem)
    })
  } catch (thrown) {
    throw storeError(thrown, signal)
  }
}

async function recordIn(
  transaction: Transaction<Schema>,
  record: InstanceRecord,
  known: PlatformProblem | undefined,
): Promise<Recorded> {
  const pair = { teamId: String(record.teamId), template: storable(record.template) }
  await lockPair(transaction, pair)
  const before = await readInstance(transaction, record.uid)
  // A late record of an instance that is gone must not bring it back.
  if (before?.deleted_at) return unchanged
  const events = transitionEvents(before && momentOf(before), {
    phase: record.phase,
    expiresAt: record.expiresAt === undefined ? undefined : Date.parse(record.expiresAt),
  })
  const after = rowAfter(before, record, events.length)
  if (after) {
    await writeTransition(transaction, after, before === undefined, events, new Date())
  }
  const { written, problem } = await mirror(transaction, pair, record.uid, known)
  const noted = await noteProblem(transaction, record.uid, before?.platform_problem ?? null, problem ?? null)
  return { changed: after !== undefined || written || noted, problem, events: events.length }
}

async function closeIn(
  transaction: Transaction<Schema>,
  uid: string,
  why: 'deleted' | 'expired',
  known: PlatformProblem | undefined,
): Promise<Recorded> {
  const seen = await readInstance(transaction, uid)
  if (seen === undefined || seen.deleted_at) return unchanged
  const pair = { teamId: seen.team_id, template: seen.template }
  await lockPair(transaction, pair)
  // Somebody else may have closed it, or written an event, while we waited.
  const before = await readInstance(transaction, uid)
  if (before === undefined || before.deleted_at) return unchanged
  const events: EventType[] =
    why === 'expired' ? ['instance.expired', 'instance.deleted'] : ['instance.deleted']
  const at = new Date()
  const after: InstanceRow = {
    ...before,
    phase: 'Terminating',
    reason: why === 'expired' ? 'Expired' : before.reason,
    sequence: before.sequence + events.length,
    deleted_at: at,
  }
  await writeTransition(transaction, after, false, events, at)
  const { problem } = await mirror(transaction, pair, uid, known)
  return { changed: true, problem, events: events.length }
}

async function mirror(
  transaction: Transaction<Schema>,
  pair: Pair,
  uid: string,
  known: PlatformProblem | undefined,
): Promise<{ written: boolean; problem: PlatformProblem | undefined }> {
  if (known) return { written: false, problem: known }
  const { written, challengeKnown, urlTooLongOf } = await mirrorPair(transaction, pair)
  if (!challengeKnown) return { written, problem: 'ChallengeUnknown' }
  return { written, problem: urlTooLongOf === uid ? 'UrlTooLong' : undefined }
}

async function noteProblem(
  transaction: Transaction<Schema>,
  uid: string,
  before: PlatformProblem | null,
  after: PlatformProblem | null,
): Promise<boolean> {
  if (before === after) return false
  await transaction
    .updateTable('challenge_operator.instance')
    .set({ platform_problem: after })
    .where('uid', '=', storable(uid))
    .execute()
  return true
}

function momentOf({ phase, expires_at }: InstanceRow) {
  return { phase, expiresAt: expires_at?.getTime() }
}
