import { remember } from '../bounded-cache.ts'
import { fieldManager } from '../crd/group.ts'
import type { ObjectReference } from '../crd/objects.ts'
import type { Log } from '../telemetry/log.ts'
import type { KubernetesClient } from './client/http.ts'
import { collectionPath } from './client/paths.ts'

/** Something that happened to an object, as `kubectl describe` shows it. */
export interface KubernetesEvent {
  /** The object that it is about. The event lies in its namespace. */
  regarding: ObjectReference & { namespace: string; uid: string }
  /** Another object that it is about, such as the pod. */
  related?: ObjectReference | undefined
  type: 'Normal' | 'Warning'
  /** A word in CamelCase. */
  reason: string
  /** What was done, or was to be done: a word in CamelCase. */
  action: string
  /** For a person. It is cut where it is too long. */
  note: string
  /** The place among the events of the same minute. kubectl shows events in the order of their names. */
  rank: number
}

/** Writes Kubernetes Events. */
export interface EventRecorder {
  /**
   * Writes an event. An object has one event of a reason in each minute; a repeat writes nothing.
   *
   * Guarantees: it never throws and never retries, and it takes two seconds at most. An event that could not be written is
   * a line for debugging and nothing else, since the status says the same.
   * @param at epoch milliseconds
   */
  record(event: KubernetesEvent, at: number, signal: AbortSignal): Promise<void>
}

/** Milliseconds. A pass must not wait longer for what nothing depends on. */
const limitMs = 2_000

/** Bytes: the API server refuses a longer note. */
const noteLimit = 1_024

/** Names of events that are remembered, so that passes of many instances write an event of their template once. */
const memoryLimit = 1_000

const minuteMs = 60_000

/** @param reporter the function that writes the events */
export function openEventRecorder(client: KubernetesClient, reporter: string, log: Log): EventRecorder {
  const attempted = new Map<string, true>()
  return {
    async record(event, at, signal) {
      const object = eventObject(event, { at, reporter })
      const { name, namespace } = object.metadata
      if (attempted.has(name)) return
      remember(attempted, memoryLimit, name, true)
      const fields = { namespace, name: event.regarding.name, reason: event.reason }
      try {
        const request = { body: object, query: { fieldManager } }
        const path = collectionPath(object, namespace)
        // A signal, since a call over its own limit costs the connections of all others.
        const soon = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
        const { status } = await client.request('POST', path, request, soon)
        // 409: the object has an event of this reason and minute.
        if (status >= 300 && status !== 409) log.debug('event not written', { ...fields, status })
      } catch (error) {
        log.debug('event not written', { ...fields, error })
      }
    },
  }
}

/** Returns the object of an event. Its name says which object, minute and reason it has, so that a repeat has the same. */
export function eventObject(
  { regarding, related, type, reason, action, note, rank }: KubernetesEvent,
  { at, reporter }: { at: number; reporter: string },
) {
  const minute = Math.floor(at / minuteMs)
  const name = `${regarding.uid}.${minute}.${String(rank).padStart(2, '0')}-${reason.toLowerCase()}`
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: regarding.namespace, name },
    // With microseconds, as the type of the field asks.
    eventTime: new Date(at).toISOString().replace(/Z$/, '000Z'),
    reportingController: fieldManager,
    reportingInstance: reporter,
    regarding,
    ...(related && { related }),
    type,
    reason,
    action,
    note: cut(note),
  }
}

/** Cuts a text to as many bytes as a note may have. A character at the cut is left out whole. */
function cut(note: string): string {
  if (Buffer.byteLength(note) <= noteLimit) return note
  const end = '…'
  const kept = Buffer.from(note).subarray(0, noteLimit - Buffer.byteLength(end))
  return kept.toString().replace(/\uFFFD+$/, '') + end
}
