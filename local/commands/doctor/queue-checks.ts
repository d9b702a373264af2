import { queueDepth } from '../../../lib/aws/queue-check.ts'
import { type Check, note } from '../../../lib/doctor/check.ts'
import { type ExternalParts, externalSqsOptions } from '../../parts/external-parts.ts'

export function queueChecks(parts: ExternalParts): Check[] {
  const { queues } = parts
  if (!queues) return [note('queues', 'CHANGES_QUEUE_URL is not set; npm start starts an SQS server')]
  const check = (name: string, variable: string, url: string): Check => ({
    name,
    remedy: `check ${variable}, AWS_REGION and the AWS credentials`,
    async look(signal) {
      const depth = await queueDepth(url, externalSqsOptions(parts), signal)
      if (name === 'dead letters' && depth > 0)
        return {
          problem: `the queue holds about ${depth} messages that could not be handled`,
          remedy: 'read them; each message names its reason',
        }
      return { fine: `about ${depth} messages` }
    },
  })
  return [
    check('changes', 'CHANGES_QUEUE_URL', queues.changesUrl),
    check('timers', 'TIMERS_QUEUE_URL', queues.timersUrl),
    check('sweeps', 'SWEEPS_QUEUE_URL', queues.sweepsUrl),
    check('dead letters', 'DEAD_LETTERS_QUEUE_URL', queues.deadLettersUrl),
  ]
}
