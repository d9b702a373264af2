import { describe, expect, it } from 'vitest'
import type { Child } from '../../../lib/crd/challenge-instance.ts'
import { labels } from '../../../lib/crd/group.ts'
import type { KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { childVersion } from '../../../lib/observed/child-version.ts'
import { alignToRetryGrid, recheckBackoffMs } from '../../../lib/reconcile/pass/backoff.ts'
import type { OpenRow } from '../../../lib/store/store.ts'
import {
  childMismatches,
  type DependentOwner,
  dependentOwner,
  goneOwners,
  isOfWatched,
  longestOverdueMs,
  longWaits,
  type Mismatch,
  needsRecheck,
  opened,
  overdue,
  resumed,
  rowMismatches,
  slowTeardowns,
  unsent,
  unwarned,
} from '../../../lib/sweep/mismatch.ts'
import { sweptChild } from '../../../lib/sweep/swept-child.ts'
import type { SweptInstance } from '../../../lib/sweep/swept-instance.ts'

const now = Date.parse('2026-11-21T09:00:00Z')

const creationTimestamp = '2026-11-21T08:00:00Z'

function service(uid: string, name = 'web-7'): Stored<KubernetesObject> {
  const own = { [labels.instanceUid]: uid, [labels.instance]: name, [labels.instanceNamespace]: 'ctf' }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: 'ctf',
      uid: `service-of-${uid}`,
      resourceVersion: '5',
      creationTimestamp,
      labels: own,
    },
  }
}

function instance(parts: Partial<SweptInstance> = {}): SweptInstance {
  return {
    namespace: 'ctf',
    name: 'web-7',
    uid: 'u',
    resourceVersion: '9',
    phase: 'Ready',
    reason: undefined,
    url: 'http://web-7',
    podName: undefined,
    workloadNamespace: 'ctf',
    rowDigest: 'digest-1',
    eventSequence: 3,
    synced: true,
    unsynced: false,
    observed: true,
    resumed: false,
    deletingSince: undefined,
    expiresAt: undefined,
    credited: { minutes: 0, scope: { createdAt: 0, event: 1, team: 7, template: 'web' } },
    warnedOf: undefined,
    idleSince: undefined,
    activity: { at: now - 60_000, reported: false },
    lacksActivitySource: false,
    availableFrom: undefined,
    phaseHeldUntil: undefined,
    changedAt: now - 60_000,
    templateRef: 'web',
    revision: undefined,
    flagVersion: undefined,
    keys: undefined,
    children: new Map([
      ['Service/ctf/web-7', { kind: 'Service', namespace: 'ctf', version: childVersion(service('u')) }],
    ]),
    ...parts,
  }
}

const row: OpenRow = {
  uid: 'u',
  namespace: 'ctf',
  name: 'web-7',
  phase: 'Ready',
  reason: undefined,
  url: 'http://web-7',
  digest: 'digest-1',
  workloadNamespace: 'ctf',
  lastActiveAt: undefined,
  sequence: 3,
  platformInStep: true,
}

const instances = (...all: SweptInstance[]) => new Map(all.map(each => [each.uid, each]))
const rows = (...all: OpenRow[]) => new Map(all.map(each => [each.uid, each]))
const summaryOf = (found: Mismatch[]) => found.map(({ key, cause }) => `${cause} ${key.uid}`)

