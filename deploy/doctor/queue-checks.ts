import type { EventSourceMappingConfiguration } from '@aws-sdk/client-lambda'
import { ListEventSourceMappingsCommand } from '@aws-sdk/client-lambda'
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs'
import { deployedFunctions } from '../../lib/config/reference.ts'
import type { Check, Finding } from '../../lib/doctor/check.ts'
import { ask, judged, named } from './ask.ts'
import type { Expected } from './expected.ts'
import { judgeMapping, judgeQueue, type QueueFacts } from './queue-judgement.ts'
import { credentialsRemedy, deployRemedy, revertRemedy } from './remedies.ts'
import type { Stack } from './stack.ts'

/** Whether each queue is as the stack makes it, holds no dead letters, and invokes its function. */
export function queueChecks(stack: Stack, expected: Expected): Check[] {
  const remedy = credentialsRemedy
  return [
    {
      name: 'queues',
      needs: 'stack',
      remedy,
      async look(signal) {
        const names = Object.keys(expected.queues)
        return (await Promise.all(names.map(name => queueFindings(name, { stack, expected }, signal)))).flat()
      },
    },
    {
      name: 'deliveries',
      needs: 'stack',
      remedy,
      look: async signal => (await mappingFindings(stack, expected, signal)).flat(),
    },
  ]
}

interface Asked {
  stack: Stack
  expected: Expected
}

async function queueFindings(
  logicalId: string,
  { stack, expected }: Asked,
  abortSignal: AbortSignal,
): Promise<Finding[]> {
  const resource = (await stack.resources(abortSignal)).find(each => each.logicalId === logicalId)
  const queue = expected.queues[logicalId]
  if (resource === undefined || queue === undefined)
    return [{ problem: `${logicalId}: the stack has no such queue`, remedy: deployRemedy(stack) }]
  const question = new GetQueueAttributesCommand({ QueueUrl: resource.id, AttributeNames: ['All'] })
  const answer = await ask('sqs:GetQueueAttributes', () => stack.clients.sqs.send(question, { abortSignal }))
  const target = queue.redrive && (await stack.arnOf(queue.redrive.target, abortSignal))
  const facts: QueueFacts = {
    ...queue,
    logicalId,
    deadLettersArn: target,
    invokedSeconds: Math.max(
      0,
      ...deployedFunctions
        .map(name => expected.functions[name])
        .filter(({ sources }) => sources.some(each => each.queue === logicalId))
        .map(({ timeoutSeconds }) => timeoutSeconds),
    ),
  }
  const gone = { problem: 'the queue was deleted', remedy: revertRemedy }
  const findings = judged(answer, ({ Attributes = {} }) => judgeQueue(Attributes, facts), gone)
  return named(resource.id.slice(resource.id.lastIndexOf('/') + 1), findings)
}

function mappingFindings(
  stack: Stack,
  { functions }: Expected,
  abortSignal: AbortSignal,
): Promise<Finding[][]> {
  const sources = deployedFunctions.flatMap(name =>
    functions[name].sources.map(source => ({ name, ...source })),
  )
  return Promise.all(
    sources.map(async ({ name, queue, reportsFailures }) => {
      const arn = await stack.arnOf(queue, abortSignal)
      const question = new ListEventSourceMappingsCommand({ EventSourceArn: arn })
      const answer = await ask('lambda:ListEventSourceMappings', () =>
        stack.clients.lambda.send(question, { abortSignal }),
      )
      const judge = ({
        EventSourceMappings = [],
      }: {
        EventSourceMappings?: EventSourceMappingConfiguration[] | undefined
      }) =>
        judgeMapping(
          EventSourceMappings.find(
            ({ FunctionArn }) => FunctionArn?.split(':')[6] === stack.functionName(name),
          ),
          { reportsFailures, region: stack.file.region },
        )
      const whenMissing = {
        problem: 'the function does not exist',
        remedy: deployRemedy(stack),
      }
      return named(`${queue} to ${name}`, judged(answer, judge, whenMissing))
    }),
  )
}
