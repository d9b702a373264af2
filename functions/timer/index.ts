import { openQueues } from '../../lib/aws/sqs.ts'
import { configured } from '../../lib/middleware/start-up.ts'
import { openEmfMetrics } from '../../lib/telemetry/emf-metrics.ts'
import { createHandler } from './handler.ts'
import { sections } from './sections.ts'

const { operator, queues, log } = configured({
  service: 'timer',
  environment: process.env,
  sections,
})

export const handler = createHandler({
  ...openQueues(queues),
  log,
  metrics: openEmfMetrics(operator.installation),
})
