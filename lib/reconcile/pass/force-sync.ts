import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import { annotations } from '../../crd/group.ts'
import type { Pass } from './outcome.ts'

/**
 * Returns the pass with the cause `manual` if the instance has a `force-sync` that no pass has answered. Whichever message
 * started the pass, it then verifies everything, so that it may say that it did.
 */
export function withForceSync(pass: Pass, { metadata, status }: ChallengeInstance): Pass {
  const wanted = metadata.annotations?.[annotations.forceSync]
  if (wanted === undefined || wanted === status?.handledSync) return pass
  return { ...pass, causes: new Set([...pass.causes, 'manual'] as const) }
}
