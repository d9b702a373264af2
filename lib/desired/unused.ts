import { annotations } from '../crd/group.ts'
import type { ObjectMeta } from '../crd/objects.ts'

/**
 * How long an object that instances share is unused before it is deleted, in milliseconds. A process takes such an object
 * for existing for five minutes (`trustMs`), and a pass lasts for one at most.
 */
export const unusedMs = 600_000

/**
 * How long a process takes an object that instances share for existing, in milliseconds. It is well below the least grace
 * of an event's namespace (`OPERATOR_EVENT_GRACE_MINUTES`).
 */
export const trustMs = 300_000

/** When an object was marked as unused; undefined: it is not marked. */
export function unusedSince({ annotations: own }: ObjectMeta): string | undefined {
  return own?.[annotations.unusedSince]
}

/** Whether a mark is so young that the object stays. A mark that is no date is as good as an old one. */
export function isMarkedOfLate(metadata: ObjectMeta, now: number): boolean {
  const since = unusedSince(metadata)
  return since !== undefined && now - Date.parse(since) < unusedMs
}