describe('unsent', () => {
  const sweep = 15_000
  const late = (parts: Partial<SweptInstance>) => summaryOf(unsent([instance(parts)], now, sweep))

  it('finds a new instance that no pass has taken up for ten seconds', () => {
    const lateAfter = (seconds: number) =>
      late({ phase: undefined, observed: false, changedAt: now - seconds * 1_000 })
    expect([9, 12, 27, 42, 57].map(seconds => lateAfter(seconds).length)).toEqual([0, 1, 1, 1, 1])
    expect(late({ observed: true })).toEqual([])
  })

  it('finds a new instance in ever fewer sweeps after two minutes, since its passes may fail before its status', () => {
    const found = Array.from({ length: 240 }, (_, sweeps) => 12 + sweeps * 15).filter(
      seconds => late({ phase: undefined, observed: false, changedAt: now - seconds * 1_000 }).length > 0,
    )
    expect(found.filter(seconds => seconds > 120)).toEqual([162, 327, 642, 1_287, 2_562])
  })

  it('finds one that was edited in ever fewer sweeps, since its passes may fail', () => {
    const lateAfter = (seconds: number) => late({ observed: false, changedAt: now - seconds * 1_000 })
    expect([9, 12, 27, 42, 57, 72, 87].map(seconds => lateAfter(seconds).length)).toEqual([
      0, 1, 1, 1, 0, 0, 1,
    ])
  })

  it('finds a deletion that has not begun, and leaves one that has', () => {
    expect(late({ deletingSince: now - 12_000 })).toEqual(['deleted u'])
    expect(late({ deletingSince: now - 5_000 })).toEqual([])
    expect(late({ deletingSince: now - 12_000, phase: 'Terminating' })).toEqual([])
  })
})

describe('rowMismatches', () => {
  it('finds nothing if row and instance are equal', () => {
    expect(rowMismatches(rows(row), instances(instance()), now)).toEqual([])
  })

  it('finds a row whose instance is gone as an orphan with the key of the row', () => {
    expect(rowMismatches(rows(row), instances(), now)).toMatchObject([
      { cause: 'orphan', key: { namespace: 'ctf', name: 'web-7', uid: 'u' } },
    ])
  })

  it.each<[string, Partial<OpenRow>]>([
    ['phase', { phase: 'Failed' }],
    ['reason', { reason: 'CrashLooping' }],
    ['address', { url: undefined }],
    ["platform's row", { platformInStep: false }],
    ['number of the last event', { sequence: 2 }],
    ['digest', { digest: 'of-an-older-state' }],
    ['namespace of the workload', { workloadNamespace: 'ctf-event-1' }],
  ])('finds a row with a wrong %s as drift', (_, wrong) => {
    expect(summaryOf(rowMismatches(rows({ ...row, ...wrong }), instances(instance()), now))).toEqual([
      'drift u',
    ])
  })

  it('finds the instances whose end is nearest first', () => {
    const ends = { never: undefined, late: now + 9_000, soon: now + 1_000 }
    const all = Object.entries(ends).map(([uid, expiresAt]) => instance({ uid, expiresAt }))
    expect(summaryOf(rowMismatches(rows(), instances(...all), now))).toEqual([
      'drift soon',
      'drift late',
      'drift never',
    ])
  })

  it('tells where the workload of a gone instance ran, if it was not beside it', () => {
    const placed = { ...row, workloadNamespace: 'ctf-event-1' }
    expect(rowMismatches(rows(placed), instances(), now)[0]?.workloadNamespace).toBe('ctf-event-1')
    for (const workloadNamespace of ['ctf', undefined])
      expect(rowMismatches(rows({ ...row, workloadNamespace }), instances(), now)[0]).not.toHaveProperty(
        'workloadNamespace',
      )
  })

  it('finds a row of an earlier release, which lacks the namespace of its workload and is not counted', () => {
    const early = rows({ ...row, workloadNamespace: undefined })
    expect(summaryOf(rowMismatches(early, instances(instance()), now))).toEqual(['drift u'])
    const placed = instance({ workloadNamespace: 'ctf-event-1' })
    expect(summaryOf(rowMismatches(early, instances(placed), now))).toEqual(['drift u'])
    const unplaced = instance({ workloadNamespace: undefined })
    expect(rowMismatches(rows({ ...row, workloadNamespace: 'x' }), instances(unplaced), now)).toEqual([])
  })

  it('does not compare the digest with a row of an earlier release, or with a spec that is not observed', () => {
    expect(rowMismatches(rows({ ...row, digest: undefined }), instances(instance()), now)).toEqual([])
    const edited = instance({ observed: false, rowDigest: 'of-the-edit' })
    expect(rowMismatches(rows(row), instances(edited), now)).toEqual([])
  })

  it('finds an instance without a row as drift', () => {
    expect(summaryOf(rowMismatches(rows(), instances(instance()), now))).toEqual(['drift u'])
  })

  it('leaves out an instance that has just changed or that reports an unwritten row', () => {
    const fresh = instance({ changedAt: now - 1_000 })
    expect(rowMismatches(rows(), instances(fresh, instance({ uid: 'v', synced: false })), now)).toEqual([])
  })
})

