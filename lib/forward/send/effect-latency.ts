/** Measures how long the effects of messages take of late, and derives how long to wait for the next one. */
export interface EffectLatency {
  /** The effect of a message was seen so many milliseconds after the message was sent. */
  effectSeen(afterMs: number): void
  /** Milliseconds for which the effect of a message is waited for. */
  readonly patienceMs: number
  /** Milliseconds that even the fastest recent message took: the queue is that long. One failing instance does not count. */
  readonly queueMs: number
}

/** A queue that is empty again shows in the next effect, and one that grows shows after so many. */
const recentEffects = 8

/** Decay of the slowest latency for each effect seen. After 60 fast effects one of 60 s counts as 60 × 0.95⁶⁰ ≈ 3 s. */
const decay = 0.95

/** @param patience multiple of the slowest recent latency */
export function createEffectLatency({ patience }: { patience: number }): EffectLatency {
  let slowestMs = 0
  const recent: number[] = []
  return {
    effectSeen(afterMs) {
      slowestMs = Math.max(afterMs, slowestMs * decay)
      recent.push(afterMs)
      if (recent.length > recentEffects) recent.shift()
    },
    get patienceMs() {
      return slowestMs * patience
    },
    get queueMs() {
      return recent.length === 0 ? 0 : Math.min(...recent)
    },
  }
}
