import { randomUUID } from 'node:crypto'
import { openSecretReader } from '../../lib/aws/secret-reader.ts'
import { openQueues } from '../../lib/aws/sqs.ts'
import { placesElsewhere } from '../../lib/config/placement.ts'
import { configurationOf } from '../../lib/desired/configuration.ts'
import { keepHeapSmall } from '../../lib/forward/dispatch/heap.ts'
import { createForward } from '../../lib/forward.ts'
import { withCallCounts } from '../../lib/kubernetes/client/counted-client.ts'
import { withServerTime } from '../../lib/kubernetes/client/server-time.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { elect } from '../../lib/kubernetes/lease/elect.ts'
import { takeSeat } from '../../lib/kubernetes/lease/seat.ts'
import { readServedKinds } from '../../lib/kubernetes/served-kinds.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import { configured, once } from '../../lib/middleware/start-up.ts'
import { openEmfMetrics } from '../../lib/telemetry/emf-metrics.ts'
import { version } from '../../lib/version.ts'
import { clientFor } from '../cluster.ts'
import { clusterPart } from '../examine/cluster.ts'
import { examinable } from '../examine/examine.ts'
import { queueParts } from '../examine/queues.ts'
import { traceHeadersParts } from '../examine/trace-headers.ts'
import { functionTracer } from '../tracing.ts'
import { createHandler } from './handler.ts'
import { sections } from './sections.ts'

keepHeapSmall()
const { operator, cluster, secrets, queues, log } = configured({
  service: 'watch-forwarder',
  environment: process.env,
  sections,
})
const { namespaces, leaseNamespace: namespace } = operator
const access = { read: openSecretReader(secrets), log }
const tracer = functionTracer('watch-forwarder', operator, access)
const metrics = openEmfMetrics(operator.installation)
const counts = { function: 'watch-forwarder', metrics }
const { client, time } = withServerTime(withCallCounts(clientFor('watch-forwarder', cluster), counts))
const identity = randomUUID()
const { changes, prepare } = openQueues(queues)
const writer = { ...operator.installation, version }
const forward = createForward({
  watch: (target, handlers, signal) => watch(client, target, handlers, { log }, signal),
  elect: (callbacks, signal) => elect({ client, namespace, identity, writer, log, ...callbacks }, signal),
  changes,
  prepare,
  watching: { namespaces, everywhere: placesElsewhere(operator.placement) },
  discover: signal => readServedKinds(client, signal),
  gateway: operator.exposure.gateway,
  leaseNamespace: namespace,
  settings: configurationOf(operator),
  policySettings: operator,
  warnMinutes: operator.warnMinutes,
  log,
  metrics,
  tracer,
  now: time.likely,
})

const handle = createHandler({
  forward,
  ready: once(signal => checkSchema(client, signal)),
  seat: (work, { remainingMs }, signal) =>
    takeSeat({ client, namespace, identity, writer, log, now: time.likely, remainingMs }, work, signal),
  log,
  metrics,
  tracer,
})

export const handler = examinable(handle, [
  clusterPart({ client, namespace: operator.leaseNamespace, writer: operator.installation }),
  ...queueParts([queues.changesUrl]),
  ...traceHeadersParts(operator, access),
])
