import type { OutgoingChange } from '../../aws/queue-ports.ts'
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
  /** The message was sent before, and seems lost. Its deduplication id must differ from the first one's. */
  repeated: boolean
}

export function outgoingChange({ key, wake, at, trace, repeated }: OutgoingChangeParts): OutgoingChange {
  const { uid, cause, mismatch, readVersions, resourceVersion, pod, held, workloadNamespace } = wake
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
      attempt: 0,
      at: new Date(at).toISOString(),
      trace,
    },
    deduplicationId: changeDeduplicationId(uid, cause, version),
  }
}
