import { get } from 'node:http'
import type { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import type { Forward } from './forward.ts'
import type { ObjectName } from './variables.ts'

/** Time of one request. A controller that knows no route answers at once, or closes the connection. */
const requestMs = 10_000

export interface HttpAnswer {
  status: number
  body: string
}

/** Asks the controller behind a Service as a browser does that has resolved the host to it. */
export async function getByHost(
  forward: Forward,
  service: ObjectName,
  { host, path }: { host: string; path: string },
): Promise<HttpAnswer> {
  const connection = await forward(service, 80)
  try {
    return await new Promise((resolve, reject) => {
      const request = get({
        ...{ path, headers: { host, connection: 'close' }, createConnection: () => connection as never },
        signal: AbortSignal.timeout(requestMs),
      })
      request.on('error', reject)
      request.on('response', response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        const body = () => Buffer.concat(chunks).toString()
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: body() }))
      })
    })
  } finally {
    connection.destroy()
  }
}

/** Opens TLS for a host. @returns the certificate of the server as DER, or undefined if there was none */
export async function certificateOf(
  forward: Forward,
  service: ObjectName,
  servername: string,
): Promise<Buffer | undefined> {
  const connection: Duplex = await forward(service, 443)
  try {
    return await new Promise(resolve => {
      // The certificate of the challenge is its own, so nobody has signed it.
      const socket = connect({ socket: connection, servername, rejectUnauthorized: false })
      const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), requestMs)
      const end = (certificate: Buffer | undefined) => {
        clearTimeout(timer)
        socket.destroy()
        resolve(certificate)
      }
      socket.once('secureConnect', () => end(socket.getPeerCertificate().raw))
      socket.once('error', () => end(undefined))
      socket.once('close', () => end(undefined))
    })
  } finally {
    connection.destroy()
  }
}
