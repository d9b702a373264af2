import type { OutgoingChange } from '../../aws/queue-ports.ts'
import type { ObjectKey } from '../../messages.ts'
import { changeDeduplicationId } from '../../messages.ts'
import { mismatchKey } from '../judge/mismatch.ts'
import type { Wake } from '../judge/verdict.ts'

export interface OutgoingChangeParts {
  key: { namespace: string; name: string }
  wake: Wake
  /** Epoch milliseconds. */
  at: number
  /** A W3C traceparent. */
  trace: string
  /** Version of the clock's state, see `ChangeMessage`. */
  clock: string
  /** The message was sent before, and seems lost. Its deduplication id must differ from the first one's. */
  repeated: boolean
}

export function outgoingChange({
  key,
  wake,
  at,
  trace,
  clock,
  repeated,
}: OutgoingChangeParts): OutgoingChange {
  const { uid, cause, mismatch, readVersions, resourceVersion, pod, held, end, workloadNamespace } = wake
  const version = [mismatchKey(mismatch), ...readVersions, ...(repeated ? [at] : [])].join('@')
  return {
    change: {
      v: 1,
      namespace: key.namespace,
      name: key.name,
      uid,
      resourceVersion,
      cause,
      ...(pod === undefined ? {} : { pod }),
      ...(workloadNamespace === undefined ? {} : { workloadNamespace }),
      ...(held === undefined ? {} : { held }),
      ...(end === undefined ? {} : { end }),
      clock,
      attempt: 0,
      at: new Date(at).toISOString(),
      trace,
    },
    deduplicationId: changeDeduplicationId(uid, cause, version),
  }
}

export interface WrongPolicy extends ObjectKey {
  /** Of the policy as it was seen last; undefined: it was never seen. */
  uid: string | undefined
  resourceVersion: string
  /** See `policyDigest`; undefined: the policy is absent. */
  digest: string | undefined
  neededBy: ObjectKey
}

/** Stands for the uid of a policy that was never seen. */
const unknownUid = '-'

/**
 * The message about a policy that instances share and that is absent or changed. No instance gets a pass for it.
 * @param at epoch milliseconds @param repeated see `OutgoingChangeParts`
 */
export function policyChange(
  { namespace, name, uid = unknownUid, resourceVersion, digest = '-', neededBy }: WrongPolicy,
  { at, trace, clock, repeated }: Pick<OutgoingChangeParts, 'at' | 'trace' | 'clock' | 'repeated'>,
): OutgoingChange {
  const version = [namespace, name, digest, resourceVersion, ...(repeated ? [at] : [])].join('@')
  return {
    change: {
      v: 1,
      kind: 'Policy',
      namespace,
      name,
      uid,
      resourceVersion,
      cause: 'drift',
      neededBy,
      clock,
      attempt: 0,
      at: new Date(at).toISOString(),
      trace,
    },
    deduplicationId: changeDeduplicationId(uid, 'drift', version),
  }
}

/**
 * The message that the state of the organiser's clock does not follow the organiser's ConfigMap.
 * @param of what was seen of the two ConfigMaps @param at epoch milliseconds @param repeated see `OutgoingChangeParts`
 */
export function clockChange(
  source: ObjectKey & { uid: string; resourceVersion: string },
  { of, at, trace, repeated }: { of: string } & Pick<OutgoingChangeParts, 'at' | 'trace' | 'repeated'>,
): OutgoingChange {
  const { namespace, name, uid, resourceVersion } = source
  const version = ['Clock', namespace, of, ...(repeated ? [at] : [])].join('@')
  return {
    change: {
      v: 1,
      kind: 'Clock',
      namespace,
      name,
      uid,
      resourceVersion,
      cause: 'changed',
      attempt: 0,
      at: new Date(at).toISOString(),
      trace,
    },
    deduplicationId: changeDeduplicationId(uid, 'changed', version),
  }
}
