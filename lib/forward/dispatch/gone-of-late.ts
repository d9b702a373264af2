import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Row } from '../table/row.ts'

/**
 * Milliseconds for which a standby remembers an instance that is gone. The DELETED event comes once, so nobody else finds it
 * if the leader died before it sent the message, or if it comes while the lead changes. A lease lasts 15 s.
 */
const rememberedMs = 30_000

/** A standby does not know what the leader has sent, so it does not remember more than that many instances. */
const limit = 1_000

export interface GoneOfLate {
  /** An instance without a deletion mark went: nobody tears it down. */
  remember(row: Row, gone: InstanceDigest): void
  /** Returns and forgets those of late, for a forwarder that takes over. */
  take(): { row: Row; gone: InstanceDigest }[]
}

/** @param now epoch milliseconds */
export function createGoneOfLate(now: () => number): GoneOfLate {
  let remembered: { row: Row; gone: InstanceDigest; at: number }[] = []
  const ofLate = () => remembered.filter(({ at }) => now() - at < rememberedMs)

  return {
    remember(row, gone) {
      if (gone.deleting) return
      if (remembered.length >= limit) remembered = ofLate().slice(-limit / 2)
      remembered.push({ row, gone, at: now() })
    },
    take() {
      const taken = ofLate()
      remembered = []
      return taken
    },
  }
}
