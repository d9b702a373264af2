import { remember } from '../../bounded-cache.ts'

/**
 * How long something that many instances share is trusted after it was ensured, in milliseconds. It is well below the
 * least grace of an event's namespace (`OPERATOR_EVENT_GRACE_MINUTES`).
 */
const trustMs = 300_000

/** The most namespaces that are remembered. */
const memoryLimit = 1_000

/**
 * Runs `ensure` unless its last run for the key is trusted still. Callers at the same time share one run.
 * `recheck`: runs it in any case.
 * @param ensure gets the uid of the namespace as it was ensured last, and returns that of now
 */
export type Trust = (
  key: string,
  options: { recheck: boolean },
  ensure: (ensuredUid: string | undefined) => Promise<string>,
) => Promise<void>

/** @param now epoch milliseconds */
export function createTrust(now: () => number): Trust {
  const ensured = new Map<string, { uid: string; until: number }>()
  const underWay = new Map<string, Promise<void>>()

  return async (key, { recheck }, ensure) => {
    const known = ensured.get(key)
    if (!recheck && (known?.until ?? 0) > now()) return
    const running = underWay.get(key)
    if (running && !recheck) return running
    const run = async () => {
      const startedAt = now()
      const uid = await ensure(known?.uid)
      remember(ensured, memoryLimit, key, { uid, until: startedAt + trustMs })
    }
    const started = run().finally(() => underWay.delete(key))
    underWay.set(key, started)
    return started
  }
}
