import { ourAnnotations } from '../crd/child-fields.ts'
import { safeToEvict } from '../crd/group.ts'
import type { KubernetesObject } from '../crd/objects.ts'

/** Whether the cluster autoscaler may not evict a pod, whoever says so. */
export function isKeptFromEviction({ metadata }: Pick<KubernetesObject, 'metadata'>): boolean {
  return metadata.annotations?.[safeToEvict] === 'false'
}

/** Whether it is this operator that keeps a pod from eviction. What somebody else says of the pod stays. */
export function isKeptByUs(pod: Pick<KubernetesObject, 'metadata'>): boolean {
  return isKeptFromEviction(pod) && ourAnnotations(pod.metadata).some(([name]) => name === safeToEvict)
}
