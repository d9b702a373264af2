/** client-go's numbers, with its jitter turned inwards so that the cap is a cap. */
const firstMs = 800
const capMs = 30_000
/** A watch that lived this long has recovered. */
export const healthyMs = 120_000

/** After `failures` (at least 1) in a row. `random` in [0, 1): half to whole of the doubled delay. */
export function backoffMs(failures: number, random: number, retryAfterMs = 0): number {
  const full = Math.min(capMs, firstMs * 2 ** Math.min(failures - 1, 10))
  return Math.max(retryAfterMs, Math.round(full * (0.5 + random / 2)))
}
