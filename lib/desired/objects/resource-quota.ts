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

/** The limits of an event's quota as one text, the same for the same limits; undefined: there is no quota. */
export function quotaText(hard: Readonly<Record<string, string>> | undefined): string | undefined {
  if (hard === undefined) return undefined
  return Object.entries(hard)
    .map(([resource, quantity]) => `${resource}=${quantity}`)
    .toSorted()
    .join(',')
}