describe('isOfWatched', () => {
  it('leaves an object out that names an instance in a namespace that is not watched', () => {
    const bare = { ...service('u'), metadata: { ...service('u').metadata, labels: {} } }
    expect(isOfWatched(service('u'), namespace => namespace === 'ctf')).toBe(true)
    expect(isOfWatched(service('u'), namespace => namespace === 'other')).toBe(false)
    expect(isOfWatched(bare, () => false)).toBe(true)
  })
})

describe('childMismatches', () => {
  const mismatchesOf = (
    children: Stored<KubernetesObject>[],
    living: ReadonlyMap<string, SweptInstance>,
    at: number,
  ) =>
    childMismatches(
      children.map(each => sweptChild(each, () => true)),
      living,
      at,
    )

  it('finds nothing if version and owner match the record', () => {
    expect(mismatchesOf([service('u')], instances(instance()), now)).toEqual([])
  })

  it('finds a missing child as drift of its instance', () => {
    expect(summaryOf(mismatchesOf([], instances(instance()), now))).toEqual(['drift u'])
  })

  it('finds a changed child as drift of its instance', () => {
    const changed = service('u')
    changed.metadata.resourceVersion = '6'
    expect(summaryOf(mismatchesOf([changed], instances(instance()), now))).toEqual(['drift u'])
  })

  it('leaves out a child whose next repair is not due yet', () => {
    const version = childVersion(service('u'))
    const repairs = { count: 4, at: new Date(now - 7_999).toISOString() }
    const child = (parts: Partial<Child>) => ({ kind: 'Service', namespace: 'ctf', version, ...parts })
    const contested = (parts: Partial<Child>) =>
      instances(instance({ children: new Map([['Service/ctf/web-7', child(parts)]]) }))
    const changed = service('u')
    changed.metadata.resourceVersion = '6'
    expect(mismatchesOf([changed], contested({ repairs }), now)).toEqual([])
    expect(mismatchesOf([], contested({ repairs }), now)).toEqual([])
    expect(summaryOf(mismatchesOf([changed], contested({ repairs }), now + 1))).toEqual(['drift u'])
    expect(summaryOf(mismatchesOf([], contested({ repairs }), now + 1))).toEqual(['drift u'])
  })

  it('finds a child that the forwarder does not watch also before its next repair is due', () => {
    const repairs = { count: 4, at: new Date(now - 1_000).toISOString() }
    const recorded = { kind: 'Secret', namespace: 'ctf', version: '1', repairs }
    const living = instances(instance({ children: new Map([['Secret/ctf/web-7', recorded]]) }))
    expect(summaryOf(mismatchesOf([], living, now))).toEqual(['drift u'])
  })

  it('leaves out a child without an instance that is being deleted already', () => {
    const held = service('gone', 'web-8')
    held.metadata.deletionTimestamp = new Date(now).toISOString()
    expect(mismatchesOf([held], instances(), now)).toEqual([])
  })

  it('finds an unrecorded child as drift of its instance', () => {
    expect(
      summaryOf(mismatchesOf([service('u')], instances(instance({ children: new Map() })), now)),
    ).toEqual(['drift u'])
  })

  it('finds a child without an instance as an orphan with the key in its labels', () => {
    expect(mismatchesOf([service('gone', 'web-8')], instances(), now)).toMatchObject([
      { cause: 'orphan', key: { namespace: 'ctf', name: 'web-8', uid: 'gone' } },
    ])
  })

  it('leaves out a child whose labels do not name an instance', () => {
    const nameless = service('gone')
    delete nameless.metadata.labels?.[labels.instance]
    expect(mismatchesOf([nameless], instances(), now)).toEqual([])
  })

  it('leaves out the children of an instance that is deleted', () => {
    expect(mismatchesOf([], instances(instance({ deletingSince: now - 5_000 })), now)).toEqual([])
  })
})

