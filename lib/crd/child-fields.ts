import { fieldManager, group, labels } from './group.ts'
import type { ObjectMeta } from './objects.ts'

/** The labels that we put on a child, beside those of our group. */
const ourLabels: ReadonlySet<string> = new Set([labels.app, labels.managedBy, labels.name])

/** Whether a label on a child's own metadata is ours. Others may write any other label, and any finalizer. */
export function isOurLabel(name: string): boolean {
  return ourLabels.has(name) || name.startsWith(`${group}/`)
}

/**
 * Returns the annotations on a child's own metadata that are ours, with their values: those that our field manager wrote
 * last. An annotation that somebody else adds, or changes, is theirs. Those of our group are notes that no desired state has.
 */
export function ourAnnotations({ annotations, managedFields = [] }: ObjectMeta): [string, string][] {
  const own = Object.entries(annotations ?? {}).filter(([name]) => !name.startsWith(`${group}/`))
  if (own.length === 0) return []
  const written = managedFields
    .filter(({ manager, subresource }) => manager === fieldManager && !subresource)
    .map(({ fieldsV1 }) => fieldsV1 as ManagedMetadata | undefined)
    .map(fields => fields?.['f:metadata']?.['f:annotations'] ?? {})
  return own.filter(([name]) => written.some(fields => `f:${name}` in fields))
}

/** The annotations that a field manager wrote, in the form of the API server. */
interface ManagedMetadata {
  'f:metadata'?: { 'f:annotations'?: Record<string, unknown> }
}

/** The annotation by which `kubectl rollout restart` makes a new pod. */
export const restartedAt = 'kubectl.kubernetes.io/restartedAt'

/** Stands for every item of a list. */
export const eachItem = '*'

/**
 * The fields below `spec` of a child that are not ours: the server or a controller fills them in, or a user restarts the
 * pod with them. All the rest of `spec` is ours, also what we leave out.
 */
export const foreignSpecFields: readonly (readonly string[])[] = [
  ['clusterIP'],
  ['clusterIPs'],
  ['ipFamilies'],
  ['ipFamilyPolicy'],
  ['healthCheckNodePort'],
  ['loadBalancerClass'],
  ['ports', eachItem, 'nodePort'],
  ['template', 'metadata', 'annotations', restartedAt],
]
