import { limited } from '../concurrency.ts'
import type { OperatorError } from '../errors.ts'
import { changeGroupId } from '../messages.ts'
import type { ChangesQueue, OutgoingChange } from './sending.ts'
import { type BatchEntry, batches } from './sqs-batches.ts'
import type { LazySqsClient } from './sqs-client.ts'

/** Requests side by side. Throughput is theirs times ten over the latency: 4 × 10 / 15 ms ≈ 2,600 messages a second. */
const requestsAtOnce = 4

export function openChanges(client: LazySqsClient, queueUrl: string): ChangesQueue {
  /** Never throws: the entries that SQS did not accept, and why if it refused the request as a whole. */
  const sendBatch = async (entries: BatchEntry<OutgoingChange>[], signal: AbortSignal) => {
    const request = {
      QueueUrl: queueUrl,
      Entries: entries.map(({ item, groupId, body }, index) => ({
        Id: String(index),
        MessageBody: body,
        MessageGroupId: groupId,
        MessageDeduplicationId: item.deduplicationId,
      })),
    }
    try {
      const answer = await client.call(queueUrl, signal, (sqs, sdk, options) =>
        sqs.send(new sdk.SendMessageBatchCommand(request), options),
      )
      const accepted = new Set(answer.Successful?.map(entry => entry.Id))
      return { rejected: entries.filter((_, index) => !accepted.has(String(index))), error: undefined }
    } catch (thrown) {
      return { rejected: entries, error: thrown as OperatorError }
    }
  }

  return {
    async send(changes, signal) {
      const planned = batches(changes.map(toEntry))
      const rejected = new Set<OutgoingChange>()
      const rejectedGroups = new Set<string>()
      const reject = (entry: BatchEntry<OutgoingChange>) => {
        rejected.add(entry.item)
        rejectedGroups.add(entry.groupId)
      }
      let firstError: OperatorError | undefined
      const done: Promise<void>[] = []
      const slot = limited(requestsAtOnce)
      for (const batch of planned) {
        const before = batch.after.map(index => done[index])
        const run = async () => {
          await Promise.all(before)
          for (const late of batch.entries.filter(entry => rejectedGroups.has(entry.groupId))) reject(late)
          const entries = batch.entries.filter(entry => !rejected.has(entry.item))
          if (entries.length === 0) return
          const result = await slot(() => sendBatch(entries, signal))
          firstError ??= result.error
          result.rejected.forEach(reject)
        }
        done.push(run())
      }
      await Promise.all(done)
      if (firstError !== undefined && rejected.size === changes.length) throw firstError
      return changes.filter(change => rejected.has(change))
    },
  }
}

function toEntry(item: OutgoingChange): BatchEntry<OutgoingChange> {
  return { item, groupId: changeGroupId(item.change), body: JSON.stringify(item.change) }
}
