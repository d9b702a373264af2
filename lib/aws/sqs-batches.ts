/** An entry of a SendMessageBatch, with the item that it was made of. */
export interface BatchEntry<T> {
  item: T
  groupId: string
  body: string
}

export interface Batch<T> {
  entries: BatchEntry<T>[]
  /** Indexes of earlier batches with a group of this one. They must have been sent first. */
  after: number[]
}

/** SQS's limits of a SendMessageBatch: ten entries, and 1 MiB for all of them (256 KiB until 2025). */
const entryLimit = 10
const byteLimit = 1_048_576

/**
 * Splits entries into batches, in order, with each group at most once in a batch. An entry can fail alone, and a later entry
 * of its group in the same batch would overtake it. The next entry of a group waits for the batch of the one before.
 */
export function planBatches<T>(entries: readonly BatchEntry<T>[]): Batch<T>[] {
  const made: Array<Batch<T> & { bytes: number }> = []
  const latest = new Map<string, number>()
  let firstOpen = 0
  for (const entry of entries) {
    const bytes = Buffer.byteLength(entry.body)
    const behind = latest.get(entry.groupId)
    let index = Math.max(firstOpen, behind === undefined ? 0 : behind + 1)
    while (made[index] !== undefined && isFull(made[index], bytes)) index++
    made[index] ??= { entries: [], after: [], bytes: 0 }
    const batch = made[index]
    if (batch === undefined) continue
    batch.entries.push(entry)
    batch.bytes += bytes
    if (behind !== undefined && !batch.after.includes(behind)) batch.after.push(behind)
    latest.set(entry.groupId, index)
    while ((made[firstOpen]?.entries.length ?? 0) >= entryLimit) firstOpen++
  }
  return made.map(({ entries, after }) => ({ entries, after }))
}

function isFull(batch: { entries: unknown[]; bytes: number } | undefined, more: number): boolean {
  return batch !== undefined && (batch.entries.length >= entryLimit || batch.bytes + more > byteLimit)
}
