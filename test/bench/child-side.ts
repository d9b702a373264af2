export interface Question {
  id: number
  name: string
  argument: unknown
}

export interface Answer {
  id: number
  value?: unknown
  error?: string
}

/** Processor time and memory of one process since it started. */
export interface Usage {
  /** Milliseconds of processor time. */
  cpuMs: number
  rssMb: number
  peakRssMb: number
  /** The heap after a collection, if `--expose-gc` is set. */
  heapMb: number
}

type Handlers = Record<string, (argument: never) => unknown>

/**
 * Answers the questions of the parent process. This process ends when the parent disconnects or ends.
 * @param stop is called before the end
 */
export function serve(handlers: Handlers, stop: () => Promise<unknown>): void {
  const all: Handlers = { usage, ...handlers }
  process.on('message', async ({ id, name, argument }: Question) => {
    let answer: Answer
    try {
      answer = { id, value: await all[name]?.(argument as never) }
    } catch (thrown) {
      answer = { id, error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) }
    }
    if (process.connected) process.send?.(answer)
  })
  // Ctrl-C reaches the whole group, but the bench ends its processes in order.
  process.on('SIGINT', () => {})
  process.on('disconnect', async () => {
    await stop()
    process.exit()
  })
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage()
  const peakRssMb = process.resourceUsage().maxRSS / 1024
  const rssMb = process.memoryUsage.rss() / 1024 ** 2
  globalThis.gc?.()
  const heapMb = process.memoryUsage().heapUsed / 1024 ** 2
  return { cpuMs: (user + system) / 1_000, rssMb, peakRssMb, heapMb }
}
