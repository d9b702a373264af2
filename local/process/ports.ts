import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * The range lies below the ports of outgoing connections (Linux from 32768, macOS from 49152) and below NodePorts
 * (30000). A free port of it stays free until its server listens, and is free again at the next start.
 */
const lowest = 20_000
const highest = 29_999
const attempts = 200
/** A server listens within a minute, even on a busy machine. From then on the port itself is taken. */
const reservedMs = 60_000

/** @returns a free port of the loopback address, which no other call in any process returns for a minute */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest + 1)
    if ((await reserve(port)) && (await isFree(port))) return port
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
  // The predecessor's reservation may still stand, and does no harm: the folder's lock keeps others from this port.
  await reserve(earlier)
  return earlier
}

/**
 * Keeps other calls and processes from a TCP port on which no server listens yet. A UDP socket of the same number, which
 * nothing else uses, is the reservation: it goes with this process.
 * @returns whether this call is the one that has the port
 */
export function reserve(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket('udp4')
    socket.on('error', () => socket.close(() => resolve(false)))
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      socket.unref()
      setTimeout(() => socket.close(), reservedMs).unref()
      resolve(true)
    })
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
