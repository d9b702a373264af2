/** The largest number of entries in a PutEvents request. */
const maxEntries = 10

/** The largest size of all entries of a request together, in bytes. AWS documents "less than 256 KB". */
const maxBytes = 256 * 1024 - 1

/** The bytes that AWS counts for `Time`. */
const timeBytes = 14

interface Sized {
  entry: { Source: string; DetailType: string; Detail: string }
}

/**
 * Splits events into as few requests as the limits allow, in order. An event that is too big for every request gets one of
 * its own, for the bus to refuse.
 */
export function eventBatches<T extends Sized>(items: readonly T[]): T[][] {
  const batches: T[][] = []
  let bytes = 0
  for (const item of items) {
    const size = entryBytes(item.entry)
    const open = batches.at(-1)
    if (open !== undefined && open.length < maxEntries && bytes + size <= maxBytes) {
      open.push(item)
      bytes += size
    } else {
      batches.push([item])
      bytes = size
    }
  }
  return batches
}

/** Returns what is wrong with an event that no request can hold, or undefined. */
export function entryProblem(entry: Sized['entry']): string | undefined {
  const size = entryBytes(entry)
  return size > maxBytes ? `it has ${size} bytes, and the bus takes ${maxBytes}` : undefined
}

/** Returns the size as AWS calculates it: the UTF-8 bytes of source, detail type and detail, and 14 for the time. */
function entryBytes({ Source, DetailType, Detail }: Sized['entry']): number {
  return timeBytes + [Source, DetailType, Detail].reduce((sum, text) => sum + Buffer.byteLength(text), 0)
}
