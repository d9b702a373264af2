import { type ChallengeInstance, generationOfNoTemplate } from '../../crd/challenge-instance.ts'
import { apiVersion } from '../../crd/group.ts'
import type { ObjectReference, Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import type { EventRecorder, KubernetesEvent } from '../../kubernetes/event-recorder.ts'
import { expired } from '../../observed/expired.ts'
import { type Happened, type InstanceEvent, instanceEvents } from './instance-events.ts'

interface Recording {
  recorder: EventRecorder
  /** Epoch milliseconds. */
  now: () => number
}

/** Writes the Kubernetes Events of a pass, after what they tell has been done. It never throws. */
export async function recordEvents(
  { recorder, now }: Recording,
  { instance, ...change }: Omit<Happened, 'expired'> & { instance: Stored<ChallengeInstance> },
  signal: AbortSignal,
): Promise<void> {
  const happened = { ...change, expired: expired(instance) }
  const events = instanceEvents(happened).flatMap(event => {
    const regarding = regardingOf(event, instance, happened)
    return regarding ? [{ ...event, regarding, related: podOf(event, happened) }] : []
  })
  const at = now()
  await Promise.all(events.map(event => recorder.record(event, at, signal)))
}

/** @returns undefined if there is no such template */
function regardingOf(
  { on }: InstanceEvent,
  instance: Stored<ChallengeInstance>,
  { after }: Happened,
): KubernetesEvent['regarding'] | undefined {
  const { namespace, uid } = instance.metadata
  if (on === 'instance') return { ...referenceTo(instance), uid }
  const templateUid = after.template?.uid
  if (!templateUid || after.template?.generation === generationOfNoTemplate) return undefined
  return {
    apiVersion,
    kind: 'ChallengeTemplate',
    namespace,
    name: instance.spec.templateRef,
    uid: templateUid,
  }
}

function podOf({ pod }: InstanceEvent, { after }: Happened): ObjectReference | undefined {
  if (pod === undefined || after.namespace === undefined) return undefined
  return { apiVersion: 'v1', kind: 'Pod', namespace: after.namespace, name: pod }
}
