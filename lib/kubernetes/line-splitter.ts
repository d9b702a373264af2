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
      this.keep(chunk.subarray(start, end))
      const line = this.take()
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

  private take(): string {
    const text = Buffer.concat(this.pending).toString('utf8')
    this.pending = []
    this.pendingBytes = 0
    return text
  }
}
