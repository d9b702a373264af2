import { randomUUID } from 'node:crypto'
import type { ScheduledEvent, SQSBatchResponse } from 'aws-lambda'
import { openReceiver } from '../../../lib/aws/receiver.ts'
import type { SqsClientOptions } from '../../../lib/aws/sqs-client.ts'
import { silentLog } from '../../../lib/telemetry/log.ts'
import { runMapping, withoutAnswer } from '../../../local/lambda/event-source-mapping.ts'
import type { ReceivedEvent } from '../../../local/parts/event-bus.ts'
import type { StackMapping, StackRule } from '../aws/stack.ts'
import type { Lambda } from './lambda.ts'

/** A sandbox ends a batch at the function's timeout. These milliseconds are for its start. */
const startMs = 60_000

export interface MappingPlace {
  lambda: Lambda
  queueUrl: string
  /** With the credentials of the function's role, which Lambda polls with. */
  clientOptions: SqsClientOptions
  timeoutSeconds: number
}

/** Runs an event source mapping by its own settings until the signal. */
export function runStackMapping(
  { function: name, batchSize, maximumConcurrency, reportsFailures }: StackMapping,
  { lambda, queueUrl, clientOptions, timeoutSeconds }: MappingPlace,
  stopping: AbortSignal,
): Promise<void> {
  const invoke = async (event: unknown) => {
    const answer = await lambda.invoke(name, event)
    return (answer ?? undefined) as SQSBatchResponse | undefined
  }
  return runMapping(
    {
      name,
      receiver: openReceiver({ queueUrl, clientOptions, batchSize }),
      handler: reportsFailures ? invoke : withoutAnswer(invoke),
      workers: maximumConcurrency,
      timeoutMs: timeoutSeconds * 1_000 + startMs,
      log: silentLog,
    },
    stopping,
  )
}

/** The event of a schedule, as EventBridge documents it ("Scheduled Event"). */
export function scheduledEventOf(
  { arn }: StackRule,
  { account, region }: { account: string; region: string },
): ScheduledEvent {
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account,
    // Its times have whole seconds.
    time: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    region,
    resources: [arn],
    detail: {},
  }
}

/** The event of a bus, as a function receives it ("Events in Amazon EventBridge"). */
export function busEventOf(
  { id, source, detailType, time, detail }: ReceivedEvent,
  { account, region }: { account: string; region: string },
) {
  const common = { version: '0', id, source, account, time, region, resources: [], detail }
  return { ...common, 'detail-type': detailType }
}

/** Whether each field of the pattern has one of its values in the event. */
export function matches({ pattern }: StackRule, event: Readonly<Record<string, unknown>>): boolean {
  return (
    pattern !== undefined &&
    Object.entries(pattern).every(([field, values]) => values.includes(String(event[field])))
  )
}

/** What Lambda sends to the destination of a failed asynchronous invocation ("invocation record"). */
export function failedInvocation(
  functionArn: string,
  event: unknown,
  { errorType, errorMessage }: { errorType: string; errorMessage: string },
): object {
  return {
    version: '1.0',
    timestamp: new Date().toISOString(),
    requestContext: {
      requestId: randomUUID(),
      functionArn: `${functionArn}:$LATEST`,
      condition: 'RetriesExhausted',
      approximateInvokeCount: 1,
    },
    requestPayload: event,
    responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
    responsePayload: { errorType, errorMessage },
  }
}
