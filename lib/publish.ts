import type { EventBus } from './aws/eventbridge.ts'
import type { Delivery, OutboxEvent, RefusedEvent } from './events.ts'
import type { Outbox } from './store/store.ts'
import type { Log } from './telemetry/log.ts'
import type { Tracer } from './telemetry/span.ts'
import { parseTraceparent } from './telemetry/traceparent.ts'

export interface PublishDependencies {
  outbox: Outbox
  bus: EventBus
  log: Log
  tracer?: Tracer | undefined
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
export type Publish = (options: PublishOptions, signal: AbortSignal) => Promise<Published>

export interface PublishOptions {
  limit?: number
  /** The time that the bus has for the events of one transaction, in milliseconds. */
  busMs?: number
}

/** Events claimed in one transaction: ten requests of ten. Its locks last as long as these requests. */
const pageSize = 100

/**
 * Milliseconds. A bus that is slow must leave time to mark what it has accepted: otherwise every run publishes the same
 * events again. It is less than the invocation of the publish function and than the idle time that the database allows.
 */
const usualBusMs = 20_000

/**
 * Moves events from the outbox to the event bus, the oldest first. An event that the bus refuses waits for a later run and
 * holds up no other. Every event is published at least once. Consumers deduplicate on the event id.
 */
export function createPublish({ outbox, bus, log, tracer }: PublishDependencies): Publish {
  return async ({ limit = Number.POSITIVE_INFINITY, busMs = usualBusMs }, signal) => {
    const refused = new Map<string, RefusedEvent>()
    let published = 0
    const tried = () => published + refused.size

    /** @returns how many events of the page this run had not tried before */
    const movePage = async (size: number): Promise<number> => {
      let untried: OutboxEvent[] = []
      const put = async (events: OutboxEvent[]): Promise<Delivery> => {
        untried = events.filter(event => !refused.has(event.id))
        const soon = AbortSignal.any([signal, AbortSignal.timeout(busMs)])
        const startedAt = Date.now()
        const delivery = untried.length === 0 ? nothing : await bus.put(untried, soon)
        if (tracer) trace(tracer, delivery, startedAt)
        for (const each of delivery.refused) refused.set(each.event.id, each)
        return delivery
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
    } finally {
      logRefusals(log, [...refused.values()])
    }
    return { claimed: tried(), published }
  }
}

/** One span for each event, below the pass that wrote it: events of many passes share a request. */
function trace(tracer: Tracer, { accepted, refused }: Delivery, startedAt: number): void {
  const endedAt = Date.now()
  const record = ({ payload, type, eventId }: OutboxEvent, failure?: string) => {
    const parent = typeof payload.trace === 'string' ? parseTraceparent(payload.trace) : undefined
    if (parent === undefined) return
    const attributes = { 'challenge_operator.event': type, 'challenge_operator.event_id': eventId }
    tracer.record({
      name: 'publish event',
      kind: 'producer',
      parent,
      startedAt,
      endedAt,
      attributes,
      failure,
    })
  }
  for (const event of accepted) record(event)
  for (const { event, why } of refused) record(event, why)
}

const nothing: Delivery = { accepted: [], refused: [] }

/** Events that a line about refusals names. Under load a bus refuses every event. */
const namedEvents = 5

/** An event that is refused for itself has a line of its own. It comes back ever more rarely, and so does its line. */
function logRefusals(log: Log, refused: readonly RefusedEvent[]): void {
  for (const { event, why } of refused.filter(each => each.lasting))
    log.warn('event refused by the event bus', { ...nameOf(event), why })
  const passing = refused.filter(each => !each.lasting)
  if (passing.length === 0) return
  log.warn('the event bus refused events; they are tried again', {
    refused: passing.length,
    why: [...new Set(passing.map(each => each.why))],
    first: passing.slice(0, namedEvents).map(({ event }) => nameOf(event)),
  })
}

function nameOf({ eventId, type, payload }: OutboxEvent) {
  const { namespace, name } = (payload.key ?? {}) as { namespace?: string; name?: string }
  return { namespace, name, uid: payload.uid, type, eventId }
}
