/** Milliseconds. The numbers of client-go; its jitter is added, ours is subtracted, so that no delay is over the cap. */
const firstMs = 800
const capMs = 30_000
/** Milliseconds. A stream that stays open for this long ends a series of failures. */
export const healthyMs = 120_000

/**
 * Returns the delay after a failure: half of the doubled delay, or up to all of it.
 * @param failures failures in a row, at least 1
 * @param random in [0, 1)
 * @param retryAfterMs the least delay, as the server asks for it
 */
export function backoffMs(failures: number, random: number, retryAfterMs = 0): number {
  const full = Math.min(capMs, firstMs * 2 ** Math.min(failures - 1, 10))
  return Math.max(retryAfterMs, Math.round(full * (0.5 + random / 2)))
}
