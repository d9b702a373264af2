import { Agent } from 'undici'

/** Address and administrator's token of an API server. */
export interface Server {
  server: string
  caData: string
  token: string
}

/** Plain HTTP calls, the lowest cost that any operator can have. */
export interface BareClient {
  /** @returns the body. @throws Error for any answer that is not a success */
  call(method: Method, path: string, body: string | undefined, signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** @param connections number of calls at once; further calls wait */
export function openBareClient(
  { server, caData, token }: Server,
  connections: number,
  userAgent: string,
): BareClient {
  const agent = new Agent({
    allowH2: false,
    pipelining: 1,
    connections,
    connect: { ca: Buffer.from(caData, 'base64').toString() },
  })
  const headers = { authorization: `Bearer ${token}`, 'user-agent': userAgent, accept: 'application/json' }
  return {
    async call(method, path, body, signal) {
      const response = await agent.request({
        origin: server,
        path,
        method,
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        body: body ?? null,
        // A DELETE with a body would take a new connection each time.
        reset: false,
        signal,
      })
      const text = await response.body.text()
      if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`)
      return text
    },
    close: () => agent.destroy(),
  }
}
