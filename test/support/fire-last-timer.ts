import { openQueues } from '../../lib/aws/sqs.ts'
import { type TimerMessage, timerDeduplicationId } from '../../lib/messages.ts'
import { waitUntil } from '../../local/process/wait.ts'
import type { CountedQueues } from './counted-queues.ts'

/**
 * Sends the change that the instance's last timer would send when it is due. A recheck comes after half a minute at the
 * earliest, and a test does not wait for it.
 */
export async function fireLastTimer(
  { queues, sent }: CountedQueues,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  let timer: TimerMessage | undefined
  const isSet = async () => {
    const timers = sent
      .filter(each => each.queue === 'timers')
      .map(each => JSON.parse(each.body) as TimerMessage)
    timer = timers.findLast(each => each.key.name === name)
    return timer !== undefined
  }
  await waitUntil(`a timer for ${name}`, 20_000, isSet, signal)
  const now = { ...(timer as TimerMessage), due: new Date().toISOString() }
  const sending = openQueues(queues)
  try {
    const change = { v: 1, resourceVersion: '', at: now.due, ...now.key } as const
    await sending.changes.send([{ change, deduplicationId: timerDeduplicationId(now) }], signal)
  } finally {
    sending.close()
  }
}
