import type { ScheduledEvent, SQSEvent, SQSRecord } from 'aws-lambda'
import type { Redelivery } from '../../../lib/aws/queue-ports.ts'
import type { ChangeMessage } from '../../../lib/messages.ts'
import { changeGroupId } from '../../../lib/messages.ts'
import type { Log } from '../../../lib/telemetry/log.ts'
import { checkFields } from '../../support/recorded-log.ts'

export function change(name: string, more: Partial<ChangeMessage> = {}): ChangeMessage {
  return {
    v: 1,
    namespace: 'ns',
    name,
    uid: `uid-${name}`,
    resourceVersion: '1',
    cause: 'changed',
    attempt: 0,
    at: '2026-01-01T00:00:00.000Z',
    ...more,
  }
}

/** A record as the event source mapping hands it over; `groupId` undefined: from a standard queue. */
export function record(messageId: string, body: unknown, groupId?: string): SQSRecord {
  return {
    messageId,
    receiptHandle: `handle-${messageId}`,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: '1767225600000',
      SenderId: '000000000000',
      ApproximateFirstReceiveTimestamp: '1767225600001',
      ...(groupId === undefined ? {} : { MessageGroupId: groupId }),
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:eu-central-1:000000000000:changes.fifo',
    awsRegion: 'eu-central-1',
  }
}

export function changeRecord(messageId: string, message: ChangeMessage): SQSRecord {
  return record(messageId, message, changeGroupId(message))
}

export function sqsEvent(...records: SQSRecord[]): SQSEvent {
  return { Records: records }
}

export function scheduledEvent(time: string): ScheduledEvent {
  return {
    version: '0',
    id: 'b0d2f2b8-0000-4000-8000-000000000000',
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: '000000000000',
    time,
    region: 'eu-central-1',
    resources: [],
    detail: {},
  }
}

interface KeptLog extends Log {
  lines: Array<{ level: string; message: string; fields: unknown }>
}

/** Keeps the lines, so that a test can read them. */
export function keptLog(): KeptLog {
  const lines: KeptLog['lines'] = []
  const keep = (level: string) => (message: string, fields?: Record<string, unknown>) => {
    checkFields(message, fields ?? {})
    lines.push({ level, message, fields })
  }
  const log: KeptLog = {
    lines,
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => log,
  }
  return log
}

export interface KeptRedelivery extends Redelivery {
  /** Receipt handle and seconds of every message that was delayed. */
  delayed: [string, number][]
}

export function keptRedelivery(): KeptRedelivery {
  const delayed: KeptRedelivery['delayed'] = []
  return {
    delayed,
    delay: async messages => {
      for (const { receiptHandle, seconds } of messages) delayed.push([receiptHandle, seconds])
      return 0
    },
  }
}
