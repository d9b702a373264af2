import type { Timers } from '../../../lib/abort.ts'

/** The first time of a virtual clock, in epoch milliseconds. */
export const start = Date.parse('2026-05-01T12:00:00Z')

/** A clock that only `advance` moves, and timers that run in the order in which they are due. */
export function virtualTime() {
  let at = start
  let next = 0
  const waiting = new Map<number, { at: number; run: () => void }>()
  const timers: Timers = {
    set(run, afterMs) {
      next += 1
      waiting.set(next, { at: at + afterMs, run })
      return next
    },
    clear: timer => void waiting.delete(timer as number),
  }
  return {
    timers,
    now: () => at,
    /** Moves the clock. Runs every timer that is due meanwhile, and the promises that follow. */
    async advance(ms = 0) {
      const until = at + ms
      await quiet()
      for (;;) {
        const [id, due] = [...waiting].sort(([a, x], [b, y]) => x.at - y.at || a - b)[0] ?? []
        if (id === undefined || due === undefined || due.at > until) break
        waiting.delete(id)
        at = Math.max(at, due.at)
        due.run()
        await quiet()
      }
      at = until
    },
  }
}

async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
}
