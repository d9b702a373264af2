import type { QueueUrls } from '../../lib/aws/queues.ts'
import { openQueues } from '../../lib/aws/sqs.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import type { PodMetrics } from '../../lib/kubernetes/pod-metrics.ts'
import { createClockReader } from '../../lib/reconcile/clock/reader.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openStore } from '../../lib/store/open-store.ts'
import { createSweep, type Swept } from '../../lib/sweep.ts'
import { type Log, silentLog } from '../../lib/telemetry/log.ts'
import type { TestOperator } from './operator.ts'

/** A sweep leaves out what changed in the last ten seconds. By the clock of this sweep every change is older. */
const aheadMs = 15_000

/** Makes one sweep besides the operator's own, with a clock that is ahead. @param cluster default: with the rights of sweep */
export async function sweepOnce(
  operator: Pick<TestOperator, 'databaseUrl' | 'accounts' | 'config' | 'signal'>,
  queues: QueueUrls & { clientOptions: SqsClientOptions },
  {
    resync = true,
    cluster: given,
    podMetrics = { millicores: async () => new Map() },
    log = silentLog,
  }: { resync?: boolean; cluster?: Cluster; podMetrics?: PodMetrics; log?: Log } = {},
): Promise<Swept> {
  // The user agent is that of the test, so that nobody counts these calls as the operator's.
  const client = openClient({
    connection: { kind: 'kubeconfig', path: operator.accounts.kubeconfigOf('sweep') },
    userAgent: 'challenge-operator/test (test)',
  })
  const cluster = given ?? openCluster(client)
  const database = openDatabase({ url: operator.databaseUrl, max: 1, applicationName: 'sweep' })
  const sending = openQueues(queues)
  const { leaseNamespace } = operator.config
  const readClock = createClockReader({ cluster, namespace: leaseNamespace, now: Date.now })
  const sweep = createSweep({
    cluster,
    readClock: signal => readClock(undefined, signal),
    store: openStore(database),
    changes: sending.changes,
    config: operator.config,
    podMetrics,
    now: () => Date.now() + aheadMs,
    log,
  })
  try {
    return await sweep({ resync }, operator.signal)
  } finally {
    sending.close()
    await client.close()
    await database.destroy()
  }
}
