import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import { hasHost } from '../exposure/exposing-type.ts'

/** Whether anything of an instance is made with the keys of flags: its flag, the fingerprint of one, or its host. */
export function usesKeys(spec: ChallengeTemplateSpec): boolean {
  return spec.flagStrategy !== undefined || hasHost(spec)
}
