import type { EventBus } from './aws/eventbridge.ts'
import type { OutboxEvent } from './events.ts'
import type { Outbox } from './store/store.ts'
import type { Log } from './telemetry/log.ts'

export interface PublishDependencies {
  outbox: Outbox
  bus: EventBus
  log: Log
}

export interface Published {
  /** Events that this run tried to publish, each counted once. */
  claimed: number
  published: number
}

/**
 * Publishes up to `limit` events, or all. When the signal aborts, returns what was done until then.
 * @throws OperatorError if the database or the whole event bus is away. Events that were published stay published.
 */
export type Publish = (options: { limit?: number }, signal: AbortSignal) => Promise<Published>

/** Events claimed in one transaction: ten requests of ten. Its locks last as long as these requests. */
const pageSize = 100

/**
 * Moves events from the outbox to the event bus, the oldest first. An event that the bus refuses waits for the next run and
 * holds up no other. Every event is published at least once. Consumers deduplicate on the event id.
 */
export function createPublish({ outbox, bus, log }: PublishDependencies): Publish {
  return async ({ limit = Number.POSITIVE_INFINITY }, signal) => {
    const refused = new Set<string>()
    let published = 0
    const tried = () => published + refused.size

    /** @returns how many events of the page this run had not tried before */
    const movePage = async (size: number): Promise<number> => {
      let untried: OutboxEvent[] = []
      const put = async (events: OutboxEvent[]) => {
        untried = events.filter(event => !refused.has(event.id))
        const accepted = untried.length === 0 ? [] : await bus.put(untried, signal)
        const ids = new Set(accepted.map(event => event.id))
        for (const event of untried) if (!ids.has(event.id)) refused.add(event.id)
        return accepted
      }
      published += (await outbox.drain(size, put, signal)).published
      return untried.length
    }

    try {
      // The outbox returns refused events last, so a page without an untried event is the end.
      while (!signal.aborted && tried() < limit)
        if ((await movePage(Math.min(pageSize, limit - tried()))) === 0) break
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
    if (refused.size > 0)
      log.warn('the event bus refused events; they are tried again', { refused: refused.size })
    return { claimed: tried(), published }
  }
}
