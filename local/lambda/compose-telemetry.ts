import type { SecretAccess } from '../../functions/secrets.ts'
import { functionTracer } from '../../functions/tracing.ts'
import type { OperatorConfig } from '../../lib/config/operator.ts'
import { withCallCounts } from '../../lib/kubernetes/client/counted-client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { withCallSpans } from '../../lib/kubernetes/client/traced-client.ts'
import type { Metrics } from '../../lib/telemetry/metrics.ts'
import type { PartAddresses } from '../parts/part-addresses.ts'

/** The tracers of the functions, and clients whose calls are counted and traced as those of the deployed functions. */
export function composeTelemetry(
  { clientFor }: Pick<PartAddresses, 'clientFor'>,
  {
    metrics,
    access,
    ...config
  }: Pick<OperatorConfig, 'tracing'> & { metrics: Metrics; access: SecretAccess },
) {
  const tracers = {
    'watch-forwarder': functionTracer('watch-forwarder', config, access),
    reconcile: functionTracer('reconcile', config, access),
    sweep: functionTracer('sweep', config, access),
    publish: functionTracer('publish', config, access),
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
