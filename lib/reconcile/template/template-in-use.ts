import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../crd/challenge-template.ts'
import type { Stored } from '../../crd/objects.ts'
import { templateHash } from '../../desired/template-hash.ts'
import { isRevisionOf } from '../../desired/template-revision.ts'

type TakenUp = NonNullable<NonNullable<ChallengeInstance['status']>['template']>

/**
 * Whether the template that exists is the one that the instance took up. An instance of an earlier release has no revision.
 * The hash then tells it.
 */
export function isTemplateInUse(
  existing: Stored<ChallengeTemplate>,
  { uid, hash, revision }: TakenUp,
): boolean {
  if (revision !== undefined) return isRevisionOf(revision, existing)
  return uid === existing.metadata.uid && hash === templateHash(existing.spec)
}
