import { group, labels } from './group.ts'

/** The labels that we put on a child, beside those of our group. */
const ourLabels: ReadonlySet<string> = new Set([labels.app, labels.managedBy, labels.name])

/** Whether a label on a child's own metadata is ours. Others may write any other label, and any annotation and finalizer. */
export function isOurLabel(name: string): boolean {
  return ourLabels.has(name) || name.startsWith(`${group}/`)
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
