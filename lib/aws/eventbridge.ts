import type {
  EventBridgeClient,
  EventBridgeClientConfig,
  PutEventsRequestEntry,
} from '@aws-sdk/client-eventbridge'
import type { Delivery, OutboxEvent, RefusedEvent } from '../events.ts'
import { entryProblem, eventBatches } from './event-batches.ts'
import { eventBridgeError, isPassing, isRefusedContent } from './eventbridge-error.ts'

/** The event bus. Locally the same SDK client talks to a small server. */
export interface EventBus {
  /**
   * Sends events in requests of at most ten. A refusal of single events is no error.
   * @throws OperatorError if the bus took and refused none because a whole request failed
   */
  put(events: OutboxEvent[], signal: AbortSignal): Promise<Delivery>
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
      const refused: RefusedEvent[] = []
      const queue = eventBatches(events.map(event => ({ event, entry: entryOf(event, busName) })))
      for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
        try {
          opened ??= openPut({ ...clientOptions, requestHandler })
          const put = await opened
          const codes = await put(
            batch.map(({ entry }) => entry),
            signal,
          )
          for (const [index, { event, entry }] of batch.entries()) {
            const code = codes[index]
            if (code === undefined) accepted.push(event)
            else refused.push({ event, why: entryProblem(entry) ?? code, lasting: !isPassing(code) })
          }
        } catch (thrown) {
          const [first] = batch
          // EventBridge rejects the whole request if one entry is malformed, so retry its entries one by one.
          if (isRefusedContent(thrown) && batch.length > 1) queue.unshift(...batch.map(each => [each]))
          else if (isRefusedContent(thrown) && first) refused.push(refusedContent(first, thrown))
          // The caller must learn which events were accepted. The others fail again in its next call.
          else if (accepted.length + refused.length > 0) return { accepted, refused }
          else throw eventBridgeError(thrown, busName, signal)
        }
      }
      return { accepted, refused }
    },
  }
}

interface Sending {
  event: OutboxEvent
  entry: ReturnType<typeof entryOf>
}

function refusedContent({ event, entry }: Sending, thrown: unknown): RefusedEvent {
  const { name } = (thrown ?? {}) as { name?: string }
  return { event, why: entryProblem(entry) ?? name ?? 'error', lasting: true }
}

/** @returns for each entry the code with which the bus refused it, or undefined if it took it */
type Put = (entries: PutEventsRequestEntry[], signal: AbortSignal) => Promise<(string | undefined)[]>

async function openPut(config: EventBridgeClientConfig): Promise<Put> {
  const sdk = await import('@aws-sdk/client-eventbridge')
  const client: EventBridgeClient = new sdk.EventBridgeClient(config)
  return async (entries, abortSignal) => {
    const { Entries: results = [] } = await client.send(new sdk.PutEventsCommand({ Entries: entries }), {
      abortSignal,
    })
    return entries.map((_, index) => {
      const { EventId, ErrorCode = 'no answer' } = results[index] ?? {}
      return EventId === undefined ? ErrorCode : undefined
    })
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
