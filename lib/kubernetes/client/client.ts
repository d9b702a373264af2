import type { Dispatcher } from 'undici'
import { type Connection, resolveConnection } from '../connection/connection.ts'
import type { Credential } from '../connection/credentials.ts'
import type { Endpoint } from '../connection/endpoint.ts'
import { type Agents, openAgents } from './agents.ts'
import { json } from './media-types.ts'
import { connectionDied, transportError } from './transport-error.ts'

export type Query = Record<string, string | number | boolean | undefined>

export type Headers = Record<string, string | string[] | undefined>

export interface ApiRequest {
  /** Sent as JSON. */
  body?: unknown
  /** Of the body; default JSON. */
  contentType?: string
  query?: Query
  accept?: string
}

/** Whatever the server said, refusals included: `apiError` makes our error of those. */
export interface ApiResponse {
  status: number
  /** Parsed JSON; text where the server sent no JSON; undefined where it sent nothing. */
  body: unknown
  headers: Headers
}

export interface ApiStream {
  status: number
  headers: Headers
  /** Ends with an error when the connection dies. Leaving it early closes the connection. */
  body: AsyncIterable<Uint8Array>
}

/** The API server over plain HTTP: paths, statuses, JSON. Throws `OperatorError` where no answer came. */
export interface KubernetesClient {
  request(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    request: ApiRequest,
    signal: AbortSignal,
  ): Promise<ApiResponse>
  /** A GET whose answer does not end by itself, on a connection of its own. */
  stream(path: string, request: Pick<ApiRequest, 'query' | 'accept'>, signal: AbortSignal): Promise<ApiStream>
  /** Ends the kept connections. */
  close(): Promise<void>
}

export interface ClientOptions {
  connection: Connection
  /** `challenge-operator/<version> (<function>)`: tells the functions apart in an audit log. */
  userAgent: string
}

/** After a frozen Lambda thaws, several kept connections may turn out dead one after the other. */
const deadConnections = 3

/** Cheap: files are read and connections made at the first request. */
export function openClient(options: ClientOptions): KubernetesClient {
  let resolved: Promise<Endpoint> | undefined
  let agents: { credential: Credential; open: Agents } | undefined
  const endpointOf = () => {
    // What could not be read now may be readable later.
    resolved ??= resolveConnection(options.connection).catch(thrown => {
      resolved = undefined
      throw thrown
    })
    return resolved
  }
  const agentsFor = (endpoint: Endpoint, credential: Credential): Agents => {
    if (agents && agents.credential.cert === credential.cert) return agents.open
    // A plugin gave a new client certificate; what runs on the old connections ends by itself.
    if (agents) void closeAll(agents.open)
    agents = { credential, open: openAgents(endpoint, credential) }
    return agents.open
  }

  const send = async (
    via: keyof Agents,
    request: { method: Dispatcher.HttpMethod; path: string } & ApiRequest,
    fresh: boolean,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    const endpoint = await endpointOf()
    const credential = await endpoint.credentials(fresh, signal)
    const url = new URL(endpoint.server + request.path + search(request.query))
    const response = await agentsFor(endpoint, credential)[via].request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers: {
        ...endpoint.headers,
        'user-agent': options.userAgent,
        accept: request.accept ?? json,
        ...(credential.authorization === undefined ? {} : { authorization: credential.authorization }),
        ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? json }),
      },
      body: request.body === undefined ? null : JSON.stringify(request.body),
      signal,
    })
    if (response.statusCode !== 401 || fresh) return response
    await response.body.dump()
    return send(via, request, true, signal)
  }

  return {
    async request(method, path, request, signal) {
      for (let tries = 1; ; tries++)
        try {
          signal.throwIfAborted()
          const response = await send('calls', { method, path, ...request }, false, signal)
          const text = await response.body.text()
          return { status: response.statusCode, body: parsed(text), headers: response.headers }
        } catch (thrown) {
          // Every write of ours stands a repetition: it ends in "exists", "conflict" or the same state.
          if (tries <= deadConnections && connectionDied(thrown) && !signal.aborted) continue
          throw transportError(thrown, `${method} ${path}`, signal)
        }
    },
    async stream(path, request, signal) {
      try {
        signal.throwIfAborted()
        const response = await send('watches', { method: 'GET', path, ...request }, false, signal)
        return { status: response.statusCode, headers: response.headers, body: response.body }
      } catch (thrown) {
        throw transportError(thrown, `GET ${path}`, signal)
      }
    },
    async close() {
      if (agents) await closeAll(agents.open, true)
      agents = undefined
    },
  }
}

async function closeAll({ calls, watches }: Agents, atOnce = false): Promise<void> {
  await Promise.all([calls, watches].map(agent => (atOnce ? agent.destroy() : agent.close())))
}

function search(query: Query = {}): string {
  const entries = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  )
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries)}`
}

function parsed(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
