/**
 * How much that begins work may be on its way at once, as TCP has a window: what comes out of the queue last must not
 * wait behind everything that was ever asked for, or the first of a thousand instances is Ready after the last is begun.
 */
export interface Window {
  /** Places that are free. */
  readonly free: number
  /** The queue has it. */
  sent(subject: string): void
  /** The queue did not take it. */
  refused(subject: string): void
  /** Its effect shows. */
  effectSeen(subject: string): void
  /** After how many milliseconds the oldest will not be waited for any longer. */
  readonly opensInMs: number
  clear(): void
}

/** Twenty functions with ten messages each, which is what the queue hands out at once. */
const size = 200

/**
 * A pass that fails says nothing for long, and must not hold up others: a place is kept for 5 s, or for twice as long as
 * the slowest answer took of late.
 */
const keptMs = 5_000
const patience = 2
const forgetting = 0.95

/** @param now epoch milliseconds */
export function createWindow(now: () => number): Window {
  // Oldest first.
  const places = new Map<string, number>()
  let slowestMs = 0

  const keptFor = () => Math.max(keptMs, slowestMs * patience)
  const oldest = () => places.values().next().value

  function forgetLate(): void {
    for (const [subject, at] of places) {
      if (now() - at < keptFor()) return
      places.delete(subject)
    }
  }

  return {
    get free() {
      forgetLate()
      return size - places.size
    },
    sent(subject) {
      places.delete(subject)
      places.set(subject, now())
    },
    refused: subject => void places.delete(subject),
    effectSeen(subject) {
      const at = places.get(subject)
      if (at === undefined) return
      places.delete(subject)
      slowestMs = Math.max(now() - at, slowestMs * forgetting)
    },
    get opensInMs() {
      return Math.max(0, (oldest() ?? now()) + keptFor() - now())
    },
    clear: () => places.clear(),
  }
}
