import { runWindow } from '../../functions/watch-forwarder/window.ts'
import { openQueues } from '../../lib/aws/sqs.ts'
import { clusterSection, queueSection } from '../../lib/config/connections.ts'
import { operatorSection } from '../../lib/config/operator.ts'
import { type Environment, readConfig } from '../../lib/config/section.ts'
import { keepHeapSmall } from '../../lib/forward/dispatch/heap.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { once } from '../../lib/middleware/start-up.ts'
import { openLogger } from '../../lib/telemetry/logger.ts'
import { composeForward } from '../lambda/compose-forward.ts'
import { externalSqsOptions, openExternalClient } from '../parts/external-parts.ts'

/** `challenge-operator forward`: the watch-forwarder without the function's windows of 15 minutes, for a container. */
export async function runForward(
  env: Environment,
  print: (line: string) => void,
  stopping: AbortSignal,
): Promise<void> {
  keepHeapSmall()
  const sections = { operator: operatorSection, cluster: clusterSection, queues: queueSection }
  const { operator, queues: urls } = readConfig(env, sections)
  const client = openExternalClient(env, 'watch-forwarder')
  const clientOptions = externalSqsOptions({ sqsEndpoint: env.AWS_ENDPOINT_URL_SQS || undefined })
  const queues = openQueues({ ...urls, clientOptions })
  const log = openLogger({ level: operator.logLevel, service: 'watch-forwarder' })
  const forward = composeForward({ client, changes: queues.changes, config: operator, log })
  const ready = once(signal => checkSchema(client, signal))
  try {
    print('watching; SIGTERM or Ctrl-C stops it and releases the lease')
    await runWindow({ forward, ready, log, endsIfPermanent: true }, stopping)
  } finally {
    queues.close()
    await client.close()
  }
}
