/** Whether this process holds the forwarder's lease, which elects the process whose schedules run. */
export interface Leadership {
  gain(): void
  lose(): void
  /** Runs `work` in every term of leadership, with a signal that ends with the term. Resolves after `stopping`. */
  whileLeading(work: (term: AbortSignal) => Promise<void>, stopping: AbortSignal): Promise<void>
}

export function createLeadership(): Leadership {
  let term: AbortController | undefined
  let next = Promise.withResolvers<AbortSignal>()

  /** Resolves to undefined at `stopping`. */
  async function nextTerm(stopping: AbortSignal): Promise<AbortSignal | undefined> {
    const stopped = Promise.withResolvers<undefined>()
    const stop = () => stopped.resolve(undefined)
    stopping.addEventListener('abort', stop, { once: true })
    try {
      return await Promise.race([next.promise, stopped.promise])
    } finally {
      stopping.removeEventListener('abort', stop)
    }
  }

  return {
    gain() {
      if (term !== undefined) return
      term = new AbortController()
      next.resolve(term.signal)
    },
    lose() {
      if (term === undefined) return
      term.abort(new Error('the lead is lost'))
      term = undefined
      next = Promise.withResolvers()
    },
    async whileLeading(work, stopping) {
      while (!stopping.aborted) {
        const current = await nextTerm(stopping)
        if (current !== undefined) await work(AbortSignal.any([current, stopping]))
      }
    },
  }
}
