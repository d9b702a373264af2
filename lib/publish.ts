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
  /** Events this run took in hand, each counted once. */
  claimed: number
  published: number
}

/**
 * @throws OperatorError where the database or the whole bus is away; what was published until then stays so. Cut by the
 * signal it tells what it got done.
 */
export type Publish = (options: { limit?: number }, signal: AbortSignal) => Promise<Published>

/** Claimed in one transaction, whose locks last as long as the bus takes: ten requests of ten. */
const pageSize = 100

/**
 * Moves the outbox to the event bus, oldest first: `limit` events, without one until nothing is left. An event that the
 * bus refuses waits for the next run and holds up no other. At least once: consumers dedupe on the event id.
 */
export function createPublish({ outbox, bus, log }: PublishDependencies): Publish {
  return async ({ limit = Number.POSITIVE_INFINITY }, signal) => {
    const refused = new Set<string>()
    let published = 0
    const taken = () => published + refused.size

    /** @returns events of the page that this run had not tried yet */
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
      // The outbox gives refused events last, so a page without an untried one says that nothing else is left.
      while (!signal.aborted && taken() < limit)
        if ((await movePage(Math.min(pageSize, limit - taken()))) === 0) break
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
    if (refused.size > 0)
      log.warn('the event bus refused events; they are tried again', { refused: refused.size })
    return { claimed: taken(), published }
  }
}
