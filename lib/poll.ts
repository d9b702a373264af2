import { sleep } from './abort.ts'

export interface PollTimes {
  everyMs: number
  limitMs: number
}

/**
 * Calls `holds` until it returns true. Returns false if it does not within `limitMs`.
 * @throws the signal's reason once the signal aborts, and whatever `holds` throws
 */
export async function pollUntil(
  holds: () => Promise<boolean>,
  { everyMs, limitMs }: PollTimes,
  signal: AbortSignal,
): Promise<boolean> {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(everyMs, signal)) {
    signal.throwIfAborted()
    if (await holds()) return true
  }
  signal.throwIfAborted()
  return false
}
