/** Delay after a failure that counts as an attempt: 1–2 s, doubling up to 2.5–5 min. `random` is in [0, 1). */
export function retryBackoffMs(attempt: number, random: number): number {
  return jitteredBackoffMs({ firstMs: 1_000, longestMs: 300_000, step: attempt, random })
}

/** Delay before the next look at a cause that no watch covers: 30–60 s, doubling up to a long wait. */
export function recheckBackoffMs(waits: number, random: number): number {
  return jitteredBackoffMs({ firstMs: 30_000, longestMs: 300_000, step: waits, random })
}

/** Delay while the cluster or the database is away: 2–4 s, doubling up to 30–60 s, so that work resumes soon after. */
export function outageBackoffMs(waits: number, random: number): number {
  return jitteredBackoffMs({ firstMs: 2_000, longestMs: 60_000, step: waits, random })
}

/** A cause that passes within moments has passed by then, unless something holds it up. */
export const momentWaits = 30

/**
 * Delay before the next look at a cause that passes within moments. It is the same for the first thirty waits. Later, for
 * example while a finalizer of another party holds a child, it is that of a recheck.
 */
export function momentBackoffMs(
  momentMs: number,
  { waits, random }: { waits: number; random: number },
): number {
  return waits < momentWaits ? momentMs : recheckBackoffMs(waits - momentWaits, random)
}

interface Backoff {
  firstMs: number
  longestMs: number
  step: number
  random: number
}

/** The delay doubles with each step. A jitter factor from 1 to 2 keeps thousands that failed together apart. */
function jitteredBackoffMs({ firstMs, longestMs, step, random }: Backoff): number {
  const base = Math.min(firstMs * 2 ** Math.min(step, 30), longestMs / 2)
  return Math.floor(base * (1 + random))
}

/** A wait of this length, in milliseconds, has reached its longest delay: that of a recheck begins here. */
const longWaitMs = 150_000
/** Twice the least delay of a long wait. With it, the longest delay is five minutes. */
const longSpacingMs = 200_000

/**
 * Returns the due time of a wait on a grid, in epoch milliseconds.
 *
 * Every pass of a waiting instance starts a timer of its own, so a flapping pod would multiply the timers. Timers of one
 * instance that meet on the grid get the same due time, and SQS deduplicates them. The spacing is a power of two below
 * a quarter of the delay, so that grids of different delays nest. Each instance has its own offset, so that different
 * instances stay apart.
 *
 * A long wait takes the next place of a wide grid that is 100 s away at least. A pass at any other time, for example of a
 * resync, meets the timer that is set already or its successor, so that an instance never has two series of timers.
 */
export function alignToRetryGrid(
  now: number,
  delayMs: number,
  { namespace, name }: { namespace: string; name: string },
): number {
  const key = `${namespace}/${name}`
  if (delayMs >= longWaitMs) return nextPlace(now + longSpacingMs / 2, longSpacingMs, key)
  return nextPlace(now + delayMs, 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, delayMs / 4)))), key)
}

function nextPlace(earliest: number, spacing: number, key: string): number {
  const offset = fnv1a(key) % spacing
  return Math.ceil((earliest - offset) / spacing) * spacing + offset
}

/** The 32 bits of an FNV-1a hash. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
