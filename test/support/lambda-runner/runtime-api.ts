import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** An invocation as the runtime of a sandbox receives it. */
export interface PendingEvent {
  requestId: string
  functionArn: string
  /** Epoch milliseconds. */
  deadline: number
  event: unknown
}

/** What an invocation ends with. */
export type Outcome = { result: unknown; error?: undefined } | { error: InvocationError }

export interface InvocationError {
  errorType: string
  errorMessage: string
}

/** What the runtime does. */
export interface RuntimeListener {
  /** It asks for its next event. */
  asks(give: (event: PendingEvent) => void): void
  ends(requestId: string, outcome: Outcome): void
  /** The handler could not be loaded. */
  failsToLoad(error: InvocationError): void
}

export interface RuntimeApi {
  /** The value of `AWS_LAMBDA_RUNTIME_API`. */
  address: string
  stop(): Promise<void>
}

const path = /^\/2018-06-01\/runtime\/(init\/error|invocation\/next|invocation\/([\w-]+)\/(response|error))$/

/** Serves Lambda's Runtime API to one sandbox (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). */
export async function startRuntimeApi(listener: RuntimeListener): Promise<RuntimeApi> {
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const [, operation, requestId = '', kind] = path.exec(incoming.url ?? '') ?? []
    if (operation === 'invocation/next') return listener.asks(event => deliver(event, outgoing))
    const body = await json(incoming)
    if (operation === 'init/error') listener.failsToLoad(body as InvocationError)
    else if (kind === 'response') listener.ends(requestId, { result: body })
    else if (kind === 'error') listener.ends(requestId, { error: body as InvocationError })
    outgoing.writeHead(operation === undefined ? 404 : 202, { 'content-type': 'application/json' })
    outgoing.end('{"status":"OK"}')
  }
  const server = createServer((incoming, outgoing) => {
    // The sandbox was killed.
    handle(incoming, outgoing).catch(() => outgoing.destroy())
  })
  // A sandbox is frozen for longer than Node waits for the next request of a connection.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function deliver({ requestId, functionArn, deadline, event }: PendingEvent, outgoing: ServerResponse): void {
  outgoing.writeHead(200, {
    'content-type': 'application/json',
    'Lambda-Runtime-Aws-Request-Id': requestId,
    'Lambda-Runtime-Invoked-Function-Arn': functionArn,
    'Lambda-Runtime-Deadline-Ms': deadline,
  })
  outgoing.end(JSON.stringify(event))
}
