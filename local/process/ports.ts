import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * The range lies below the ports of outgoing connections (Linux from 32768, macOS from 49152) and below NodePorts
 * (30000). A free port of it stays free until its server listens, and is free again at the next start.
 */
const lowest = 20_000
const highest = 29_999
const attempts = 200

/** @returns a free port of the loopback address */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest + 1)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port found between ${lowest} and ${highest}`)
}

/** Returns the port of an earlier run if it is free, or becomes free within `patienceMs` as a predecessor ends. Else another. */
export async function samePortOrFree(
  earlier: number | undefined,
  patienceMs: number,
  signal: AbortSignal,
): Promise<number> {
  if (earlier === undefined) return freePort()
  const end = Date.now() + patienceMs
  while (!(await isFree(earlier))) {
    if (Date.now() >= end) return freePort()
    await sleep(100, undefined, { signal })
  }
  return earlier
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
