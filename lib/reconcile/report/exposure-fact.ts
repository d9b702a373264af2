import { serves } from '../../observed/serves.ts'
import { isReason, withNextLook } from '../../reason-rules.ts'
import type { ExposureFact, Findings } from '../pass/findings.ts'

/** @returns undefined for an instance that is not exposed */
export function exposureFact({ instance, exposure: finding }: Findings): ExposureFact | undefined {
  const { status } = instance
  const before = status?.exposure
  if (finding?.kind === 'none') return undefined
  if (finding === undefined) {
    const condition = status?.conditions?.find(each => each.type === 'Exposed')
    if (before === undefined || condition === undefined) return undefined
    const { reason, message } = condition
    return { reason: isReason(reason) ? reason : undefined, message, recorded: before }
  }
  const { type, host, state, required, verdict } = finding
  const { reason, message } = verdict
  const mayAwait = before === undefined ? !serves(instance) : before.awaited === true
  const awaited = required && reason !== undefined && mayAwait
  const recorded = {
    type,
    ...(host !== undefined && { host }),
    ...(state && { state }),
    ...(awaited && { awaited }),
  }
  return { reason, message: reason && !verdict.watched ? withNextLook(reason, message) : message, recorded }
}
