import { openQueues } from '../../lib/aws/sqs.ts'
import { configured } from '../../lib/middleware/start-up.ts'
import { openEmfMetrics } from '../../lib/telemetry/emf-metrics.ts'
import { examinable } from '../examine/examine.ts'
import { queueParts } from '../examine/queues.ts'
import { createHandler } from './handler.ts'
import { sections } from './sections.ts'

const { operator, queues, log } = configured({
  service: 'timer',
  environment: process.env,
  sections,
})

const handle = createHandler({
  ...openQueues(queues),
  log,
  metrics: openEmfMetrics(operator.installation),
})

export const handler = examinable(
  handle,
  queueParts([queues.changesUrl, queues.timersUrl, queues.deadLettersUrl]),
)
