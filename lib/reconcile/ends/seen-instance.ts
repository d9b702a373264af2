import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import { apiVersion, finalizer } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import { rfc3339 } from '../../lifetime.ts'
import type { Pass } from '../pass/outcome.ts'

/**
 * Returns the instance that a pass is about as its message saw it, with no more than its end follows from: good for a
 * judgement whose deletion names the version, and for nothing else. Undefined if no message says so much, or if messages name
 * other instances of this name, too.
 */
export function seenInstance({
  namespace,
  name,
  uids,
  seenEnd,
}: Pick<Pass, 'namespace' | 'name' | 'uids' | 'seenEnd'>): Stored<ChallengeInstance> | undefined {
  if (seenEnd === undefined || uids.some(uid => uid !== seenEnd.uid)) return undefined
  const { uid, resourceVersion, at, asked, createdAt, template, revision, event, team } = seenEnd
  // Without a version the deletion would have no precondition.
  if (resourceVersion === '') return undefined
  const creationTimestamp = rfc3339(createdAt)
  return {
    apiVersion,
    kind: 'ChallengeInstance',
    metadata: { namespace, name, uid, resourceVersion, creationTimestamp, finalizers: [finalizer] },
    spec: {
      templateRef: template,
      owner: { eventId: event, teamId: team },
      ...(asked === undefined ? {} : { expiresAt: rfc3339(asked) }),
    },
    // Neither the generation nor the hash is known, and the revision alone says which template is in use.
    status: { expiresAt: rfc3339(at), template: { uid: '', generation: 0, hash: revision, revision } },
  }
}
