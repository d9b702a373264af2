/** Bytes. etcd takes objects of 1.5 MB, the API server requests of 3 MB. JSON escapes can multiply that. */
const longestLine = 16 * 1024 * 1024

const newline = 0x0a

/** A line is longer than the limit. The next bytes are not the start of a line, so the stream is of no more use. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong'
}

/**
 * Cuts a byte stream into lines. Bytes are joined before they are decoded, so a character that two chunks share stays
 * whole. Empty lines are left out. Bytes after the last newline are kept for the next chunk.
 */
export class LineSplitter {
  private pending: Uint8Array[] = []
  private pendingBytes = 0
  private readonly limit: number

  constructor(limit: number = longestLine) {
    this.limit = limit
  }

  /** Returns the lines that the chunk completes. @throws LineTooLong */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = []
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = this.take(chunk.subarray(start, end))
      if (line.trim() !== '') lines.push(line)
      start = end + 1
    }
    this.keep(chunk.subarray(start))
    return lines
  }

  private keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.pendingBytes += bytes.length
    if (this.pendingBytes > this.limit) throw new LineTooLong(`a line has more than ${this.limit} bytes`)
    this.pending.push(bytes)
  }

  private take(end: Uint8Array): string {
    // Most lines are whole in one chunk. A copy would be garbage outside the heap, which is collected late.
    if (this.pending.length === 0 && end.length <= this.limit) return text(end)
    this.keep(end)
    const whole = Buffer.concat(this.pending)
    this.pending = []
    this.pendingBytes = 0
    return text(whole)
  }
}

function text({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8')
}
