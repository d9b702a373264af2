import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import type { ApiServerAddress } from '../connection/api-server-address.ts'
import type { Credential } from '../connection/credentials.ts'

/** Connection pools. Calls and watches never share a connection, since a watch keeps its own for minutes. */
export interface Agents {
  calls: Dispatcher
  watches: Dispatcher
}

/** Eight HTTP/1.1 connections are faster under load than one multiplexed HTTP/2 connection (measured). */
const callConnections = 8
/** The API server closes idle connections after 90 s; the client has to close them earlier. */
const keepAliveMs = 60_000
/** The API server ends a call after 60 s. The rest is left for its answer to arrive. */
const answerMs = 65_000
const connectMs = 5_000
/** The interval of client-go. Load balancers forget a silent connection after a minute or more. */
const tcpKeepAliveMs = 30_000

export function openAgents(address: ApiServerAddress, credential: Credential): Agents {
  const { cert, key } = credential
  const tls = { ...address.tls, ...(cert !== undefined && key !== undefined ? { cert, key } : {}) }
  const connection = { timeout: connectMs, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs }
  const open = (options: Agent.Options): Dispatcher => {
    const common = { allowH2: false, pipelining: 1, ...options }
    if (address.proxy === undefined) return new Agent({ ...common, connect: { ...tls, ...connection } })
    return new ProxyAgent({ ...common, uri: address.proxy, requestTls: { ...tls, ...connection } })
  }
  return {
    calls: open({
      connections: callConnections,
      keepAliveTimeout: keepAliveMs,
      headersTimeout: answerMs,
      bodyTimeout: answerMs,
    }),
    // Watches do not reuse a connection: a new one may reach another API server, which answers.
    watches: open({ keepAliveTimeout: 1, headersTimeout: answerMs, bodyTimeout: 0 }),
  }
}
