import { openSecretReader } from '../../lib/aws/secret-reader.ts'
import { openQueues } from '../../lib/aws/sqs.ts'
import { openWindowRequests } from '../../lib/aws/window-request.ts'
import { withCallCounts } from '../../lib/kubernetes/client/counted-client.ts'
import { withServerTime } from '../../lib/kubernetes/client/server-time.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { createOwnership } from '../../lib/kubernetes/lease/ownership.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { openPodMetrics } from '../../lib/kubernetes/pod-metrics.ts'
import { configured, once } from '../../lib/middleware/start-up.ts'
import { createClockReader } from '../../lib/reconcile/clock/reader.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openStore } from '../../lib/store/open-store.ts'
import { createSweep } from '../../lib/sweep.ts'
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

const { operator, cluster, database, secrets, queues, next, bus, log } = configured({
  service: 'sweep',
  environment: process.env,
  sections,
})
const { intervalSeconds, resyncMinutes } = operator
const metrics = openEmfMetrics(operator.installation)
const counts = { function: 'sweep', metrics }
const { client, time } = withServerTime(withCallCounts(clientFor('sweep', cluster), counts))
const access = { read: openSecretReader(secrets), log }
const tracer = functionTracer('sweep', operator, access)
const address = databaseAddress(database, access)
const db = openDatabase({
  url: address,
  max: 1,
  applicationName: 'challenge-operator sweep',
})
const store = openStore(db, { limits: operator.limits, platform: operator.platform })
const { changes, sweeps } = openQueues({ ...queues, ...next })
const reached = openCluster(client)
const readClock = createClockReader({
  cluster: reached,
  namespace: operator.leaseNamespace,
  now: time.likely,
})
const parts = {
  cluster: reached,
  podMetrics: openPodMetrics(client),
  readClock: (signal: AbortSignal) => readClock(undefined, signal),
  store,
  changes,
  config: operator,
  now: time.likely,
  log,
}

const handle = createHandler({
  sweep: withKeys(operator, access, config => createSweep({ ...parts, config })),
  ownership: createOwnership({
    client,
    namespace: operator.leaseNamespace,
    writer: operator.installation,
    log,
    now: time.likely,
    trustMs: 0,
  }),
  beginWindow: bus && openWindowRequests({ busName: bus.name }),
  ready: once(signal => checkSchema(client, signal)),
  sweeps,
  intervalSeconds,
  resyncMinutes,
  log,
  metrics,
  tracer,
})

export const handler = examinable(handle, [
  clusterPart({ client, namespace: operator.leaseNamespace, writer: operator.installation }),
  databasePart({ db, address, platform: operator.platform }),
  ...queueParts([queues.changesUrl, next.sweepsUrl]),
  ...(bus === undefined ? [] : [busPart({ busName: bus.name })]),
  ...keyParts(operator, access),
  ...traceHeadersParts(operator, access),
])
