import { withCallCounts } from '../../lib/kubernetes/client/counted-client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { withCallSpans } from '../../lib/kubernetes/client/traced-client.ts'
import type { Metrics } from '../../lib/telemetry/metrics.ts'
import type { TracingConfig } from '../../lib/telemetry/span.ts'
import { openTracer } from '../../lib/telemetry/tracer.ts'
import type { PartAddresses } from '../parts/part-addresses.ts'

/** The tracers of the functions, and clients whose calls are counted and traced as those of the deployed functions. */
export function composeTelemetry(
  { clientFor }: Pick<PartAddresses, 'clientFor'>,
  { tracing, metrics }: { tracing: TracingConfig; metrics: Metrics },
) {
  const tracers = {
    'watch-forwarder': openTracer('watch-forwarder', tracing),
    reconcile: openTracer('reconcile', tracing),
    sweep: openTracer('sweep', tracing),
    publish: openTracer('publish', tracing),
  }
  return {
    tracers,
    clientFor(name: Parameters<typeof clientFor>[0]): KubernetesClient {
      const client = clientFor(name)
      const traced = name === 'reconcile' ? withCallSpans(client, tracers.reconcile) : client
      return withCallCounts(traced, { function: name, metrics })
    },
  }
}
