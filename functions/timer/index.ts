import { openQueues } from '../../lib/aws/sqs.ts'
import { queueSection } from '../../lib/config/connections.ts'
import { operatorSection } from '../../lib/config/operator.ts'
import { configured } from '../../lib/middleware/start-up.ts'
import { createHandler } from './handler.ts'

const { queues, log } = configured({
  service: 'timer',
  environment: process.env,
  sections: { operator: operatorSection, queues: queueSection },
})

export const handler = createHandler({ ...openQueues(queues), log })
