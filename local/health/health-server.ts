import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from '../../lib/telemetry/log.ts'
import type { PrometheusMetrics } from '../../lib/telemetry/prometheus-metrics.ts'
import type { LateLoop } from './pulse.ts'
import type { PartStates } from './readiness.ts'

export interface HealthOptions {
  /** 0: any free port. */
  port: number
  /** The address to listen on. Default: every address of the machine. */
  host?: string
  /** The loops of the functions that hang. */
  late: () => LateLoop[]
  ready: () => Promise<PartStates>
  prometheus: Pick<PrometheusMetrics, 'text' | 'contentType'>
}

export interface HealthServer {
  port: number
  stop(): Promise<void>
}

/**
 * Answers the probes of a kubelet. `/healthz`: 200 while the event loop turns and every
 * loop of the functions goes round, else 503 with those that hang; only a restart helps then. `/readyz`: 200 while the
 * parts that the functions cannot do without are reachable, with one word for each part. `/metrics` is for Prometheus.
 */
export async function startHealthServer(options: HealthOptions, log: Log): Promise<HealthServer> {
  const server = createServer(async (request, response) => {
    try {
      if (request.url === '/healthz') answerHealth(options.late(), response, log)
      else if (request.url === '/readyz') answerReadiness(await options.ready(), response)
      else if (request.url === '/metrics') await answerMetrics(options.prometheus, response)
      else answer(response, 404, { error: 'There are /healthz, /readyz and /metrics.' })
    } catch (thrown) {
      log.error('probe not answered', { error: thrown })
      answer(response, 500, { error: 'The probe failed.' })
    }
  })
  server.listen(options.port, options.host)
  await once(server, 'listening').catch(thrown => {
    throw new Error(
      `The port ${options.port} of health and metrics cannot be opened (${thrown.code}): ${mendOf(thrown)}`,
    )
  })
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function mendOf({ code }: NodeJS.ErrnoException): string {
  return code === 'EADDRINUSE'
    ? 'another process listens on it. Choose another port, or 0 for a free one.'
    : 'choose another port, or 0 for a free one.'
}

function answerHealth(late: readonly LateLoop[], response: ServerResponse, log: Log): void {
  if (late.length > 0) log.error('a loop of the operator hangs', { loops: late })
  answer(response, late.length === 0 ? 200 : 503, { status: late.length === 0 ? 'ok' : 'hangs', late })
}

function answerReadiness({ ready, parts }: PartStates, response: ServerResponse): void {
  answer(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', parts })
}

async function answerMetrics(
  { text, contentType }: HealthOptions['prometheus'],
  response: ServerResponse,
): Promise<void> {
  const body = await text()
  response.writeHead(200, { 'content-type': contentType }).end(body)
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
