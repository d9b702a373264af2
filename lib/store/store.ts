import type { Phase } from '../crd/challenge-instance.ts'
import type { OutboxEvent } from '../events.ts'
import type { PlatformProblem, Reason } from '../reasons.ts'

/** One instance as the database mirrors it. Times are RFC 3339. */
export interface InstanceRecord {
  uid: string
  namespace: string
  name: string
  teamId: number
  eventId: number
  /** The template's name, which is the platform's challenge slug. */
  template: string
  phase: Phase
  reason: Reason | undefined
  message: string | undefined
  url: string | undefined
  /** Hex HMAC of the flag for the platform, undefined where there is no flag or no pepper. */
  flagHmac: string | undefined
  createdAt: string
  readyAt: string | undefined
  expiresAt: string | undefined
  /** `spec.annotations` of the instance: the platform's own notes. */
  notes: Record<string, string>
}

export interface Recorded {
  /** Whether any row changed. */
  changed: boolean
  problem: PlatformProblem | undefined
  /** Outbox rows of this transition: worth publishing at once. */
  events: number
}

/** What the sweep compares with the cluster. */
export interface LiveRow {
  uid: string
  namespace: string
  name: string
  phase: Phase
  reason: Reason | undefined
  url: string | undefined
  /** Whether the platform's row says what this row means (newest live instance of its team and challenge). */
  platformInStep: boolean
}

/**
 * The database as reconcile and sweep see it. Every method throws `OperatorError` (`DatabaseUnavailable` where the
 * database cannot be reached or does not answer before the signal) and nothing else.
 */
export interface Store {
  /**
   * Writes the instance, the platform's row and the outbox events of the transition in one transaction;
   * a record that says what the rows say already writes nothing.
   */
  record(record: InstanceRecord, signal: AbortSignal): Promise<Recorded>
  /** Closes the row of an instance that is gone: `deleted_at`, platform row, event. No row: nothing. Idempotent. */
  close(uid: string, why: 'deleted' | 'expired', signal: AbortSignal): Promise<Recorded>
  /** Rows not closed, by uid, in pages of at most 500. */
  live(signal: AbortSignal): AsyncIterable<LiveRow[]>
}

export interface Outbox {
  /**
   * Claims up to `limit` unpublished events (skip locked, oldest first), hands them to `publish`, and marks those it
   * returns as published; all in one transaction, so that a crash publishes again rather than never.
   * @returns how many were claimed and how many published
   */
  drain(
    limit: number,
    publish: (events: OutboxEvent[]) => Promise<OutboxEvent[]>,
    signal: AbortSignal,
  ): Promise<{ claimed: number; published: number }>
}
