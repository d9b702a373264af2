import { defaultDenyName, fieldManager, labels } from '../../crd/group.ts'
import type { NetworkPolicy } from '../../crd/objects.ts'

/** Stands in a workload namespace before the first workload: policies per instance then only ever open. */
export function defaultDeny(namespace: string): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: defaultDenyName,
      namespace,
      labels: { [labels.managedBy]: fieldManager },
    },
    spec: {
      podSelector: { matchLabels: { [labels.managedBy]: fieldManager } },
      policyTypes: ['Ingress', 'Egress'],
    },
  }
}
