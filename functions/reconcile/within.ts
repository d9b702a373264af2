/**
 * The work's own result, unless it ignores the signal: then, `graceMs` after it, the signal's reason is thrown.
 * Work that hangs must not take down the others of its batch with it.
 */
export async function within<T>(work: Promise<T>, signal: AbortSignal, graceMs: number): Promise<T> {
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
