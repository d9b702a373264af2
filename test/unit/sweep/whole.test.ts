import { describe, expect, it } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import type { OpenRow } from '../../../lib/store/store.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { believesActivity, uncounted } from '../../../lib/sweep/whole.ts'
import { recordedChild, storedInstance } from '../../support/objects.ts'

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

  it('leaves out what was created since the rows were read', () => {
    expect(found(running, [], new Date(readAt).toISOString())).toBe(0)
  })
})

describe('believesActivity', () => {
  it('waits until the proxy has told everything anew, and while the rows are not whole', () => {
    expect(believesActivity(undefined, readAt)).toBe(false)
    expect(believesActivity(readAt - 599_000, readAt)).toBe(false)
    expect(believesActivity(readAt - 600_000, readAt)).toBe(true)
  })
})
