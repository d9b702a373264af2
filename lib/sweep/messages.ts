import type { OutgoingChange } from '../aws/queue-ports.ts'
import type { KubernetesObject, StoredOfAnyScope } from '../crd/objects.ts'
import { type ChangeMessage, changeDeduplicationId, type InstanceKey, type MessageKind } from '../messages.ts'
import type { Mismatch } from './mismatch.ts'
import type { WrongPolicy } from './policies.ts'

/** Stands for the uid of a policy that is absent. */
const unknownUid = '-'

export function mismatchMessage(
  { key, cause, resourceVersion, waits, workloadNamespace }: Mismatch,
  at: number,
): OutgoingChange {
  return outgoing(
    {
      ...key,
      cause,
      resourceVersion: resourceVersion ?? '',
      ...(waits === undefined ? {} : { waits }),
      ...(workloadNamespace === undefined ? {} : { workloadNamespace }),
    },
    at,
  )
}

/** Asks for the removal of an object that no instance uses. */
export function unusedMessage(
  kind: MessageKind,
  { metadata }: Pick<StoredOfAnyScope<KubernetesObject>, 'metadata'>,
  at: number,
): OutgoingChange {
  const { name, namespace = name, uid, resourceVersion } = metadata
  return outgoing({ kind, namespace, name, uid, cause: 'orphan', resourceVersion }, at)
}

/** Asks for the repair of a namespace that the operator made. */
export function outdatedNamespaceMessage(
  { metadata: { name, uid, resourceVersion } }: StoredOfAnyScope<KubernetesObject>,
  at: number,
): OutgoingChange {
  return outgoing({ kind: 'Namespace', namespace: name, name, uid, cause: 'drift', resourceVersion }, at)
}

/** Asks for the repair of a policy that instances share. */
export function wrongPolicyMessage({ policy, neededBy, found }: WrongPolicy, at: number): OutgoingChange {
  const { uid = unknownUid, resourceVersion = '' } = found?.metadata ?? {}
  return outgoing({ kind: 'Policy', ...policy, uid, cause: 'drift', resourceVersion, neededBy }, at)
}

/** Adds the W3C traceparent of the sweep, so that the passes behind its messages go on with its trace. */
export function withTrace(outgoing: readonly OutgoingChange[], trace: string | undefined): OutgoingChange[] {
  return outgoing.map(({ change, deduplicationId }) => ({
    change: trace === undefined ? change : { ...change, trace },
    deduplicationId,
  }))
}

type Content = InstanceKey & Omit<ChangeMessage, keyof InstanceKey | 'v' | 'attempt' | 'at'>

/**
 * The deduplication id holds the time of the sweep, so a mismatch that outlives its repair is enqueued again.
 * @param at epoch milliseconds
 */
function outgoing({ namespace, name, uid, ...content }: Content, at: number): OutgoingChange {
  const { cause, kind } = content
  const version = [...(kind ? [kind, namespace, name] : []), `sweep:${at}`].join(' ')
  return {
    change: { v: 1, namespace, name, uid, ...content, attempt: 0, at: new Date(at).toISOString() },
    deduplicationId: changeDeduplicationId(uid, cause, version),
  }
}
