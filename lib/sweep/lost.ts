import type { ChangesQueue } from '../aws/queue-ports.ts'
import type { OperatorConfig } from '../config/operator.ts'
import type { Log } from '../telemetry/log.ts'
import { type Mismatch, unsent } from './mismatch.ts'
import { paced } from './pace.ts'
import type { SweptInstance } from './swept-instance.ts'

interface LostDependencies {
  changes: Pick<ChangesQueue, 'isEmpty'>
  config: Pick<OperatorConfig, 'intervalSeconds'>
  log: Log
}

/**
 * Returns those whose messages are lost, as after a purge of the queue. A queue that is merely long has them still, and more
 * messages would make it longer. An operator whose role may not ask leaves them to the forwarder, which sends again after a
 * minute, and to the resync.
 * @param times see `unsent`
 */
export async function lostOfLate(
  { changes, config, log }: LostDependencies,
  instances: Iterable<SweptInstance>,
  { now, sinceMs }: { now: number; sinceMs: number },
  signal: AbortSignal,
): Promise<Mismatch[]> {
  const late = unsent(instances, now, sinceMs)
  if (late.length === 0 || !(await isDrained(changes, signal))) return []
  log.warn('the queue is empty and work is left, so messages were lost', { instances: late.length })
  return paced(late, now, config.intervalSeconds).now
}

async function isDrained(changes: Pick<ChangesQueue, 'isEmpty'>, signal: AbortSignal): Promise<boolean> {
  try {
    return await changes.isEmpty(signal)
  } catch {
    signal.throwIfAborted()
    return false
  }
}
