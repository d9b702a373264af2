import type { Log } from '../../lib/telemetry/log.ts'
import { openPrometheusMetrics, type PrometheusMetrics } from '../../lib/telemetry/prometheus-metrics.ts'
import type { ComposedFunction } from '../lambda/composed-functions.ts'
import type { PartAddresses } from '../parts/part-addresses.ts'
import { startHealthServer } from './health-server.ts'
import { createPulse, type Pulse } from './pulse.ts'
import { openReadiness } from './readiness.ts'

export interface Health {
  port: number
  /** Follows the loops of the functions. */
  pulse: Pulse
  /** Takes the metrics of the functions. */
  prometheus: PrometheusMetrics
  close(): Promise<void>
}

export interface OpenHealthOptions {
  addresses: PartAddresses
  functions: readonly ComposedFunction[]
  /** 0: any free port. */
  port: number
  /** The address to listen on. Default: every address of the machine. */
  host?: string
}

/** Serves health, readiness and metrics of the functions of one process. */
export async function openHealth(
  { addresses, functions, ...listening }: OpenHealthOptions,
  log: Log,
): Promise<Health> {
  const pulse = createPulse()
  const readiness = openReadiness({ addresses, functions })
  const prometheus = await openPrometheusMetrics()
  const options = { ...listening, late: pulse.late, ready: readiness.look, prometheus }
  const server = await startHealthServer(options, log).catch(async thrown => {
    await readiness.close()
    throw thrown
  })
  return {
    port: server.port,
    pulse,
    prometheus,
    async close() {
      await server.stop()
      await readiness.close()
    },
  }
}
