import type { Timers } from './abort.ts'

export interface TimeGap {
  /**
   * Looks whether the process ran all the time. Whoever acts on what it knew calls it first: after a stop the answers and
   * events that have come meanwhile are handled before any timer.
   */
  look(): void
  stop(): void
}

export interface TimeGapOptions {
  /** Milliseconds that the process may do nothing. */
  limitMs: number
  /** Clocks in milliseconds. One of them may stand still while a machine is frozen. */
  clocks: readonly (() => number)[]
  timers: Timers
  /** The process did not run for longer than the limit. */
  onGap: (ms: number) => void
}

/** Looks four times within the limit, so that a healthy process is never taken for one that was stopped. */
const looksWithinLimit = 4

/** Notices that the process did not run for a while: it was stopped by a signal, or frozen with its machine. */
export function noticeTimeGaps({ limitMs, clocks, timers, onGap }: TimeGapOptions): TimeGap {
  let seen = clocks.map(clock => clock())
  let timer: unknown

  function look(): void {
    const now = clocks.map(clock => clock())
    const gap = Math.max(...now.map((each, index) => each - (seen[index] ?? each)))
    seen = now
    if (gap > limitMs) onGap(gap)
  }

  function lookAgain(): void {
    timer = timers.set(() => {
      look()
      lookAgain()
    }, limitMs / looksWithinLimit)
  }

  lookAgain()
  return { look, stop: () => timers.clear(timer) }
}
