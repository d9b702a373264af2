import type { Secret } from '../../crd/objects.ts'
import type { Identity } from '../identity.ts'

/** Key of the flag in the instance's Secret. */
export const flagKey = 'flag'

/** `data`, not `stringData`: ownership of the latter's keys is not tracked by server-side apply. */
export function secret({ name, namespace, labels, owners }: Identity, flag: string): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels, ownerReferences: owners },
    type: 'Opaque',
    data: { [flagKey]: Buffer.from(flag, 'utf8').toString('base64') },
  }
}
