import type { Cause, HeldRollout, SeenEnd } from '../../messages.ts'
import type { Mismatch } from './mismatch.ts'

/** Work that is undone, as far as the objects show. */
export interface Wake {
  uid: string
  cause: Cause
  mismatch: Mismatch
  /**
   * The resourceVersions from which the mismatch was read. They are part of the deduplication id: a mismatch that is
   * cured and comes back has other versions, so SQS does not drop its message within the five minutes of its
   * deduplication. Empty for a mismatch that comes once.
   */
  readVersions: readonly string[]
  resourceVersion: string
  /**
   * Milliseconds. The mismatch may be the echo of a write of our own, whose status write follows. It is sent if it lasts
   * for longer than this. 0: it is no echo.
   */
  delayMs: number
  /** Where children of an instance that is gone lie, if that is another namespace than its own. */
  workloadNamespace?: string | undefined
  /** Name of the pod that the pass reads. */
  pod?: string
  /** See `ChangeMessage`. */
  held?: HeldRollout
  end?: SeenEnd | undefined
}

export interface Verdict {
  wake?: Wake | undefined
  /** A template change. It is sent in its turn (see `lane.ts`), and hides no other mismatch until then. */
  rollout?: Wake | undefined
  /** A change of the operator's settings. It is sent in its turn, too. */
  settings?: Wake | undefined
  /** Credits that the status does not show. They are sent in their turn (see `credit-lane.ts`), too. */
  credits?: Wake | undefined
  /** When the same row would be judged differently, in epoch milliseconds. */
  dueAt?: number | undefined
}
