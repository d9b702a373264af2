import type { Stored } from '../../crd/objects.ts'
import type { LeaseAccess } from './access.ts'
import { holderOf, type Lease, releasedLease } from './record.ts'

/**
 * Gives up a lease that is held. Reads first, since a write that the end cut off may have arrived. Another write may come
 * between, such as the name of a standby, and then it reads again: a lease that stays held keeps a successor waiting.
 * @param signal limits it
 * @returns the lease without a holder; undefined: another one holds it, or it is gone
 * @throws OperatorError if a call fails
 */
export async function giveUp(
  access: LeaseAccess,
  { identity, now }: { identity: string; now: () => number },
  signal: AbortSignal,
): Promise<Stored<Lease> | undefined> {
  while (true) {
    signal.throwIfAborted()
    const last = await access.read(signal)
    if (last === undefined || holderOf(last) !== identity) return undefined
    const released = await access.write(releasedLease(last, now()), signal)
    if (released !== 'conflict') return released
  }
}
