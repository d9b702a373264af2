import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '../../../lib/kubernetes/connection/connection.ts'

/** An answer of the front itself. `lines` is a stream, which stays open unless `ends` is set. */
export interface FrontAnswer {
  status: number
  body: unknown
  headers?: Record<string, string>
  lines?: unknown[]
  /** The pause between two lines, in milliseconds; none by default. */
  everyMs?: number
  ends?: boolean
}

/** A server in front of the API server, which can answer in its place. */
export interface Front {
  connection: Connection
  /** The requests in their order. */
  readonly requests: { method: string; url: URL; headers: IncomingMessage['headers'] }[]
  /** Called for every request. The API server answers if it returns undefined. */
  answer: (url: URL, headers: IncomingMessage['headers']) => FrontAnswer | undefined
  stop(): Promise<void>
}

export async function startFront(plane: { server: string; token: string; caData: string }): Promise<Front> {
  const ca = Buffer.from(plane.caData, 'base64')
  const server = createServer(async (incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', 'http://front')
    front.requests.push({ method: incoming.method ?? '', url, headers: incoming.headers })
    const answer = front.answer(url, incoming.headers)
    if (answer) {
      outgoing.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
      for (const line of answer.lines ?? []) {
        outgoing.write(typeof line === 'string' ? line : `${JSON.stringify(line)}\n`)
        if (answer.everyMs !== undefined) await sleep(answer.everyMs)
      }
      if (!answer.lines) outgoing.end(JSON.stringify(answer.body))
      else if (answer.ends) outgoing.end()
      return
    }
    const { method, headers } = incoming
    const upstream = request(plane.server + incoming.url, { method, headers, ca, agent: false }, response => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.on('error', () => outgoing.destroy())
      response.pipe(outgoing)
    })
    upstream.on('error', () => outgoing.destroy())
    outgoing.on('close', () => upstream.destroy())
    incoming.pipe(upstream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const front: Front = {
    connection: { kind: 'server', server: `http://127.0.0.1:${port}`, token: async () => plane.token },
    requests: [],
    answer: () => undefined,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return front
}
