import { describe, expect, it } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import type { OpenRow } from '../../../lib/store/store.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { believesActivity, uncounted, wholeSince } from '../../../lib/sweep/whole.ts'
import { recordedChild, storedInstance } from '../../support/objects.ts'
import { keptLog } from '../functions/lambda-events.ts'

const created = '2026-11-30T10:00:00Z'
const readAt = Date.parse('2026-11-30T11:00:00Z')
const running: ChallengeInstanceStatus = { phase: 'Ready', children: [recordedChild()] }
const row: OpenRow = {
  ...{
    uid: 'instance-uid',
    namespace: 'ctf',
    name: 'web-7',
    phase: 'Ready',
    reason: undefined,
    url: undefined,
  },
  ...{
    digest: undefined,
    workloadNamespace: 'ctf',
    lastActiveAt: undefined,
    sequence: 2,
    platformInStep: true,
  },
}

function found(status: ChallengeInstanceStatus, rows: Partial<OpenRow>[], creationTimestamp = created) {
  const instance = sweptInstance(storedInstance({ metadata: { creationTimestamp }, status }))
  return uncounted({
    rows: new Map(rows.map(each => ({ ...row, ...each })).map(each => [each.uid, each])),
    instances: new Map([[instance.uid, instance]]),
    readAt,
  }).length
}

describe('uncounted', () => {
  it('finds an instance that runs and has no row, or one of before it ran', () => {
    expect(found(running, [])).toBe(1)
    expect(found(running, [{ workloadNamespace: undefined }])).toBe(1)
    expect(found(running, [{ phase: 'Idle' }])).toBe(1)
    expect(found(running, [{}])).toBe(0)
  })

  it('does not ask for the row of one that runs nothing', () => {
    expect(found({ phase: 'Pending', reason: 'Queued', children: [] }, [])).toBe(0)
    expect(found({ phase: 'Idle', children: [recordedChild()] }, [])).toBe(0)
  })

  it('does not ask for the row of one that is being deleted, which another client may hold back for long', () => {
    const status: ChallengeInstanceStatus = { ...running, phase: 'Terminating' }
    const metadata = { creationTimestamp: created, deletionTimestamp: created }
    const instance = sweptInstance(storedInstance({ metadata, status }))
    const instances = new Map([[instance.uid, instance]])
    expect(uncounted({ rows: new Map(), instances, readAt })).toEqual([])
  })

  it('leaves out what was created since the rows were read', () => {
    expect(found(running, [], new Date(readAt).toISOString())).toBe(0)
  })
})

describe('wholeSince', () => {
  const lacking = () => {
    const instance = sweptInstance(
      storedInstance({ metadata: { creationTimestamp: created }, status: running }),
    )
    return { rows: new Map(), instances: new Map([[instance.uid, instance]]), readAt }
  }

  it.each([
    { forMs: 1_199_000, since: undefined, said: 'rows are not complete, so limits admit nobody yet' },
    { forMs: 1_200_000, since: readAt, said: 'rows are still not complete, so limits count without them' },
  ])('waits twenty minutes for rows that are missing: $forMs ms', async ({ forMs, since, said }) => {
    const log = keptLog()
    const store = {
      rowsWholeSince: async () => undefined,
      rowsIncompleteForMs: async () => forMs,
      markRowsWhole: async () => readAt,
    }
    const parts = { cluster: { uid: async () => 'cluster-uid' }, store, log }
    expect(await wholeSince(parts, lacking(), AbortSignal.timeout(1_000))).toBe(since)
    expect(log.lines).toMatchObject([{ level: 'warn', message: said, fields: { instances: 1 } }])
  })
})

describe('believesActivity', () => {
  it('waits until the proxy has told everything anew, and while the rows are not whole', () => {
    expect(believesActivity(undefined, readAt)).toBe(false)
    expect(believesActivity(readAt - 599_000, readAt)).toBe(false)
    expect(believesActivity(readAt - 600_000, readAt)).toBe(true)
  })
})
