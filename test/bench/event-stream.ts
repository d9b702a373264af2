import { setTimeout as sleep } from 'node:timers/promises'
import { openReceiver } from '../../lib/aws/receiver.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { collectionPath, objectPath } from '../../lib/kubernetes/client/paths.ts'
import type { BenchCluster } from './bench-cluster.ts'
import { instance, operated } from './sample.ts'

/** One creation, and the first message about it. Epoch milliseconds. */
export interface StreamedEvent {
  name: string
  /** Before the call that creates the instance, and after its answer. */
  calledAt: number
  createdAt: number
  /** When the queue got the first message about it; undefined: none came. */
  sentAt: number | undefined
  messages: number
}

export interface EventStream {
  readonly events: readonly StreamedEvent[]
  /** Ends the creations, and waits for the messages that are missing, for so long. */
  stop(waitMs: number): Promise<void>
}

const kind = 'ChallengeInstance'

/**
 * Creates instances at a steady rate and reads the queue. No operator takes the messages: an instance is deleted once its
 * message is there, so that the forwarder sees an effect and its limit of starts stays open.
 */
export function startEventStream(
  cluster: BenchCluster,
  perSecond: number,
  firstTeam: number,
  prefix = 'event',
): EventStream {
  const { bare, addresses, signal } = cluster
  const events: StreamedEvent[] = []
  const byName = new Map<string, StreamedEvent>()
  const ended = new AbortController()
  const until = AbortSignal.any([signal, ended.signal])
  const receiver = openReceiver({
    queueUrl: addresses.queues.changesUrl,
    clientOptions: addresses.sqs,
    waitSeconds: 1,
  })
  let creating = true
  const path = collectionPath({ apiVersion, kind }, operated)

  async function create(number: number): Promise<void> {
    const name = `${prefix}-${number}`
    const event: StreamedEvent = {
      ...{ name, calledAt: Date.now(), createdAt: 0, sentAt: undefined, messages: 0 },
    }
    byName.set(name, event)
    const body = JSON.stringify(instance(operated, name, firstTeam + number))
    await bare.call('POST', path, body, signal)
    event.createdAt = Date.now()
    events.push(event)
  }

  async function createAll(): Promise<void> {
    const begun = performance.now()
    for (let number = 0; creating && !until.aborted; number += 1) {
      await sleep(Math.max(0, begun + (number * 1_000) / perSecond - performance.now()))
      void create(number).catch(complain)
    }
  }

  async function receiveAll(): Promise<void> {
    while (!until.aborted) {
      const records = await receiver.receive(until).catch(() => [])
      for (const { body, attributes } of records) {
        const { name } = JSON.parse(body) as { name: string }
        const event = byName.get(name)
        if (event === undefined) continue
        event.messages += 1
        if (event.sentAt !== undefined) continue
        event.sentAt = Number(attributes.SentTimestamp)
        const reference = { apiVersion, kind, namespace: operated, name }
        void bare.call('DELETE', objectPath(reference), undefined, signal).catch(complain)
      }
      await receiver.acknowledge(records, new Set(), until).catch(complain)
    }
  }

  function complain(thrown: unknown): void {
    if (!until.aborted) process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`)
  }

  const running = [createAll(), receiveAll()]
  return {
    events,
    async stop(waitMs) {
      creating = false
      const limit = performance.now() + waitMs
      while (performance.now() < limit && events.some(({ sentAt }) => sentAt === undefined)) await sleep(100)
      ended.abort()
      await Promise.all(running)
      receiver.close()
    },
  }
}
