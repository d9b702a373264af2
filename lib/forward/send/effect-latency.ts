/** Measures how long the effects of messages take of late, and derives how long to wait for the next one. */
export interface EffectLatency {
  /** The effect of a message was seen so many milliseconds after the message was sent. @param at epoch milliseconds */
  effectSeen(afterMs: number, at: number): void
  /** Milliseconds for which the effect of a message is waited for. */
  readonly patienceMs: number
  /**
   * The median of the recent messages, in milliseconds; 0 if there were none. It says how long the queue is, while the
   * slowest message may be that of an instance that fails.
   */
  usualMs(at: number): number
}

/** Few enough that a queue which grows or shrinks shows soon, and enough that some failing instances do not count. */
const recentEffects = 15
/** An effect says nothing about the queue of half a minute later, in milliseconds. */
const recentMs = 30_000

/** Decay of the slowest latency for each effect seen. After 60 fast effects one of 60 s counts as 60 × 0.95⁶⁰ ≈ 3 s. */
const decay = 0.95

/** @param patience multiple of the slowest recent latency */
export function createEffectLatency({ patience }: { patience: number }): EffectLatency {
  let slowestMs = 0
  const recent: { afterMs: number; at: number }[] = []
  return {
    effectSeen(afterMs, at) {
      slowestMs = Math.max(afterMs, slowestMs * decay)
      recent.push({ afterMs, at })
      if (recent.length > recentEffects) recent.shift()
    },
    get patienceMs() {
      return slowestMs * patience
    },
    usualMs(at) {
      const latencies = recent.filter(each => at - each.at < recentMs).map(({ afterMs }) => afterMs)
      return latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length / 2)] ?? 0
    },
  }
}
