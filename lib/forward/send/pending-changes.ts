/** Changes of one urgency that are not sent yet, one for each subject. */
export interface PendingChanges<T extends Pending> {
  /** A newer change takes the turn of an older one with the same subject. */
  set(pending: T): void
  has(subject: string): boolean
  delete(subject: string): void
  clear(): void
  /** In the order of `dueAt`, and then in which they came. `since`: from when the subject waits, in epoch milliseconds. */
  inOrder(): Iterable<{ pending: T; since: number }>
  readonly size: number
  /** From when the first one waits; undefined: there is none. */
  readonly oldest: number | undefined
}

interface Pending {
  subject: string
  /** Epoch milliseconds. */
  dueAt?: number | undefined
}

/** @param now epoch milliseconds */
export function createPendingChanges<T extends Pending>(now: () => number): PendingChanges<T> {
  let changes = new Map<string, { pending: T; since: number }>()
  let isSorted = true
  /** The latest `dueAt` of those that came. */
  let latest = Number.NEGATIVE_INFINITY
  const dueAtOf = ({ dueAt = 0 }: T) => dueAt

  return {
    set(pending) {
      const dueAt = dueAtOf(pending)
      if (changes.size === 0) latest = Number.NEGATIVE_INFINITY
      // The clock brings ends in their order. After a handover they come in the order of the table.
      if (dueAt < latest) isSorted = false
      latest = Math.max(latest, dueAt)
      const since = changes.get(pending.subject)?.since ?? now()
      changes.set(pending.subject, { pending, since })
    },
    has: subject => changes.has(subject),
    delete: subject => void changes.delete(subject),
    clear: () => changes.clear(),
    inOrder() {
      if (!isSorted)
        changes = new Map([...changes].toSorted(([, a], [, b]) => dueAtOf(a.pending) - dueAtOf(b.pending)))
      isSorted = true
      return changes.values()
    },
    get size() {
      return changes.size
    },
    get oldest() {
      return changes.values().next().value?.since
    },
  }
}
