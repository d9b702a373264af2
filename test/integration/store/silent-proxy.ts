import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface SilentProxy {
  /** The database's URL through the proxy. */
  url: string
  /** Keeps every connection, old and new, and forwards nothing: a network that swallows packets. */
  silence(): void
  /** Forwards again; what was swallowed stays lost, as are connections from before. */
  speak(): void
  /** Cuts the connection that sends the `count`th packet from now, before or after it reached the server. */
  cutAt(count: number, when: 'before' | 'after'): void
  /** Packets from clients so far. */
  packets(): number
  stop(): Promise<void>
}

export async function startSilentProxy(databaseUrl: string): Promise<SilentProxy> {
  const target = new URL(databaseUrl)
  const open = new Set<Socket>()
  let silent = false
  let packets = 0
  let cut: { at: number; when: 'before' | 'after' } | undefined

  const server = createServer(client => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
      from.on('data', chunk => {
        if (silent) return
        if (from === client) packets += 1
        const last = from === client && cut?.at === packets
        if (!(last && cut?.when === 'before')) to.write(chunk)
        if (!last) return
        cut = undefined
        // The server gets what was written, then the end.
        to.end()
        client.destroy()
      })
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    silence() {
      silent = true
    },
    speak() {
      silent = false
      for (const socket of open) socket.destroy()
    },
    cutAt(count, when) {
      cut = { at: packets + count, when }
    },
    packets: () => packets,
    async stop() {
      for (const socket of open) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
