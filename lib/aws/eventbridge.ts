import type {
  EventBridgeClient,
  EventBridgeClientConfig,
  PutEventsRequestEntry,
} from '@aws-sdk/client-eventbridge'
import type { OutboxEvent } from '../events.ts'
import { eventBatches } from './event-batches.ts'
import { eventBridgeError, isRefusedContent } from './eventbridge-error.ts'

/** Where events go. Locally the same SDK client talks to a small server. */
export interface EventBus {
  /**
   * Puts in batches of ten. Refusals of single events are no error.
   * @returns the events the bus accepted
   * @throws OperatorError where the bus accepted nothing because a whole request failed
   */
  put(events: OutboxEvent[], signal: AbortSignal): Promise<OutboxEvent[]>
}

export interface EventBusOptions {
  /** Name or ARN. */
  busName: string
  clientOptions?: Pick<EventBridgeClientConfig, 'region' | 'endpoint' | 'credentials' | 'maxAttempts'>
}

/** `source` of every event. */
const source = 'challenge-operator'

/** The SDK has no time limit of its own; a put takes milliseconds. */
const requestHandler = { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true }

/** Opens nothing yet: the first put loads the SDK and connects. */
export function openEventBus({ busName, clientOptions = {} }: EventBusOptions): EventBus {
  let opened: Promise<Put> | undefined
  return {
    async put(events, signal) {
      const accepted: OutboxEvent[] = []
      const queue = eventBatches(events.map(event => ({ event, entry: entryOf(event, busName) })))
      for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
        try {
          opened ??= openPut({ ...clientOptions, requestHandler })
          const put = await opened
          const took = await put(
            batch.map(({ entry }) => entry),
            signal,
          )
          accepted.push(...batch.flatMap(({ event }, index) => (took[index] ? [event] : [])))
        } catch (thrown) {
          // One event can spoil a whole request: the others of it are to be told from that one.
          if (isRefusedContent(thrown)) queue.unshift(...(batch.length > 1 ? batch.map(each => [each]) : []))
          // What was accepted must be known as such; the rest fails again, then alone.
          else if (accepted.length > 0) return accepted
          else throw eventBridgeError(thrown, busName, signal)
        }
      }
      return accepted
    },
  }
}

/** @returns for each entry whether the bus took it */
type Put = (entries: PutEventsRequestEntry[], signal: AbortSignal) => Promise<boolean[]>

async function openPut(config: EventBridgeClientConfig): Promise<Put> {
  const sdk = await import('@aws-sdk/client-eventbridge')
  const client: EventBridgeClient = new sdk.EventBridgeClient(config)
  return async (entries, abortSignal) => {
    const { Entries: results = [] } = await client.send(new sdk.PutEventsCommand({ Entries: entries }), {
      abortSignal,
    })
    return entries.map((_, index) => results[index]?.EventId !== undefined)
  }
}

function entryOf({ type, payload, createdAt }: OutboxEvent, busName: string) {
  return {
    EventBusName: busName,
    Source: source,
    DetailType: type,
    Detail: JSON.stringify(payload),
    Time: new Date(createdAt),
  }
}
