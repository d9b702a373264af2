/** Measures how long the effects of messages take of late, and derives how long to wait for the next one. */
export interface EffectLatency {
  /** The effect of a message was seen so many milliseconds after the message was sent. */
  effectSeen(afterMs: number): void
  /** Milliseconds for which the effect of a message is waited for. */
  readonly patienceMs: number
}

/** Decay of the slowest latency for each effect seen. After 60 fast effects one of 60 s counts as 60 × 0.95⁶⁰ ≈ 3 s. */
const decay = 0.95

/** @param patience multiple of the slowest recent latency */
export function createEffectLatency({ patience }: { patience: number }): EffectLatency {
  let slowestMs = 0
  return {
    effectSeen(afterMs) {
      slowestMs = Math.max(afterMs, slowestMs * decay)
    },
    get patienceMs() {
      return slowestMs * patience
    },
  }
}
