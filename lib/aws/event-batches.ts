/** Of one PutEvents request. */
const maxEntries = 10

/** Of all entries of a request together, in bytes: AWS documents "less than 256 KB". */
const maxBytes = 256 * 1024 - 1

/** What AWS counts for `Time`. */
const timeBytes = 14

interface Sized {
  entry: { Source: string; DetailType: string; Detail: string }
}

/** In order, as few requests as the limits allow. An entry too big for any goes alone, for the bus to refuse. */
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

/** As AWS calculates it: the UTF-8 bytes of source, detail type and detail, and 14 for the time. */
function entryBytes({ Source, DetailType, Detail }: Sized['entry']): number {
  return timeBytes + [Source, DetailType, Detail].reduce((sum, text) => sum + Buffer.byteLength(text), 0)
}
