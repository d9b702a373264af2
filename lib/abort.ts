export interface Timers {
  set(run: () => void, afterMs: number): unknown
  clear(timer: unknown): void
}

export const realTimers: Timers = {
  set: (run, afterMs) => setTimeout(run, afterMs),
  clear: timer => clearTimeout(timer as NodeJS.Timeout),
}

/** Settles like `promise`, but rejects with the signal's reason as soon as the signal aborts. The work itself goes on. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Resolves after that many milliseconds, or as soon as the signal aborts. Never rejects. */
export async function sleep(ms: number, signal: AbortSignal, timers: Timers = realTimers): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = () => resolve()
  const timer = timers.set(wake, ms)
  signal.addEventListener('abort', wake, { once: true })
  try {
    await promise
  } finally {
    timers.clear(timer)
    signal.removeEventListener('abort', wake)
  }
}

/**
 * Settles like `work`, for work that should end by itself when the signal aborts. Work that ignores the signal is
 * abandoned `graceMs` after it: the signal's reason is thrown, so that the caller can go on.
 */
export async function abandonAfter<T>(work: Promise<T>, signal: AbortSignal, graceMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const { promise: overdue, reject } = Promise.withResolvers<never>()
  const start = () => {
    timer = setTimeout(() => reject(signal.reason), graceMs)
  }
  if (signal.aborted) start()
  else signal.addEventListener('abort', start, { once: true })
  try {
    return await Promise.race([work, overdue])
  } finally {
    signal.removeEventListener('abort', start)
    clearTimeout(timer)
  }
}

/**
 * Resolves when all have ended. The first one that rejects aborts `ended`, which must end the others, and its reason is
 * thrown once they have ended.
 */
export async function endTogether(running: Promise<void>[], ended: AbortController): Promise<void> {
  const endAll = (thrown: unknown) => {
    ended.abort()
    throw thrown
  }
  const results = await Promise.allSettled(running.map(each => each.catch(endAll)))
  const failed = results.find(result => result.status === 'rejected')
  if (failed) throw failed.reason
}
