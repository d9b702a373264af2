import { openEventBus } from '../../lib/aws/eventbridge.ts'
import { openSecretReader } from '../../lib/aws/secret-reader.ts'
import { openQueues } from '../../lib/aws/sqs.ts'
import { eventGraceMs } from '../../lib/config/placement.ts'
import { watchedBy } from '../../lib/crd/namespaces.ts'
import { withCallCounts } from '../../lib/kubernetes/client/counted-client.ts'
import { withServerTime } from '../../lib/kubernetes/client/server-time.ts'
import { withCallSpans } from '../../lib/kubernetes/client/traced-client.ts'
import { openEventRecorder } from '../../lib/kubernetes/event-recorder.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { createOwnership } from '../../lib/kubernetes/lease/ownership.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { configured, once } from '../../lib/middleware/start-up.ts'
import { createPublish } from '../../lib/publish.ts'
import { createTakeUpClock } from '../../lib/reconcile/clock/take-up.ts'
import { createCollectUnused } from '../../lib/reconcile/collect-unused.ts'
import { createCollectNamespace } from '../../lib/reconcile/namespace/collect-namespace.ts'
import { createRepairNamespace } from '../../lib/reconcile/namespace/repair-namespace.ts'
import { createRepairPolicy } from '../../lib/reconcile/policy/repair-policy.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import { loadDriver, openDatabase, warmUp } from '../../lib/store/database.ts'
import { openOutbox, openStore } from '../../lib/store/open-store.ts'
import { openEmfMetrics } from '../../lib/telemetry/emf-metrics.ts'
import { clientFor } from '../cluster.ts'
import { databaseAddress } from '../database.ts'
import { busPart } from '../examine/bus.ts'
import { clusterPart } from '../examine/cluster.ts'
import { databasePart } from '../examine/database.ts'
import { examinable } from '../examine/examine.ts'
import { keyParts } from '../examine/keys.ts'
import { queueParts } from '../examine/queues.ts'
import { traceHeadersParts } from '../examine/trace-headers.ts'
import { withKeys } from '../keys.ts'
import { functionTracer } from '../tracing.ts'
import { createHandler } from './handler.ts'
import { sections } from './sections.ts'

const { operator, cluster, database, secrets, queues, bus, log } = configured({
  service: 'reconcile',
  environment: process.env,
  sections,
})
const access = { read: openSecretReader(secrets), log }
const tracer = functionTracer('reconcile', operator, access)
const metrics = openEmfMetrics(operator.installation)
const traced = withCallSpans(clientFor('reconcile', cluster), tracer)
const counted = withCallCounts(traced, { function: 'reconcile', metrics })
const { client, time } = withServerTime(counted)
const address = databaseAddress(database, access)
const db = openDatabase({
  url: address,
  max: 1,
  applicationName: 'challenge-operator reconcile',
})
const outbox = openOutbox(db, bus.name)
const publish = createPublish({ outbox, bus: openEventBus({ busName: bus.name }), log, tracer })
const parts = {
  cluster: openCluster(client),
  store: openStore(db, { bus: bus.name, limits: operator.limits, platform: operator.platform }),
  recorder: openEventRecorder(client, 'reconcile', log),
  config: operator,
  now: time.likely,
  reached: time.reached,
  random: Math.random,
  log,
}

const handle = createHandler({
  ...openQueues(queues),
  reconcile: withKeys(operator, access, config => createReconcile({ ...parts, config })),
  collectUnused: createCollectUnused(parts),
  collectNamespace: createCollectNamespace({ ...parts, graceMs: eventGraceMs(operator.placement) }),
  repairNamespace: createRepairNamespace(parts),
  repairPolicy: createRepairPolicy(parts),
  takeUpClock: createTakeUpClock({ ...parts, namespace: operator.leaseNamespace }),
  watches: watchedBy(operator.namespaces),
  owns: createOwnership({
    client,
    namespace: operator.leaseNamespace,
    writer: operator.installation,
    log,
    now: time.likely,
  }).owns,
  ready: once(signal => {
    // The row is written last, so the database has the time of the other calls to accept the connection.
    void warmUp(db, signal)
    return checkSchema(client, signal)
  }),
  publish,
  log,
  metrics,
  tracer,
})

export const handler = examinable(handle, [
  clusterPart({ client, namespace: operator.leaseNamespace, writer: operator.installation }),
  databasePart({ db, address, platform: operator.platform }),
  ...queueParts([queues.changesUrl, queues.timersUrl, queues.deadLettersUrl]),
  busPart({ busName: bus.name }),
  ...keyParts(operator, access),
  ...traceHeadersParts(operator, access),
])

// While a sandbox starts, it has more of a processor than its first invocation has.
await loadDriver()
