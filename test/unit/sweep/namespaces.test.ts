import { describe, expect, it } from 'vitest'
import { annotations } from '../../../lib/crd/group.ts'
import { namespace } from '../../../lib/desired/objects/namespace.ts'
import {
  eventNamespacesToLookAt,
  ownNamespacesLeft,
  withOutdatedQuota,
} from '../../../lib/sweep/namespaces.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { storedInstance } from '../../support/objects.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const graceMs = 3_600_000
const instance = storedInstance()

function listed(placement: 'Event' | 'Instance', name: string, unusedMs?: number) {
  const { apiVersion, kind, metadata } = namespace({ name, placement, instance, spec: {} })
  const mark =
    unusedMs === undefined ? {} : { [annotations.unusedSince]: new Date(now - unusedMs).toISOString() }
  const stored = { uid: name, resourceVersion: '1', creationTimestamp: '2026-11-21T08:00:00Z' }
  return { apiVersion, kind, metadata: { ...metadata, ...stored, annotations: mark } }
}

describe('eventNamespacesToLookAt', () => {
  it('finds unused ones without a mark or with an old one, and used ones with a mark', () => {
    const namespaces = [
      listed('Event', 'unused'),
      listed('Event', 'marked', graceMs - 1),
      listed('Event', 'over', graceMs),
      listed('Event', 'used'),
      listed('Event', 'used-and-marked', 1),
      listed('Instance', 'own'),
    ]
    const occupied = new Set(['used', 'used-and-marked'])
    const found = eventNamespacesToLookAt(namespaces, occupied, { graceMs, now })
    expect(found.map(each => each.metadata.name)).toEqual(['unused', 'over', 'used-and-marked'])
  })
})

describe('withOutdatedQuota', () => {
  const settings = {
    byDefault: 'Event',
    allowed: ['Event'],
    namespacePrefix: 'ctf-',
    eventGraceMinutes: 60,
  } as const
  const quota = { pods: '500', cpu: '40' }
  const withQuota = (name: string, eventQuota: Record<string, string> | undefined) => {
    const { metadata } = namespace({ name, placement: 'Event', instance, spec: {}, eventQuota })
    const { annotations: own = {} } = metadata
    const { metadata: stored, ...rest } = listed('Event', name)
    return { ...rest, metadata: { ...stored, annotations: own } }
  }
  const namesOf = (
    namespaces: Parameters<typeof withOutdatedQuota>[0],
    eventQuota?: Record<string, string>,
  ) => withOutdatedQuota(namespaces, { ...settings, eventQuota }).map(each => each.metadata.name)

  it('finds namespaces of events with a quota that was changed, added or unset', () => {
    const namespaces = [withQuota('ctf-event-1', quota), withQuota('ctf-event-2', undefined)]
    expect(namesOf(namespaces, { cpu: '40', pods: '500' })).toEqual(['ctf-event-2'])
    expect(namesOf(namespaces, { ...quota, pods: '501' })).toEqual(['ctf-event-1', 'ctf-event-2'])
    expect(namesOf(namespaces)).toEqual(['ctf-event-1'])
  })

  it('leaves out other prefixes, and namespaces of single instances', () => {
    const namespaces = [withQuota('other-event-1', quota), listed('Instance', 'ctf-event-1')]
    expect(namesOf(namespaces, { pods: '1' })).toEqual([])
  })
})

describe('ownNamespacesLeft', () => {
  const left = [listed('Instance', 'ctf-web-7-x'), listed('Event', 'ctf-event-1')]

  it('sends the instance that is gone, with the namespace that it left', () => {
    expect(ownNamespacesLeft(left, new Map(), () => true)).toMatchObject([
      { key: { uid: instance.metadata.uid }, cause: 'orphan', workloadNamespace: 'ctf-web-7-x' },
    ])
  })

  it('leaves the namespaces of instances that live or that another operator watches', () => {
    const living = new Map([[instance.metadata.uid, sweptInstance(instance)]])
    expect(ownNamespacesLeft(left, living, () => true)).toEqual([])
    expect(ownNamespacesLeft(left, new Map(), () => false)).toEqual([])
  })
})
