import { connect } from 'node:tls'
import { type Connection, resolveConnection } from './connection.ts'

export interface ServerTls {
  /** `plain`: http. `unverified`: the connection accepts every certificate. `proxied`: a proxy hides the certificate. */
  kind: 'plain' | 'unverified' | 'proxied' | 'verified'
  /** Epoch milliseconds at which the server's certificate expires. */
  expires?: number
}

/**
 * Reads how the connection to the API server is protected.
 * @throws OperatorError if a file of the connection cannot be read; Error if the server does not answer
 */
export async function serverTls(connection: Connection, signal: AbortSignal): Promise<ServerTls> {
  const { server, tls, proxy } = await resolveConnection(connection)
  const url = new URL(server)
  if (url.protocol === 'http:') return { kind: 'plain' }
  if (tls.rejectUnauthorized === false) return { kind: 'unverified' }
  if (proxy !== undefined) return { kind: 'proxied' }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const expires = await certificateEnd(
    { host, port: Number(url.port || 443), servername: tls.servername ?? host },
    signal,
  )
  return { kind: 'verified', ...(expires !== undefined && { expires }) }
}

/** The certificate is only read here: every call of the client verifies it. */
function certificateEnd(
  { host, port, servername }: { host: string; port: number; servername: string },
  signal: AbortSignal,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    // An address is no name that a server could choose a certificate by.
    const named = /^[\d.]+$|:/.test(servername) ? {} : { servername }
    const socket = connect({ host, port, rejectUnauthorized: false, ...named }, () => {
      const until = Date.parse(socket.getPeerCertificate().valid_to)
      resolve(Number.isNaN(until) ? undefined : until)
      socket.destroy()
    })
    socket.once('error', reject)
    signal.addEventListener('abort', () => socket.destroy(signal.reason), { once: true })
  })
}
