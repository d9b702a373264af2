import { expect, it } from 'vitest'
import { annotations } from '../../../../lib/crd/group.ts'
import type { Stored } from '../../../../lib/crd/objects.ts'
import type { LeaseAccess } from '../../../../lib/kubernetes/lease/access.ts'
import { giveUp } from '../../../../lib/kubernetes/lease/give-up.ts'
import { announcedLease, holderOf, type Lease, standbyOf } from '../../../../lib/kubernetes/lease/record.ts'
import { storedLease } from './leases.ts'

const now = () => Date.parse('2026-05-01T12:00:00Z')
const { signal } = new AbortController()

/** A lease that compares versions as the API server does. @param between is done once, after the first read */
function stored(lease: Stored<Lease>, between: (access: LeaseAccess) => Promise<unknown> = async () => {}) {
  let present = lease
  let reads = 0
  const access: LeaseAccess = {
    async read() {
      const seen = present
      reads += 1
      if (reads === 1) await between(access)
      return seen
    },
    async write(next) {
      const { resourceVersion } = present.metadata
      if (next.metadata.resourceVersion !== resourceVersion) return 'conflict'
      const metadata = {
        ...present.metadata,
        ...next.metadata,
        resourceVersion: `${Number(resourceVersion) + 1}`,
      }
      present = { ...next, metadata }
      return present
    },
  }
  return { access, present: () => present }
}

it('gives a lease up although a standby writes its name at the same moment', async () => {
  const held = storedLease('1', { holderIdentity: 'one' })
  const { access, present } = stored(held, other => other.write(announcedLease(held, 'two'), signal))
  const released = await giveUp(access, { identity: 'one', now }, signal)
  expect([holderOf(present()), standbyOf(released)]).toEqual(['', 'two'])
})

it('leaves a lease to another one who took it at the same moment', async () => {
  const held = storedLease('1', { holderIdentity: 'one' })
  const taken = { ...held, spec: { holderIdentity: 'two' } }
  const { access, present } = stored(held, other => other.write(taken, signal))
  expect(await giveUp(access, { identity: 'one', now }, signal)).toBeUndefined()
  expect([holderOf(present()), present().metadata.annotations?.[annotations.standby]]).toEqual([
    'two',
    undefined,
  ])
})
