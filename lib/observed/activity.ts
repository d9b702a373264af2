import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { annotations } from '../crd/group.ts'
import { epochMs } from '../crd/time.ts'
import { parseTime } from '../lifetime.ts'

export interface Activity {
  /** Epoch milliseconds. */
  at: number
  /** Something has reported activity of players. Without it the creation, the start or a wake is all that is known. */
  reported: boolean
}

/** The part of an instance that tells of its use. */
export interface UsedInstance {
  metadata: ChallengeInstance['metadata']
  status?: ChallengeInstance['status'] | undefined
}

const minuteMs = 60_000
const secondMs = 1_000

/**
 * Returns the latest activity of an instance: its creation, its late start or wake, the annotation `last-activity`, or what
 * the database has. A date in the future counts as now, so a proxy whose clock is ahead keeps its players' instances up.
 * @param inDatabase `last_active_at` of its row in epoch milliseconds; undefined: none, or it was not read
 * @param now epoch milliseconds
 */
export function latestActivity(
  instance: UsedInstance,
  inDatabase: number | undefined,
  now: number,
): Activity {
  const { metadata, status } = instance
  const reported = [annotatedActivity(instance), inDatabase].filter(each => each !== undefined)
  const known = [epochMs(metadata.creationTimestamp), epochMs(status?.lastActivityAt)]
  const times = [...reported, ...known.filter(each => each !== undefined)]
  return { at: Math.min(now, Math.max(0, ...times)), reported: reported.length > 0 }
}

/** What the annotation says, in epoch milliseconds; undefined: it is absent, or no date. */
export function annotatedActivity({ metadata }: Pick<ChallengeInstance, 'metadata'>): number | undefined {
  return parseTime(metadata.annotations?.[annotations.lastActivity])
}

/**
 * Whether an activity came after the beginning of a hibernation. A reported time may be cut to a second. The latest activity
 * before it is minutes older.
 */
export function isAfter(activity: number | undefined, since: number): boolean {
  return activity !== undefined && activity >= Math.floor(since / secondMs) * secondMs
}

/**
 * Whether players use an instance: something has told of activity, and the timeout has not passed since. Where there is no
 * timeout, the default counts.
 * @param afterMs see `idleAfterMs` @param now epoch milliseconds
 */
export function isInUse({ at, reported }: Activity, afterMs: number | undefined, now: number): boolean {
  return reported && now - at < (afterMs ?? defaultIdleMinutes * minuteMs)
}

/**
 * Returns the milliseconds without activity after which an instance is hibernated; undefined: never. Where the processor
 * time is a source, the database learns of it once in a quarter of the timeout, so that much more has to pass.
 */
export function idleAfterMs(
  { idleTimeoutMinutes = defaultIdleMinutes }: { idleTimeoutMinutes?: number },
  { idleMillicores }: { idleMillicores: number | undefined },
): number | undefined {
  if (idleTimeoutMinutes === 0) return undefined
  const timeoutMs = idleTimeoutMinutes * minuteMs
  return idleMillicores === undefined ? timeoutMs : timeoutMs * (1 + recordedShare)
}

/** The default of `idleTimeoutMinutes` in the CRD, for a template that was stored before the field had one. */
const defaultIdleMinutes = 45

/** The activity of a busy instance is recorded at most once in this share of its timeout. */
const recordedShare = 0.25

/** How often the activity of a busy instance is recorded, in milliseconds. @param afterMs see `idleAfterMs` */
export function recordedEveryMs(afterMs: number): number {
  return (afterMs * recordedShare) / (1 + recordedShare)
}
