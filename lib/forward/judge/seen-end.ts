import type { SeenEnd } from '../../messages.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'

/**
 * Returns what a pass needs to judge the end of an instance without a read of it. Undefined for one that needs more than a
 * deletion mark: its status shows another end, nobody would tear it down, or no template is in use.
 * @param end epoch milliseconds
 */
export function seenEnd(
  {
    expiresAt,
    askedEnd,
    createdAt,
    templateRef: template,
    revision,
    event,
    team,
    hasFinalizer,
  }: InstanceDigest,
  end: number,
): SeenEnd | undefined {
  if (end !== expiresAt || revision === undefined || !hasFinalizer) return undefined
  const asked = askedEnd === undefined ? {} : { asked: askedEnd }
  return { at: end, ...asked, createdAt: createdAt * 1_000, template, revision, event, team }
}
