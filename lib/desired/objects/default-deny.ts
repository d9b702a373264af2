import { defaultDenyName, fieldManager, labels } from '../../crd/group.ts'
import type { Named, NetworkPolicy } from '../../crd/objects.ts'

/** The policy that exists in a namespace before its first workload. With it, the policies of instances only open ports and ranges. */
export function defaultDeny(namespace: string): Named<NetworkPolicy> {
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
      // Stated, so that the list is ours and a rule that another client adds is removed.
      ingress: [],
      egress: [],
    },
  }
}
