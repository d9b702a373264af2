import { fieldManager, labels } from '../../crd/group.ts'
import type { Named, ResourceQuota } from '../../crd/objects.ts'
import { namespaceDefaultsName } from './limit-range.ts'

/** Limits what all instances of an event have together in its namespace. */
export function resourceQuota(
  namespace: string,
  hard: Readonly<Record<string, string>>,
): Named<ResourceQuota> {
  return {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: namespaceDefaultsName, namespace, labels: { [labels.managedBy]: fieldManager } },
    spec: { hard: { ...hard } },
  }
}