describe('goneOwners', () => {
  const ownerOf = (uid: string) => dependentOwner(service(uid)) as DependentOwner

  it('finds an instance that is gone and that a ReplicaSet or pod names', () => {
    expect(summaryOf(goneOwners([ownerOf('u'), ownerOf('gone')], instances(instance())))).toEqual([
      'orphan gone',
    ])
  })

  it('leaves out a pod that is being deleted, or that names no instance', () => {
    const ending = service('gone')
    ending.metadata.deletionTimestamp = new Date(now).toISOString()
    expect(dependentOwner(ending)).toBeUndefined()
    const nameless = service('gone')
    delete nameless.metadata.labels
    expect(dependentOwner(nameless)).toBeUndefined()
  })
})

describe('overdue', () => {
  it('finds an instance whose time is over', () => {
    const ended = instance({ expiresAt: now - 5_000 })
    const all = [ended, instance({ expiresAt: now + 1 }), instance()]
    expect(summaryOf(overdue(all, now, 15_000))).toEqual(['expiry u'])
    expect(overdue([{ ...ended, deletingSince: now }], now, 15_000)).toEqual([])
  })

  it('leaves the forwarder five seconds, and finds the instance in the next sweep', () => {
    const ended = instance({ expiresAt: now - 4_999 })
    expect(overdue([ended], now, 15_000)).toEqual([])
    expect(summaryOf(overdue([ended], now + 15_000, 15_000))).toEqual(['expiry u'])
  })

  it('leaves an instance alone that is paused, also in a resync', () => {
    const paused = instance({ expiresAt: now - 5_000, reason: 'Paused' })
    expect(overdue([paused], now, Number.POSITIVE_INFINITY)).toEqual([])
  })
})

describe('unwarned', () => {
  const inTenMinutes = now + 600_000
  const times = { now, sinceMs: 15_000 }

  it('finds an instance whose end is near, once for each end', () => {
    const near = instance({ expiresAt: inTenMinutes - 1 })
    const told = instance({ expiresAt: inTenMinutes - 1, warnedOf: inTenMinutes - 1 })
    const renewed = instance({ expiresAt: inTenMinutes - 1, warnedOf: now, uid: 'v' })
    const all = [near, told, renewed, instance({ expiresAt: inTenMinutes + 1 }), instance()]
    expect(summaryOf(unwarned(all, 10, times))).toEqual(['changed u', 'changed v'])
    expect(unwarned(all, 0, times)).toEqual([])
  })

  it('leaves an instance alone that is paused or being deleted', () => {
    const near = { expiresAt: inTenMinutes - 1 }
    const all = [instance({ ...near, reason: 'Paused' }), instance({ ...near, deletingSince: now })]
    expect(unwarned(all, 10, { ...times, sinceMs: Number.POSITIVE_INFINITY })).toEqual([])
  })
})

describe('opened', () => {
  it('finds an instance whose template has opened', () => {
    const open = instance({ availableFrom: now - 1, reason: 'NotYetAvailable' })
    const all = [open, instance({ availableFrom: now + 1 }), instance()]
    expect(summaryOf(opened(all, now, 15_000))).toEqual(['changed u'])
    expect(opened([{ ...open, deletingSince: now }], now, 15_000)).toEqual([])
  })

  it('leaves an instance alone that is paused, also in a resync', () => {
    const paused = instance({ availableFrom: now - 1, reason: 'Paused' })
    expect(opened([paused], now, Number.POSITIVE_INFINITY)).toEqual([])
  })
})

