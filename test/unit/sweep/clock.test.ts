import { describe, expect, it } from 'vitest'
import { openClock } from '../../../lib/clock/state.ts'
import { creditsUnreported, notHeldBack, readSweptClock, rowsNotHeldBack } from '../../../lib/sweep/clock.ts'
import { type Mismatch, mismatch } from '../../../lib/sweep/mismatch.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { storedInstance } from '../../support/objects.ts'
import { keptLog } from '../functions/lambda-events.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const at = Date.parse('2026-11-21T08:30:00Z')

const ending = (name: string, creditMinutes?: number) =>
  sweptInstance(
    storedInstance({
      metadata: { name, uid: name },
      status: { expiresAt: '2026-11-21T10:00:00Z', ...(creditMinutes && { creditMinutes }) },
    }),
  )

describe('notHeldBack', () => {
  const deleted = sweptInstance(
    storedInstance({ metadata: { uid: 'deleted', deletionTimestamp: '2026-11-21T08:00:00Z' } }),
  )
  const living = ending('living')
  const instances = new Map([deleted, living].map(each => [each.uid, each]))
  const gone: Mismatch = { key: { ...living, uid: 'gone' }, cause: 'orphan', resourceVersion: undefined }
  const found = [gone, mismatch(deleted, 'drift'), mismatch(living, 'expiry'), mismatch(living, 'drift')]

  it('leaves during a pause only what a person has deleted', () => {
    expect(notHeldBack(found, instances, { paused: true })).toEqual(found.slice(0, 2))
    expect(notHeldBack(found, instances, { paused: false })).toEqual(found)
  })

  it('has rows written during a pause, and not while the clock cannot be read', async () => {
    expect(rowsNotHeldBack(found, instances, { ...openClock, paused: true })).toEqual(found)
    const readClock = async () => {
      throw new Error('forbidden')
    }
    const unknown = await readSweptClock({ readClock, log: keptLog() }, AbortSignal.timeout(1_000))
    expect(rowsNotHeldBack(found, instances, unknown)).toEqual(found.slice(0, 2))
  })
})

describe('creditsUnreported', () => {
  const credits = [{ id: 'a', minutes: 10, at }]

  it('finds instances whose end lacks credits, or has some that were taken away', () => {
    const names = (...given: Parameters<typeof creditsUnreported>) =>
      creditsUnreported(...given).map(({ key }) => key.name)
    const all = [ending('without'), ending('with', 10), sweptInstance(storedInstance())]
    expect(names(all, credits, now)).toEqual(['without'])
    expect(names(all, [], now)).toEqual(['with'])
  })
})
