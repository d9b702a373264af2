import type { Metrics } from '../../telemetry/metrics.ts'
import { currentScope } from '../../telemetry/scope.ts'
import type { KubernetesClient } from './http.ts'

export interface CallCounts {
  /** Name of the function that calls. */
  function: string
  metrics: Metrics
}

/** Wraps a client, and counts its calls: for the function, and for the pass or the sweep that makes them. */
export function withCallCounts(client: KubernetesClient, counts: CallCounts): KubernetesClient {
  const count = () => {
    counts.metrics.count('ApiCalls', 1, { function: counts.function })
    const scope = currentScope()
    if (scope) scope.calls += 1
  }
  return {
    ...client,
    request(...call) {
      count()
      return client.request(...call)
    },
    stream(...call) {
      count()
      return client.stream(...call)
    },
  }
}
