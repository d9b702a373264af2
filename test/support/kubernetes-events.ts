import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { waitUntil } from '../../local/process/wait.ts'
import type { TestOperator } from './operator.ts'

/** A Kubernetes Event as the API server returns it. */
export interface StoredEvent {
  type: string
  reason: string
  note: string
  regarding: { kind: string; name: string; uid: string }
  related?: { kind: string; name: string }
}

/** The events on an object, in the order in which kubectl shows them. */
export async function eventsOn(
  { client, namespace, signal }: TestOperator,
  name: string,
  kind = 'ChallengeInstance',
): Promise<StoredEvent[]> {
  const path = collectionPath({ apiVersion: 'events.k8s.io/v1', kind: 'Event' }, namespace)
  const { body } = await client.request('GET', path, {}, signal)
  const { items } = body as { items: StoredEvent[] }
  return items.filter(({ regarding }) => regarding.name === name && regarding.kind === kind)
}

/** Waits for an event with this reason: it is written after the status, and so after the phase. @returns all events */
export async function untilEvent(
  operator: TestOperator,
  reason: string,
  name: string,
  kind = 'ChallengeInstance',
): Promise<StoredEvent[]> {
  let events: StoredEvent[] = []
  const look = async () => {
    events = await eventsOn(operator, name, kind)
    return events.some(each => each.reason === reason)
  }
  await waitUntil(`the event ${reason} on ${name}`, 20_000, look, operator.signal)
  return events
}

export const reasonsOf = (events: readonly StoredEvent[]) =>
  events.map(({ type, reason }) => `${type} ${reason}`)
