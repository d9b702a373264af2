import { request } from 'node:https'

/** A minimal client of the API server, used while the control plane starts. */
export interface Api {
  /** @returns the HTTP status and the body */
  call(method: string, path: string, body: unknown, signal: AbortSignal): Promise<Answer>
}

export interface Answer {
  status: number
  body: string
}

const callMs = 5_000

export function openApi(port: number, ca: string, token: string): Api {
  return {
    call: (method, path, body, signal) =>
      new Promise((resolve, reject) => {
        const call = request(
          {
            host: '127.0.0.1',
            port,
            method,
            path,
            ca,
            agent: false,
            signal: AbortSignal.any([signal, AbortSignal.timeout(callMs)]),
            headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          },
          response => {
            const chunks: Buffer[] = []
            response.on('data', chunk => chunks.push(chunk))
            response.once('error', reject)
            response.once('end', () =>
              resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
            )
          },
        )
        call.once('error', reject)
        call.end(body === undefined ? undefined : JSON.stringify(body))
      }),
  }
}
