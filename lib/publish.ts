import type { EventBus } from './aws/eventbridge.ts'
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

/** @throws OperatorError where the database or the whole bus is away; what was published until then stays published */
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
    const total = () => ({ claimed: published + refused.size, published })
    while (!signal.aborted && total().claimed < limit) {
      const room = Math.min(pageSize, limit - total().claimed)
      let fresh = 0
      const drained = await outbox.drain(
        // What was refused comes last, so a page that is all of it says that nothing else is left.
        room,
        async events => {
          const untried = events.filter(event => !refused.has(event.id))
          fresh = untried.length
          if (fresh === 0) return []
          const accepted = await bus.put(untried, signal)
          const ids = new Set(accepted.map(event => event.id))
          for (const event of untried) if (!ids.has(event.id)) refused.add(event.id)
          return accepted
        },
        signal,
      )
      published += drained.published
      if (fresh === 0 || drained.claimed < room) break
    }
    if (refused.size > 0)
      log.warn('the event bus refused events; they are tried again', { refused: refused.size })
    return total()
  }
}
