import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import type { Credential } from '../connection/credentials.ts'
import type { Endpoint } from '../connection/endpoint.ts'

/** Calls and watches never share a connection: a watch holds its own for minutes. */
export interface Agents {
  calls: Dispatcher
  watches: Dispatcher
}

/** A handful of h1 connections beat one multiplexed h2 connection under load (measured). */
const callConnections = 8
/** The API server closes idle connections after 90 s; we must be first. */
const keepAliveMs = 60_000
/** The API server itself ends a call after 60 s. */
const answerMs = 65_000
const connectMs = 5_000
/** client-go's; balancers forget silent connections after a minute or more. */
const tcpKeepAliveMs = 30_000

export function openAgents(endpoint: Endpoint, credential: Credential): Agents {
  const { cert, key } = credential
  const tls = { ...endpoint.tls, ...(cert !== undefined && key !== undefined ? { cert, key } : {}) }
  const connection = { timeout: connectMs, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs }
  const open = (options: Agent.Options): Dispatcher => {
    const common = { allowH2: false, pipelining: 1, ...options }
    if (endpoint.proxy === undefined) return new Agent({ ...common, connect: { ...tls, ...connection } })
    return new ProxyAgent({ ...common, uri: endpoint.proxy, requestTls: { ...tls, ...connection } })
  }
  return {
    calls: open({
      connections: callConnections,
      keepAliveTimeout: keepAliveMs,
      headersTimeout: answerMs,
      bodyTimeout: answerMs,
    }),
    // No keep-alive between watches: the next one may reach another, livelier API server.
    watches: open({ keepAliveTimeout: 1, headersTimeout: answerMs, bodyTimeout: 0 }),
  }
}
