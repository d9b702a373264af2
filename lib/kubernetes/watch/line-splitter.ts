/** etcd takes objects of 1.5 MB, the API server requests of 3 MB; quoting can make that a few times as much. */
const longestLine = 16 * 1024 * 1024

const newline = 0x0a

/** A line longer than the cap: what follows cannot be trusted to be the start of anything. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong'
}

/**
 * Cuts a byte stream into lines. Bytes are joined before they are decoded, so a character that two chunks share stays
 * whole. Empty lines are left out. What follows the last newline is kept for the next chunk, and dropped with the stream.
 */
export class LineSplitter {
  private pending: Uint8Array[] = []
  private pendingBytes = 0
  private readonly limit: number

  constructor(limit: number = longestLine) {
    this.limit = limit
  }

  /** @throws LineTooLong */
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
    // Most lines are whole in one chunk, and a copy would be garbage outside the heap, which is collected late.
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
