import { fieldManager, labels } from '../../crd/group.ts'
import type { LimitRange, Named } from '../../crd/objects.ts'

/** Name of what each namespace that the operator makes has once. */
export const namespaceDefaultsName = 'challenge-operator'

/**
 * Gives a size to containers that state none, such as one that a service mesh adds. A namespace with a quota refuses
 * them otherwise. It has no maximum, since the containers of instances all state their sizes.
 */
export function limitRange(namespace: string): Named<LimitRange> {
  return {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: namespaceDefaultsName, namespace, labels: { [labels.managedBy]: fieldManager } },
    spec: {
      limits: [
        {
          type: 'Container',
          default: { cpu: '500m', memory: '256Mi', 'ephemeral-storage': '256Mi' },
          defaultRequest: { cpu: '50m', memory: '64Mi', 'ephemeral-storage': '64Mi' },
        },
      ],
    },
  }
}
