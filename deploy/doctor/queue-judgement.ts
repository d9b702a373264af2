import type { EventSourceMappingConfiguration } from '@aws-sdk/client-lambda'
import type { Finding } from '../../lib/doctor/check.ts'
import type { ExpectedQueue } from './expected.ts'
import { revertRemedy } from './remedies.ts'

/** What a queue has to be. */
export interface QueueFacts extends ExpectedQueue {
  logicalId: string
  /** The ARN of its dead letters, if it has any. */
  deadLettersArn: string | undefined
  /** The timeout of the function that it invokes; 0: it invokes none. */
  invokedSeconds: number
}

type Attributes = Readonly<Record<string, string>>

/** Judges the attributes of a queue. */
export function judgeQueue(attributes: Attributes, facts: QueueFacts): Finding[] {
  const problems = [
    ...kindProblems(attributes, facts),
    ...redriveProblems(attributes, facts),
    ...(isEncrypted(attributes) ? [] : ['its messages are not encrypted']),
    ...(refusesPlainHttp(attributes.Policy) ? [] : ['its policy does not refuse plain HTTP']),
  ]
  const waiting = waitingIn(attributes)
  const letters =
    waiting > 0 && facts.logicalId.endsWith('DeadLetters') ? [lettersFinding(waiting, facts)] : []
  const findings = [...problems.map(problem => ({ problem, remedy: revertRemedy })), ...letters]
  return findings.length > 0 ? findings : [{ fine: `about ${waiting} messages` }]
}

function kindProblems(attributes: Attributes, facts: QueueFacts): string[] {
  const problems: string[] = []
  const { visibilitySeconds, retentionSeconds, invokedSeconds, isFifo } = facts
  const visibility = Number(attributes.VisibilityTimeout)
  if ((attributes.FifoQueue === 'true') !== isFifo)
    problems.push(isFifo ? 'it is no FIFO queue' : 'it is a FIFO queue')
  if (
    isFifo &&
    attributes.FifoThroughputLimit !== undefined &&
    attributes.FifoThroughputLimit !== 'perMessageGroupId'
  )
    problems.push('it has no high throughput (FifoThroughputLimit)')
  if (visibilitySeconds !== undefined && visibility !== visibilitySeconds)
    problems.push(`its visibility timeout is ${visibility} s, and not ${visibilitySeconds}`)
  else if (visibility < 6 * invokedSeconds)
    problems.push(`its visibility timeout is ${visibility} s, less than six times its function's timeout`)
  if (retentionSeconds !== undefined && Number(attributes.MessageRetentionPeriod) !== retentionSeconds)
    problems.push(
      `it keeps messages for ${attributes.MessageRetentionPeriod} s, and not for ${retentionSeconds}`,
    )
  return problems
}

function redriveProblems({ RedrivePolicy }: Attributes, { redrive, deadLettersArn }: QueueFacts): string[] {
  if (redrive === undefined) return []
  const found = objectIn(RedrivePolicy)
  if (found === undefined) return ['it has no dead letters (RedrivePolicy)']
  const { deadLetterTargetArn, maxReceiveCount } = found
  const problems: string[] = []
  if (deadLettersArn !== undefined && deadLetterTargetArn !== deadLettersArn)
    problems.push(`its dead letters go to ${deadLetterTargetArn}`)
  if (Number(maxReceiveCount) !== redrive.receives)
    problems.push(
      `it gives a message up after ${maxReceiveCount} receives, and not after ${redrive.receives}`,
    )
  return problems
}

function isEncrypted({ SqsManagedSseEnabled, KmsMasterKeyId }: Attributes): boolean {
  return SqsManagedSseEnabled !== 'false' || Boolean(KmsMasterKeyId)
}

interface Statement {
  Effect?: string
  Action?: string | string[]
  Condition?: { Bool?: Record<string, unknown> }
}

/** Whether the policy of a queue denies every action without TLS. */
export function refusesPlainHttp(policy: string | undefined): boolean {
  const statements = [objectIn(policy)?.Statement ?? []].flat() as Statement[]
  return statements.some(
    ({ Effect, Action = [], Condition }) =>
      Effect === 'Deny' &&
      [Action].flat().some(each => /^(\*|sqs:\*)$/i.test(each)) &&
      String(Condition?.Bool?.['aws:SecureTransport']) === 'false',
  )
}

function waitingIn({
  ApproximateNumberOfMessages = '0',
  ApproximateNumberOfMessagesNotVisible = '0',
}: Attributes) {
  return (Number(ApproximateNumberOfMessages) || 0) + (Number(ApproximateNumberOfMessagesNotVisible) || 0)
}

function lettersFinding(count: number, { logicalId }: QueueFacts): Finding {
  if (logicalId === 'WindowsDeadLetters')
    return { note: `${count} windows of the forwarder did not begin, which the next ones make up for` }
  return {
    problem: `it holds about ${count} messages that could not be handled`,
    remedy:
      logicalId === 'ChangesDeadLetters'
        ? 'npx challenge-operator dead-letters list; docs/operations.md, "Dead letters"'
        : 'read them: docs/operations.md, "Alarms"; then purge the queue',
  }
}

/** Judges the mapping by which Lambda polls a queue. */
export function judgeMapping(
  mapping: EventSourceMappingConfiguration | undefined,
  { reportsFailures, region }: { reportsFailures: boolean; region: string },
): Finding[] {
  if (mapping === undefined)
    return [{ problem: 'nothing polls the queue: there is no event source mapping', remedy: revertRemedy }]
  const { State = '', UUID, LastProcessingResult = '', FunctionResponseTypes = [] } = mapping
  if (/^Disabl/.test(State))
    return [
      {
        problem: 'nothing polls the queue: the event source mapping is disabled',
        remedy: `aws lambda update-event-source-mapping --region ${region} --uuid ${UUID} --enabled`,
      },
    ]
  if (reportsFailures && !FunctionResponseTypes.includes('ReportBatchItemFailures'))
    return [
      {
        problem: 'a message that fails repeats its whole batch (ReportBatchItemFailures)',
        remedy: revertRemedy,
      },
    ]
  if (/^PROBLEM/.test(LastProcessingResult))
    return [{ problem: LastProcessingResult, remedy: 'look at the lines of the function and its rights' }]
  if (State !== 'Enabled') return [{ note: `it is ${State}; look again in a minute` }]
  return [{ fine: 'polled' }]
}

/** @returns undefined for what is no object */
export function objectIn(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
