/**
 * The largest size of the notes in an event, in bytes of JSON. EventBridge takes 256 KiB for a whole event. The CRD admits
 * notes of 32,768 characters, which are fewer bytes in every case. An instance from before that rule may have more.
 */
const maxBytes = 200 * 1024

export interface EventNotes {
  notes: Record<string, string>
  /** Some of the notes are left out, because an event with all of them would be too large. */
  notesCut: boolean
}

/** Returns the notes that an event carries. If not all of them fit, the largest are left out. */
export function eventNotes(notes: Record<string, string>): EventNotes {
  if (bytesOf(notes) <= maxBytes) return { notes, notesCut: false }
  const entries = Object.entries(notes).map(entry => ({ entry, bytes: bytesOf(Object.fromEntries([entry])) }))
  const kept: [string, string][] = []
  let bytes = 0
  for (const each of entries.toSorted((a, b) => a.bytes - b.bytes)) {
    bytes += each.bytes
    if (bytes > maxBytes) break
    kept.push(each.entry)
  }
  return { notes: Object.fromEntries(kept), notesCut: true }
}

function bytesOf(notes: Record<string, string>): number {
  return Buffer.byteLength(JSON.stringify(notes))
}
