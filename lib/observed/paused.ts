import { annotations } from '../crd/group.ts'
import type { ObjectMeta } from '../crd/objects.ts'

/** Whether a person asks the operator to leave the instance as it is. */
export function isPaused({ annotations: own }: ObjectMeta): boolean {
  return own?.[annotations.paused] === 'true'
}
