import { clockSkewMs, parseTime } from '../../lifetime.ts'
import type { Pass } from './outcome.ts'

/**
 * Returns the time by which a pass judges the workload: by the clock of this machine, or by that of the sender if it is
 * slightly ahead. A verdict that changes with time (a container that ought to be ready by now, a phase that is told again)
 * would otherwise be the old one here, and the message that it was sent for would have no effect.
 * @param now epoch milliseconds
 */
export function judgingTime({ at }: Pick<Pass, 'at'>, now: number): number {
  const sentAt = parseTime(at) ?? now
  return sentAt > now && sentAt - now <= clockSkewMs ? sentAt : now
}
