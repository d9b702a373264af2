import { abortable } from '../../lib/abort.ts'
import type { ChangesQueue } from '../../lib/aws/queue-ports.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'

/** The client and queue of one process, which can go silent for good: then no call arrives and no call fails. */
export interface Severable {
  client: KubernetesClient
  changes: Pick<ChangesQueue, 'sendBatch'>
  /** Makes every call silent, as if the process had been killed. `only`: these paths go silent, and the queue does not. */
  sever(only?: RegExp): void
  /** Deduplication ids of the sent messages. */
  readonly sent: ReadonlySet<string>
}

export function severable(inner: {
  client: KubernetesClient
  changes: Pick<ChangesQueue, 'sendBatch'>
}): Severable {
  let silent: RegExp | undefined
  let queueSilent = false
  const sent = new Set<string>()
  const { client, changes } = inner
  async function* mute(path: string, body: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    for await (const chunk of body) {
      if (silent?.test(path)) await forever(signal)
      yield chunk
    }
  }
  return {
    sent,
    sever(only) {
      silent = only ?? /^/
      queueSilent = only === undefined
    },
    client: {
      ...client,
      async request(method, path, request, signal) {
        if (silent?.test(path)) await forever(signal)
        return client.request(method, path, request, signal)
      },
      async stream(path, request, signal) {
        if (silent?.test(path)) await forever(signal)
        const answer = await client.stream(path, request, signal)
        return { ...answer, body: mute(path, answer.body, signal) }
      },
    },
    changes: {
      async sendBatch(outgoing, signal) {
        if (queueSilent) await forever(signal)
        for (const { deduplicationId } of outgoing) sent.add(deduplicationId)
        return changes.sendBatch(outgoing, signal)
      },
    },
  }
}

/** Never resolves. @throws the signal's reason once the signal aborts */
function forever(signal: AbortSignal): Promise<never> {
  return abortable(new Promise<never>(() => {}), signal)
}
