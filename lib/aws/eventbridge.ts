import type {
  EventBridgeClient,
  EventBridgeClientConfig,
  PutEventsRequestEntry,
} from '@aws-sdk/client-eventbridge'
import type { OutboxEvent } from '../events.ts'
import { eventBatches } from './event-batches.ts'
import { eventBridgeError, isRefusedContent } from './eventbridge-error.ts'

/** The event bus. Locally the same SDK client talks to a small server. */
export interface EventBus {
  /**
   * Sends events in requests of at most ten. A refusal of single events is no error.
   * @returns the events that the bus accepted
   * @throws OperatorError if the bus accepted none because a whole request failed
   */
  put(events: OutboxEvent[], signal: AbortSignal): Promise<OutboxEvent[]>
}

export interface EventBusOptions {
  /** Name or ARN of the bus. */
  busName: string
  clientOptions?: Pick<EventBridgeClientConfig, 'region' | 'endpoint' | 'credentials' | 'maxAttempts'>
}

/** The `source` of every event. */
const source = 'challenge-operator'

/** Milliseconds. The SDK has no time limit of its own. A request takes some milliseconds. */
const requestHandler = { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true }

/** Opens no connection: the first `put` loads the SDK and connects. */
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
          // EventBridge rejects the whole request if one entry is malformed, so retry its entries one by one.
          if (isRefusedContent(thrown)) queue.unshift(...(batch.length > 1 ? batch.map(each => [each]) : []))
          // The caller must learn which events were accepted. The others fail again in its next call.
          else if (accepted.length > 0) return accepted
          else throw eventBridgeError(thrown, busName, signal)
        }
      }
      return accepted
    },
  }
}

/** @returns for each entry whether the bus accepted it */
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
