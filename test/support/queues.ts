import { type LocalQueues, startQueues } from '../../local/parts/queues.ts'

/** A test file's own SQS, in memory and in its own process. */
export async function startTestQueues(
  signal: AbortSignal = new AbortController().signal,
): Promise<LocalQueues> {
  return startQueues({}, signal)
}
