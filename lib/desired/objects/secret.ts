import type { Named, Secret } from '../../crd/objects.ts'
import type { Identity } from '../identity.ts'

/** The key of the flag in the instance's Secret. */
export const flagKey = 'flag'

/** Uses `data`, because server-side apply does not track ownership of the keys of `stringData`. */
export function secret({ name, namespace, labels, owners }: Identity, flag: string): Named<Secret> {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels, ownerReferences: owners },
    type: 'Opaque',
    data: { [flagKey]: Buffer.from(flag, 'utf8').toString('base64') },
  }
}
