import { createHash } from 'node:crypto'
import type { ChallengeInstance, ChallengeInstanceStatus } from '../crd/challenge-instance.ts'

/**
 * Returns sixteen hex digits over everything that an instance's row follows from, as far as the instance shows it. The row
 * keeps them, so that a sweep notices a row that is older than the status, for example after a restore of the database. The
 * flag itself is in no status: its template, the version of its Secret and the settings stand for it.
 */
export function rowDigest(
  { spec }: Pick<ChallengeInstance, 'spec'>,
  status: ChallengeInstanceStatus | undefined,
): string {
  const {
    phase,
    reason,
    message,
    url,
    expiresAt,
    warnedOf,
    template,
    configuration,
    conditions = [],
  } = status ?? {}
  const ready = conditions.find(each => each.type === 'Ready' && each.status === 'True')
  const notes = Object.entries(spec.annotations ?? {}).sort()
  const flag = [template?.hash, template?.flagVersion, configuration]
  const facts = [phase, reason, message, url, expiresAt, ready?.lastTransitionTime, flag, notes]
  // A status without a warning has the digest that an earlier release gave it.
  if (warnedOf !== undefined) facts.push(warnedOf)
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16)
}
