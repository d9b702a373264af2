import { sleep } from '../../abort.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

/** Answers that ask for a pause, for one deletion. Each takes a second or more, and the pass keeps its place meanwhile. */
const tries = 3

/** A pass that waits for longer had better come back by a timer, in milliseconds. */
const longestPauseMs = 2_000

/** Whether the API server has refused a call for now, and said for how long. */
export function asksForPause(thrown: unknown): thrown is OperatorError & { retryAfterMs: number } {
  return thrown instanceof OperatorError && thrown.retryAfterMs !== undefined
}

/**
 * Deletes with patience: an API server that has too much to do answers 429 and says when it takes calls again. A place of a
 * function that waits makes no calls, so the marks slow down to what the API server takes.
 * @throws the last refusal
 */
export function createPatientMarks({ delete: remove }: Pick<Cluster, 'delete'>): Cluster['delete'] {
  return async (reference, options, signal) => {
    for (let tried = 1; ; tried++)
      try {
        return await remove(reference, options, signal)
      } catch (thrown) {
        if (!asksForPause(thrown) || thrown.retryAfterMs > longestPauseMs || tried === tries) throw thrown
        await sleep(thrown.retryAfterMs, signal)
        signal.throwIfAborted()
      }
  }
}
