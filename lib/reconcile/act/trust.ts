import { remember } from '../../bounded-cache.ts'
import { trustMs } from '../../desired/unused.ts'

/** The most objects that are remembered: placement `Instance` has some for each instance. */
const memoryLimit = 5_000

/**
 * Runs `ensure` unless its last run for the key is trusted still (`trustMs`). Callers at the same time share one run.
 * `recheck`: runs it in any case.
 * @returns the uid that `ensure` returned, now or the last time
 * @param ensure gets what it returned the last time, such as the uid of a namespace; undefined: nothing is trusted
 */
export type Trust = (
  key: string,
  options: { recheck: boolean },
  ensure: (ensuredUid: string | undefined) => Promise<string | undefined>,
) => Promise<string | undefined>

/** @param now epoch milliseconds */
export function createTrust(now: () => number): Trust {
  const ensured = new Map<string, { uid: string; until: number }>()
  const underWay = new Map<string, Promise<string | undefined>>()

  return async (key, { recheck }, ensure) => {
    const known = ensured.get(key)
    if (known && !recheck && known.until > now()) return known.uid
    const running = underWay.get(key)
    if (running && !recheck) return running
    const run = async () => {
      const startedAt = now()
      const uid = await ensure(known?.uid)
      if (uid !== undefined) remember(ensured, memoryLimit, key, { uid, until: startedAt + trustMs })
      return uid
    }
    const started = run().finally(() => underWay.delete(key))
    underWay.set(key, started)
    return started
  }
}
