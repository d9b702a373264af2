import { describe, expect, test } from 'vitest'
import { defaultDenyName, labels } from '../../../lib/crd/group.ts'
import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import { childVersion } from '../../../lib/observed/child-version.ts'
import type { OpenRow } from '../../../lib/store/store.ts'
import type { InstanceDigest } from '../../../lib/sweep/instance-digest.ts'
import {
  childMismatches,
  leftBehind,
  type Mismatch,
  overdue,
  rowMismatches,
  slowTeardowns,
  unguarded,
} from '../../../lib/sweep/mismatch.ts'

const now = Date.parse('2026-11-21T09:00:00Z')

function service(uid: string, name = 'web-7'): KubernetesObject {
  const own = { [labels.instanceUid]: uid, [labels.instance]: name, [labels.instanceNamespace]: 'ctf' }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'ctf', resourceVersion: '5', labels: own },
  }
}

function instance(parts: Partial<InstanceDigest> = {}): InstanceDigest {
  return {
    namespace: 'ctf',
    name: 'web-7',
    uid: 'u',
    resourceVersion: '9',
    phase: 'Ready',
    reason: undefined,
    url: 'http://web-7',
    synced: true,
    observed: true,
    deletingSince: undefined,
    expiresAt: undefined,
    changedAt: now - 60_000,
    children: new Map([['Service/ctf/web-7', childVersion(service('u').metadata)]]),
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
  platformInStep: true,
}

const of = (...all: InstanceDigest[]) => new Map(all.map(each => [each.uid, each]))
const rows = (...all: OpenRow[]) => new Map(all.map(each => [each.uid, each]))
const told = (found: Mismatch[]) => found.map(({ key, cause }) => `${cause} ${key.uid}`)

describe('do rows and instances bear each other out', () => {
  test('yes, when they say the same', () => {
    expect(rowMismatches(rows(row), of(instance()), now)).toEqual([])
  })

  test('a row whose instance is gone is an orphan, under its own key', () => {
    expect(rowMismatches(rows(row), of(), now)).toMatchObject([
      { cause: 'orphan', key: { namespace: 'ctf', name: 'web-7', uid: 'u' } },
    ])
  })

  test.each<[string, Partial<OpenRow>]>([
    ['phase', { phase: 'Failed' }],
    ['reason', { reason: 'CrashLooping' }],
    ['address', { url: undefined }],
    ["platform's row", { platformInStep: false }],
  ])('a wrong %s is drift', (_, wrong) => {
    expect(told(rowMismatches(rows({ ...row, ...wrong }), of(instance()), now))).toEqual(['drift u'])
  })

  test('an instance without a row is drift', () => {
    expect(told(rowMismatches(rows(), of(instance()), now))).toEqual(['drift u'])
  })

  test('what is being dealt with is left alone: just changed, or said to be not in step', () => {
    const fresh = instance({ changedAt: now - 1_000 })
    expect(rowMismatches(rows(), of(fresh, instance({ uid: 'v', synced: false })), now)).toEqual([])
  })
})

describe('do children fit what is recorded', () => {
  test('yes, when version and owner fit', () => {
    expect(childMismatches([service('u')], of(instance()), now)).toEqual([])
  })

  test('a missing one is drift of its instance', () => {
    expect(told(childMismatches([], of(instance()), now))).toEqual(['drift u'])
  })

  test('a changed one is drift of its instance', () => {
    const changed = service('u')
    changed.metadata.resourceVersion = '6'
    expect(told(childMismatches([changed], of(instance()), now))).toEqual(['drift u'])
  })

  test('an unrecorded one is drift of its instance', () => {
    expect(told(childMismatches([service('u')], of(instance({ children: new Map() })), now))).toEqual([
      'drift u',
    ])
  })

  test('one of nobody is an orphan, under the key in its labels', () => {
    expect(childMismatches([service('gone', 'web-8')], of(), now)).toMatchObject([
      { cause: 'orphan', key: { namespace: 'ctf', name: 'web-8', uid: 'gone' } },
    ])
  })

  test('those of a teardown are left to it', () => {
    expect(childMismatches([], of(instance({ deletingSince: now - 5_000 })), now)).toEqual([])
  })
})

describe('what else is wanted', () => {
  test('an end that nobody brought about', () => {
    const ended = instance({ expiresAt: now - 1 })
    const all = [ended, instance({ expiresAt: now + 1 }), instance()]
    expect(told(overdue(all, now, 15_000))).toEqual(['expiry u'])
    expect(overdue([{ ...ended, deletingSince: now }], now, 15_000)).toEqual([])
  })

  test('a teardown that takes longer than a minute', () => {
    const slow = instance({ deletingSince: now - 61_000 })
    const young = instance({ deletingSince: now - 59_000 })
    expect(told(slowTeardowns([slow, young, instance()], now, 15_000))).toEqual(['drift u'])
  })

  test('what lasts, each time it is twice as old, and by every resync', () => {
    const seconds = Array.from({ length: 60 }, (_, index) => (index + 1) * 15)
    const swept = (since: number) =>
      seconds.filter(age => {
        const slow = instance({ deletingSince: now - age * 1_000 })
        return slowTeardowns([slow], now, since).length > 0
      })
    expect(swept(15_000)).toEqual([60, 120, 240, 480])
    expect(swept(Number.POSITIVE_INFINITY)).toEqual(seconds.filter(age => age >= 60))
  })

  test.each<[string, Partial<InstanceDigest>]>([
    ['is not dealt with', { observed: false }],
    ['has no row', { synced: false }],
    ['waits for what may be cured elsewhere', { reason: 'QuotaExceeded' }],
    ['came no further in two minutes', { phase: 'Provisioning', changedAt: now - 120_001 }],
  ])('one that %s, since its message or timer may be lost', (_, parts) => {
    expect(told(leftBehind([instance(parts)], now))).toEqual(['drift u'])
  })

  test('not one that only a change can help, nor one that is well or under way', () => {
    const starting = instance({ phase: 'Provisioning', changedAt: now - 120_000 })
    expect(leftBehind([instance(), instance({ reason: 'TemplateInvalid' }), starting], now)).toEqual([])
  })

  test('one instance of each namespace without its standing policy', () => {
    const policy = (namespace: string): KubernetesObject => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: defaultDenyName, namespace },
    })
    const neighbours = [instance(), instance({ uid: 'v', name: 'web-8' })]
    expect(told(unguarded([policy('other')], neighbours))).toEqual(['drift u'])
    expect(unguarded([policy('ctf')], neighbours)).toEqual([])
  })
})
