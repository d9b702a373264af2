import { pollUntil } from '../../lib/poll.ts'

/** Each question takes a busy machine some milliseconds, which the awaited thing then lacks. */
const times = { everyMs: 50, atMostEveryMs: 250 }

/**
 * Waits until `holds` returns true. An error of `holds` counts as "not yet".
 * @param what names the awaited state in the error, for example "readiness of Postgres"
 * @throws Error if the state did not come about within `limitMs`, with the last error of `holds` as its cause
 */
export async function waitUntil(
  what: string,
  limitMs: number,
  holds: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  let lastError: unknown
  const attempt = async () => {
    try {
      const answer = await holds()
      lastError = undefined
      return answer
    } catch (thrown) {
      lastError = thrown
      return false
    }
  }
  if (await pollUntil(attempt, { ...times, limitMs }, signal)) return
  throw new Error(`${what} did not come about within ${limitMs / 1_000} s`, { cause: lastError })
}

/**
 * Waits for something that a process brings about. Rejects with the error of `died` if the process ends first.
 * @param wait gets a signal that aborts when the waiting is over
 */
export async function unlessDead<T>(
  died: Promise<never>,
  signal: AbortSignal,
  wait: (alive: AbortSignal) => Promise<T>,
): Promise<T> {
  const end = new AbortController()
  try {
    return await Promise.race([wait(AbortSignal.any([signal, end.signal])), died])
  } finally {
    end.abort()
  }
}
