import { openQueues } from '../../lib/aws/sqs.ts'
import { sections } from '../../lib/config.ts'
import { configured } from '../../lib/middleware/start-up.ts'
import { openLogger } from '../../lib/telemetry/logger.ts'
import { createHandler } from './handler.ts'

const { operator, queues } = configured(process.env, {
  operator: sections.operator,
  queues: sections.queues,
})
const log = openLogger({ level: operator.logLevel, service: 'timer' })

export const handler = createHandler({ ...openQueues(queues), log })
