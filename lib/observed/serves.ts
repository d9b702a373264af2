import type { ChallengeInstance } from '../crd/challenge-instance.ts'

/** Whether the status of before says that the instance is Ready. */
export function serves({ status }: ChallengeInstance): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}
