import type { ChallengeTemplateSpec } from '../crd/challenge-template.ts'
import { shortHash } from './canonical.ts'

/**
 * Hash of a template's spec. It leaves out a static flag, which is the `format` of its strategy: statuses show the hash,
 * and a flag could be guessed from it with a word list.
 */
export function templateHash(spec: ChallengeTemplateSpec): string {
  const { flagStrategy } = spec
  if (flagStrategy?.type !== 'static') return shortHash(spec)
  return shortHash({ ...spec, flagStrategy: { ...flagStrategy, format: undefined } })
}
