import type { Cause } from '../messages.ts'

/** Work that is undone, as far as the objects show. */
export interface Wake {
  uid: string
  cause: Cause
  /** What is wrong. While it stays the same, one message is enough. */
  about: string
  /**
   * What changed, for the deduplication id: `about` with the resourceVersions it was read off. Something that goes right
   * and then wrong again in the same way has other ones, and so is not swallowed within SQS's five minutes.
   */
  version: string
  resourceVersion: string
  /** How long it may be the echo of a write of our own whose status is yet to come, in milliseconds; 0: it is not. */
  holdMs: number
  pod?: string
}

export interface Verdict {
  wake?: Wake | undefined
  /** A template change: sent in its turn (see `fan-out.ts`), and hiding nothing else until then. */
  rollout?: Wake | undefined
  /** When the same row would be judged otherwise, in epoch milliseconds. */
  dueAt?: number | undefined
}
