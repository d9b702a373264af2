import { sleep } from './abort.ts'

export interface PollTimes {
  /** The pause between two questions. */
  everyMs: number
  /** The pause grows to a tenth of the time waited, up to this. Default: it stays `everyMs`. */
  atMostEveryMs?: number
  limitMs: number
}

/**
 * Calls `holds` until it returns true. Returns false if it does not within `limitMs`.
 * @throws the signal's reason once the signal aborts, and whatever `holds` throws
 */
export async function pollUntil(
  holds: () => Promise<boolean>,
  { everyMs, atMostEveryMs = everyMs, limitMs }: PollTimes,
  signal: AbortSignal,
): Promise<boolean> {
  const began = Date.now()
  const pauseMs = () => Math.max(everyMs, Math.min(atMostEveryMs, (Date.now() - began) / 10))
  for (; Date.now() - began < limitMs; await sleep(pauseMs(), signal)) {
    signal.throwIfAborted()
    if (await holds()) return true
  }
  signal.throwIfAborted()
  return false
}