describe('slowTeardowns', () => {
  it('finds a deletion that takes longer than a minute', () => {
    const slow = instance({ deletingSince: now - 61_000 })
    const young = instance({ deletingSince: now - 59_000 })
    expect(summaryOf(slowTeardowns([slow, young, instance()], now, 15_000))).toEqual(['drift u'])
  })

  it('finds a lasting deletion each time its age has doubled, and in every resync', () => {
    const seconds = Array.from({ length: 60 }, (_, index) => (index + 1) * 15)
    const swept = (since: number) =>
      seconds.filter(age => {
        const slow = instance({ deletingSince: now - age * 1_000 })
        return slowTeardowns([slow], now, since).length > 0
      })
    expect(swept(15_000)).toEqual([60, 120, 240, 480])
    expect(swept(Number.POSITIVE_INFINITY)).toEqual(seconds.filter(age => age >= 60))
  })
})

describe('resumed', () => {
  it('finds an instance whose pause has ended and is still reported', () => {
    expect(resumed([instance({ resumed: true }), instance()])).toMatchObject([
      { cause: 'changed', key: { uid: 'u' } },
    ])
  })

  it('leaves out an instance that is being deleted', () => {
    expect(resumed([instance({ resumed: true, deletingSince: now })])).toEqual([])
  })
})

describe('needsRecheck', () => {
  it.each<[string, Partial<SweptInstance>]>([
    ['whose spec is not observed', { observed: false }],
    ['whose row is not written', { synced: false }],
    ['that waits for a cure that no watch reports', { reason: 'QuotaExceeded' }],
    ['that waits for a date which its status does not have', { reason: 'NotYetAvailable' }],
    ['with a child that something else keeps changing', { reason: 'Contested' }],
    ['whose phase flapped and is not told yet', { reason: 'Flapping', phaseHeldUntil: now - 10_001 }],
    ['without progress for two minutes', { phase: 'Provisioning', changedAt: now - 120_001 }],
  ])('finds an instance %s', (_, parts) => {
    expect(summaryOf(needsRecheck([instance(parts)], now))).toEqual(['drift u'])
  })

  it('goes on with the waits of an instance that has waited for long', () => {
    const waiting = { reason: 'QuotaExceeded', changedAt: now - 600_001 } as const
    const found = needsRecheck([instance(waiting), instance({ ...waiting, changedAt: now - 600_000 })], now)
    expect(found.map(({ waits }) => waits)).toEqual([longWaits, undefined])
    const delayMs = recheckBackoffMs(longWaits, 0)
    expect(alignToRetryGrid(now, delayMs, instance())).toBe(alignToRetryGrid(now, delayMs * 2, instance()))
  })

  it('leaves out an instance that has a date ahead', () => {
    const early = instance({ phase: 'Pending', reason: 'NotYetAvailable', availableFrom: now + 86_400_000 })
    expect(needsRecheck([early], now)).toEqual([])
  })

  it('leaves out an instance that is well, that is under way, or that only a change can help', () => {
    const starting = instance({ phase: 'Provisioning', changedAt: now - 120_000 })
    const flapping = instance({ reason: 'Flapping', phaseHeldUntil: now - 10_000 })
    const stalled = instance({ reason: 'TemplateInvalid' })
    expect(needsRecheck([instance(), stalled, starting, flapping], now)).toEqual([])
  })
})

describe('longestOverdueMs', () => {
  it('is the time since the earliest end that no deletion followed', () => {
    const ended = (ms: number, parts: Partial<SweptInstance> = {}) =>
      instance({ expiresAt: now - ms, ...parts })
    expect(longestOverdueMs([ended(3_000), ended(8_000), ended(-60_000), instance()], now)).toBe(8_000)
  })

  it('is 0 for instances that are deleted, paused, or not over', () => {
    const over = { expiresAt: now - 5_000 }
    const all = [
      instance({ ...over, deletingSince: now }),
      instance({ ...over, reason: 'Paused' }),
      instance(),
    ]
    expect(longestOverdueMs(all, now)).toBe(0)
  })
})
