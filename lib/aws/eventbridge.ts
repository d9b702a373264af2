import type { OutboxEvent } from '../events.ts'

/** Where events go. Locally the same SDK client talks to a small server. */
export interface EventBus {
  /** Puts in batches of ten. @returns the events the bus accepted */
  put(events: OutboxEvent[], signal: AbortSignal): Promise<OutboxEvent[]>
}
