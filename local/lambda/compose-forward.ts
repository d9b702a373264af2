import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { ChangesQueue } from '../../lib/aws/queue-ports.ts'
import type { OperatorConfig } from '../../lib/config/operator.ts'
import { createForward, type Forward } from '../../lib/forward.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/client.ts'
import { elect } from '../../lib/kubernetes/lease/elect.ts'
import { leaseNamespace } from '../../lib/kubernetes/lease/lease-namespace.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import type { Log } from '../../lib/telemetry/log.ts'

/** The forwarder's story over a real cluster and queue; each run stands for the lease under a name of its own. */
export function composeForward(
  client: KubernetesClient,
  changes: Pick<ChangesQueue, 'sendBatch'>,
  { namespaces }: Pick<OperatorConfig, 'namespaces'>,
  log: Log,
): Forward {
  const identity = `${hostname()}_${randomUUID()}`
  return createForward({
    watch: (target, handlers, signal) => watch(client, target, handlers, { log }, signal),
    elect: (callbacks, signal) =>
      elect({ client, namespace: leaseNamespace(namespaces), identity, log, ...callbacks }, signal),
    changes,
    namespaces,
    log,
    now: Date.now,
  })
}
