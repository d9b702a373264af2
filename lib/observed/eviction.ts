import { safeToEvict } from '../crd/group.ts'
import type { KubernetesObject } from '../crd/objects.ts'

/** Whether the cluster autoscaler may not evict a pod. */
export function isKeptFromEviction({ metadata }: Pick<KubernetesObject, 'metadata'>): boolean {
  return metadata.annotations?.[safeToEvict] === 'false'
}
