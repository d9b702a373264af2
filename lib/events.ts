/** The types of the events that other systems consume from the event bus. */
export const eventTypes = [
  'instance.provisioning',
  'instance.ready',
  'instance.failed',
  'instance.idle',
  'instance.woken',
  'instance.renewed',
  'instance.expiring',
  'instance.expired',
  'instance.deleted',
] as const

export type EventType = (typeof eventTypes)[number]

/** What a transition tells. */
export interface TransitionEvent {
  type: EventType
  /**
   * The row was missing, closed, or older than the instance, so the event may repeat what was told before. Its state holds;
   * nothing new is to be announced.
   */
  rebuilt: boolean
}

/** An event in the outbox. */
export interface OutboxEvent {
  /** The id of the row in the outbox. */
  id: string
  /** The same for every delivery of the event. Consumers deduplicate on it. */
  eventId: string
  type: EventType
  /** The detail as it is sent: event id, sequence per instance, key, uid, owner, template, phase, reason, url, times, notes, whether notes were left out, and whether the event is rebuilt. */
  payload: Record<string, unknown>
  /** RFC 3339. */
  createdAt: string
}

/** An event that the bus did not take. */
export interface RefusedEvent {
  event: OutboxEvent
  /** For the log: what the bus said, or what is wrong with the event. Never its content. */
  why: string
  /** The event itself is refused, so that trying again soon does not help. */
  lasting: boolean
}

/** What became of events that were sent to the bus. An event that is in neither list was not tried. */
export interface Delivery {
  accepted: readonly OutboxEvent[]
  refused: readonly RefusedEvent[]
}
