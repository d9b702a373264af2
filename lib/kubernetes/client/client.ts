import type { Dispatcher } from 'undici'
import type { ApiServerAddress } from '../connection/api-server-address.ts'
import { type Connection, resolveConnection } from '../connection/connection.ts'
import type { Credential } from '../connection/credentials.ts'
import { type Agents, openAgents } from './agents.ts'
import type { ApiRequest, KubernetesClient, Query } from './http.ts'
import { json } from './media-types.ts'
import { connectionDied, isTimeout, transportError } from './transport-error.ts'

export interface ClientOptions {
  connection: Connection
  /** See `userAgentOf`. */
  userAgent: string
  /** Milliseconds for one call with its answer, unless the call has a limit of its own. */
  callMs?: number
}

interface Call extends ApiRequest {
  method: Dispatcher.HttpMethod
  path: string
}

/**
 * A call takes milliseconds, and a few seconds on a busy API server. An admission webhook that does not answer has 10 s by
 * default, so a longer limit would wait for nothing else.
 */
const defaultCallMs = 10_000

/** After a frozen Lambda thaws, several kept connections may turn out dead one after the other. */
const deadConnections = 3

/** Opens a client. Files are read and connections are made at the first request. */
export function openClient(options: ClientOptions): KubernetesClient {
  const { connection, userAgent, callMs = defaultCallMs } = options
  let resolved: Promise<ApiServerAddress> | undefined
  let current: { credential: Credential; agents: Agents } | undefined

  const resolve = () => {
    // A file that cannot be read now may be readable at the next request.
    resolved ??= resolveConnection(connection).catch(thrown => {
      resolved = undefined
      throw thrown
    })
    return resolved
  }
  /** Calls that run on the old connections are not cut off. */
  const replaceConnections = () => {
    if (current) void closeAll(current.agents, { atOnce: false })
    current = undefined
  }
  const agentsFor = (address: ApiServerAddress, credential: Credential): Agents => {
    if (current && current.credential.cert === credential.cert) return current.agents
    // A plugin returned a new client certificate.
    replaceConnections()
    current = { credential, agents: openAgents(address, credential) }
    return current.agents
  }
  const send = async (
    via: keyof Agents,
    call: Call,
    options: { fresh: boolean },
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    const address = await resolve()
    const credential = await address.credentials(options, signal)
    const agent = agentsFor(address, credential)[via]
    // A credential plugin has a limit of its own, so the time for it is not part of the call's.
    const limited =
      via === 'calls' ? AbortSignal.any([signal, AbortSignal.timeout(call.limitMs ?? callMs)]) : signal
    const response = await agent.request(
      dispatched(call, { address, credential, userAgent, signal: limited }),
    )
    if (response.statusCode !== 401 || options.fresh) return response
    await response.body.dump()
    return send(via, call, { fresh: true }, signal)
  }

  return {
    async request(method, path, request, signal) {
      for (let tries = 1; ; tries++)
        try {
          signal.throwIfAborted()
          const response = await send('calls', { method, path, ...request }, { fresh: false }, signal)
          const text = await response.body.text()
          return { status: response.statusCode, body: parsed(text), headers: response.headers }
        } catch (thrown) {
          // Every write may be repeated: the repetition ends in "exists", "conflict" or the same state.
          if (tries <= deadConnections && connectionDied(thrown) && !signal.aborted) continue
          // The connections were kept for equally long, so the others are likely to be as silent as this one.
          if (isTimeout(thrown) && !signal.aborted) replaceConnections()
          throw transportError(thrown, `${method} ${path}`, signal)
        }
    },
    async stream(path, request, signal) {
      try {
        signal.throwIfAborted()
        const response = await send('watches', { method: 'GET', path, ...request }, { fresh: false }, signal)
        return { status: response.statusCode, headers: response.headers, body: response.body }
      } catch (thrown) {
        throw transportError(thrown, `GET ${path}`, signal)
      }
    },
    async close() {
      if (current) await closeAll(current.agents, { atOnce: true })
      current = undefined
    },
  }
}

/** @param options `atOnce`: running calls are cut off, too */
async function closeAll({ calls, watches }: Agents, { atOnce }: { atOnce: boolean }): Promise<void> {
  await Promise.all([calls, watches].map(agent => (atOnce ? agent.destroy() : agent.close())))
}

function dispatched(
  { method, path, query, accept, body, contentType }: Call,
  sender: { address: ApiServerAddress; credential: Credential; userAgent: string; signal: AbortSignal },
): Dispatcher.RequestOptions {
  const { address, credential, userAgent, signal } = sender
  const url = new URL(address.server + path + search(query))
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers: {
      ...address.headers,
      'user-agent': userAgent,
      accept: accept ?? json,
      ...(credential.authorization === undefined ? {} : { authorization: credential.authorization }),
      ...(body === undefined ? {} : { 'content-type': contentType ?? json }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    // undici gives a connection up after a DELETE with a body, unless it is told that the server reads such a body.
    reset: false,
    signal,
  }
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
