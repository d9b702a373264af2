import { creditMinutes } from '../../clock/credits.ts'
import type { ClockState } from '../../clock/state.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Mismatch } from './mismatch.ts'

const minuteMs = 60_000

/**
 * Returns how far the credits of the clock move the end that the status shows, and the credits that it should show. An
 * instance without an end takes none.
 */
export function creditsUnreported(
  { createdAt, event, team, templateRef: template, expiresAt, creditMinutes: reported }: InstanceDigest,
  { credits }: Pick<ClockState, 'credits'>,
): { mismatch: Mismatch & { kind: 'credits' }; movesMs: number } | undefined {
  if (expiresAt === undefined || (reported === 0 && credits.length === 0)) return undefined
  const minutes = creditMinutes({ createdAt: createdAt * 1_000, event, team, template }, credits)
  if (minutes === reported) return undefined
  const movesMs = (minutes - reported) * minuteMs
  return { mismatch: { kind: 'credits', minutes, end: expiresAt + movesMs }, movesMs }
}

/**
 * Whether a policy of the instance's own is open during a lockdown, or closed after one. An instance of an earlier release
 * has no record of its settings, and was never closed.
 * @param closed hash of the settings with which such a policy is closed
 */
export function lockdownUnreflected(
  { children, configuration }: InstanceDigest,
  { lockdown }: Pick<ClockState, 'lockdown'>,
  closed: string | undefined,
): boolean {
  if (closed === undefined) return false
  const hasOwnPolicy = children.some(({ kind }) => kind === 'NetworkPolicy')
  return hasOwnPolicy && (configuration?.settings === closed) !== lockdown
}
