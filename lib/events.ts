/** Types of the events other systems consume from the bus. */
export const eventTypes = [
  'instance.provisioning',
  'instance.ready',
  'instance.failed',
  'instance.idle',
  'instance.woken',
  'instance.renewed',
  'instance.expired',
  'instance.deleted',
] as const

export type EventType = (typeof eventTypes)[number]

/** One event as the outbox holds it. */
export interface OutboxEvent {
  id: string
  /** Ours, stable over retries: consumers dedupe on it. */
  eventId: string
  type: EventType
  /** The detail as sent: our event id, sequence per instance, key, uid, owner, template, phase, reason, url, times. */
  payload: Record<string, unknown>
  /** RFC 3339. */
  createdAt: string
}
