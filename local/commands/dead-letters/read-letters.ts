import type { SQSRecord } from 'aws-lambda'
import { openReceiver } from '../../../lib/aws/receiver.ts'
import { openRedelivery } from '../../../lib/aws/redelivery.ts'
import { openSqsClient, type SqsClientOptions } from '../../../lib/aws/sqs-client.ts'
import { type Letter, letterOf } from './letter.ts'

/** The letters of a queue while this command holds them. Nobody else reads them meanwhile. */
export interface HeldLetters {
  letters: readonly Letter[]
  /** Deletes letters from the queue. @throws OperatorError if one of them stays */
  remove(letters: readonly Letter[], signal: AbortSignal): Promise<void>
  /** Gives every letter back that was not removed. */
  release(): Promise<void>
}

/** A command that is killed leaves its letters hidden for so long. Some ten thousand are read and retried in this time. */
const heldSeconds = 300

/** The queue has ended when a poll of so many seconds brings nothing. */
const waitSeconds = 2

/** Giving letters back must also succeed after Ctrl-C. */
const releaseMs = 10_000

/** SQS takes ten entries in one request. */
const atOnce = 10

/**
 * Reads all letters and holds them. The queue shows no further messages about an instance while earlier ones are held, so
 * more than ten letters about one instance are seen ten at a time.
 */
export async function holdLetters(
  { queueUrl, clientOptions }: { queueUrl: string; clientOptions: SqsClientOptions },
  signal: AbortSignal,
): Promise<HeldLetters> {
  const receiver = openReceiver({ queueUrl, clientOptions, waitSeconds, visibilityTimeout: heldSeconds })
  const client = openSqsClient(clientOptions)
  const redelivery = openRedelivery(client, queueUrl)
  const held = new Map<string, SQSRecord>()

  const release = async () => {
    try {
      for (const records of tens([...held.values()])) {
        const messages = records.map(({ receiptHandle }) => ({ receiptHandle, seconds: 0 }))
        await redelivery.delay(messages, AbortSignal.timeout(releaseMs))
      }
    } finally {
      receiver.close()
      client.close()
    }
  }

  try {
    for (let records = await receiver.receive(signal); records.length > 0; ) {
      for (const record of records) held.set(record.messageId, record)
      records = await receiver.receive(signal)
    }
  } catch (thrown) {
    // What could not be given back is visible again after the time for which it is held.
    await release().catch(() => {})
    throw thrown
  }
  return {
    letters: [...held.values()].map(letterOf),
    async remove(letters, removing) {
      for (const some of tens(letters)) {
        const records = some.map(({ record }) => record)
        await receiver.acknowledge(records, new Set(), removing)
        for (const { messageId } of records) held.delete(messageId)
      }
    },
    release,
  }
}

function tens<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / atOnce) }, (_, index) =>
    items.slice(index * atOnce, (index + 1) * atOnce),
  )
}
