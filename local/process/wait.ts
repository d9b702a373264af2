import { setTimeout as sleep } from 'node:timers/promises'

const pollMs = 50

/** Asks until it is so. @throws Error saying `what` did not come about within `limitMs` */
export async function waitUntil(
  what: string,
  limitMs: number,
  isSo: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const end = Date.now() + limitMs
  let last: unknown
  while (Date.now() < end) {
    signal.throwIfAborted()
    try {
      if (await isSo()) return
      last = undefined
    } catch (thrown) {
      last = thrown
    }
    await sleep(pollMs, undefined, { signal })
  }
  throw new Error(`${what} did not come about within ${limitMs / 1_000} s`, { cause: last })
}

/** Waits for as long as there is something to wait for: `died` ends the waiting with its own error. */
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
