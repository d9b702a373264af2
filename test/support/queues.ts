import { type LocalQueues, startQueues } from '../../local/parts/queues.ts'

/** Starts an SQS server of the test file's own, in memory and inside the test's process. */
export async function startTestQueues(
  signal: AbortSignal = new AbortController().signal,
): Promise<LocalQueues> {
  return startQueues({}, signal)
}
