import { createEffectLatency } from './effect-latency.ts'
import type { Places } from './places.ts'

/**
 * Limits how many messages of one urgency are on their way, as TCP limits unacknowledged data. Without it a burst of 1,000
 * creations fills the FIFO queue, and messages that *finish* work (Ready, deletion) wait behind all of them.
 */
export interface SendLimit {
  /** Number of messages that may be sent now. */
  readonly free: number
  /** Number of messages that take a place. */
  readonly taken: number
  /** The message was handed to the queue. It takes a place. */
  sent(subject: string): void
  /** The queue did not accept the message. Its place is free. */
  refused(subject: string): void
  /** The effect of the message was seen. Its place is free. */
  effectSeen(subject: string): void
  /** Milliseconds until the oldest place becomes free although no effect was seen. */
  readonly opensInMs: number
  clear(): void
}

/**
 * A failing pass shows no effect for long, and must not delay others. Its place is kept for 5 s, or for twice the
 * slowest recent latency.
 */
const keptMs = 5_000
const patience = 2

/** @param now epoch milliseconds */
export function createSendLimit(places: Places, now: () => number): SendLimit {
  /** When each message was sent, oldest first. */
  const sentAt = new Map<string, number>()
  const latency = createEffectLatency({ patience })

  const keptFor = () => Math.max(keptMs, latency.patienceMs)

  function freeLatePlaces(): void {
    for (const [subject, at] of sentAt) {
      if (now() - at < keptFor()) return
      places.effectMissed(now() - at, now())
      sentAt.delete(subject)
    }
  }

  return {
    get free() {
      freeLatePlaces()
      return places.number - sentAt.size
    },
    get taken() {
      freeLatePlaces()
      return sentAt.size
    },
    sent(subject) {
      sentAt.delete(subject)
      sentAt.set(subject, now())
    },
    refused: subject => void sentAt.delete(subject),
    effectSeen(subject) {
      const at = sentAt.get(subject)
      if (at === undefined) return
      places.effectSeen(now() - at, { taken: sentAt.size, at: now() })
      sentAt.delete(subject)
      latency.effectSeen(now() - at, now())
    },
    get opensInMs() {
      const oldest = sentAt.values().next().value ?? now()
      return Math.max(0, oldest + keptFor() - now())
    },
    clear: () => sentAt.clear(),
  }
}
