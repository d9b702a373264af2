import { describe, expect, test } from 'vitest'
import { openClock } from '../../../../lib/clock/state.ts'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import { annotations, labels } from '../../../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Stored } from '../../../../lib/crd/objects.ts'
import { judge } from '../../../../lib/forward/judge/judge.ts'
import { mismatchKey } from '../../../../lib/forward/judge/mismatch.ts'
import { outgoingChange } from '../../../../lib/forward/send/outgoing-change.ts'
import type { Row } from '../../../../lib/forward/table/row.ts'
import { createTable } from '../../../../lib/forward/table/table.ts'
import { start } from '../virtual-time.ts'
import { watchedEverywhere } from '../watched-everywhere.ts'
import {
  changed,
  deployment,
  instance,
  nextVersion,
  pod,
  settled,
  template,
  withStatus,
} from '../watched-objects.ts'

type World = ReturnType<typeof settled> & { template: Stored<KubernetesObject> | undefined }

/** Judges the row of a settled instance after a change. */
function verdictOn(change: (world: World) => void, now = start) {
  const world: World = { ...settled(), template: template() }
  change(world)
  const table = createTable(watchedEverywhere, { onRow() {}, onInstanceGone() {}, onRowEmpty() {} })
  const objects = [world.instance, ...world.children, world.pod, world.template]
  for (const object of objects) if (object) table.put(object)
  const [row] = table.rows() as Iterable<Row>
  if (row === undefined) throw new Error('no row')
  return judge(row, row.template?.digest, now)
}

const child = (world: World, kind: string) =>
  world.children.find(each => each.kind === kind) as Stored<Deployment>

const replace = (
  world: World,
  kind: string,
  make: (child: Stored<Deployment>) => Stored<KubernetesObject>,
) => {
  world.children = world.children.map(each => (each.kind === kind ? make(each as Stored<Deployment>) : each))
}

const setMetadata = (object: KubernetesObject, metadata: KubernetesObject['metadata']) => {
  object.metadata = { ...object.metadata, ...metadata }
}

const setStatus = (world: World, status: ChallengeInstanceStatus) => {
  world.instance.status = { ...world.instance.status, ...status }
}

const marked = { deletionTimestamp: new Date(start).toISOString(), generation: 2 }
const stalled = (reason: string) => ({
  type: 'Stalled',
  status: 'True' as const,
  reason,
  message: '',
  lastTransitionTime: '',
})

/** Pauses the instance. The newest pass has reported the pause and this generation. */
function pauseReported(world: World, reportedGeneration = 1): void {
  setMetadata(world.instance, { annotations: { [annotations.paused]: 'true' } })
  const conditions = [{ ...stalled('Paused'), observedGeneration: reportedGeneration }]
  setStatus(world, { reason: 'Paused', conditions })
}

test.each<[why: string, expected: string | undefined, change: (world: World) => void]>([
  ['a settled instance', undefined, () => {}],
  ['a new generation', 'changed', world => setMetadata(world.instance, { generation: 2 })],
  [
    'a new generation and absent children',
    'changed',
    world => {
      setMetadata(world.instance, { generation: 2 })
      world.children = []
    },
  ],
  ['an absent finalizer', 'changed', world => setMetadata(world.instance, { finalizers: ['other'] })],
  [
    'a force-sync that no pass has handled',
    'manual',
    world => setMetadata(world.instance, { annotations: { [annotations.forceSync]: '2' } }),
  ],
  [
    'a handled force-sync',
    undefined,
    world => {
      setMetadata(world.instance, { annotations: { [annotations.forceSync]: '2' } })
      setStatus(world, { handledSync: '2' })
    },
  ],
  ['a removed force-sync', undefined, world => setStatus(world, { handledSync: '2' })],
  [
    'a pause that the status does not show',
    'changed',
    world => setMetadata(world.instance, { annotations: { [annotations.paused]: 'true' } }),
  ],
  [
    'a paused instance with absent children and a newer template',
    undefined,
    world => {
      setMetadata(world.instance, { annotations: { [annotations.paused]: 'true' } })
      setStatus(world, { reason: 'Paused' })
      world.children = []
      world.template = template(2)
    },
  ],
  [
    'an edit during a pause that no pass has reported',
    'changed',
    world => {
      pauseReported(world)
      setMetadata(world.instance, { generation: 2 })
    },
  ],
  [
    'an edit during a pause that a pass has reported',
    undefined,
    world => {
      pauseReported(world, 2)
      setMetadata(world.instance, { generation: 2 })
    },
  ],
  ['a resumption that the status does not show', 'changed', world => setStatus(world, { reason: 'Paused' })],
  [
    'a paused instance that is deleted',
    'deleted',
    world => setMetadata(world.instance, { ...marked, annotations: { [annotations.paused]: 'true' } }),
  ],
  ['an instance that is marked for deletion', 'deleted', world => setMetadata(world.instance, marked)],
  [
    'an instance that is marked for deletion and has no finalizer of ours',
    undefined,
    world => setMetadata(world.instance, { ...marked, finalizers: ['other'] }),
  ],
  [
    'a terminating instance with a workload',
    undefined,
    world => {
      setMetadata(world.instance, marked)
      setStatus(world, { phase: 'Terminating' })
    },
  ],
  [
    'a terminating instance with a workload and a force-sync that no pass has handled',
    'manual',
    world => {
      setMetadata(world.instance, { ...marked, annotations: { [annotations.forceSync]: '2' } })
      setStatus(world, { phase: 'Terminating' })
    },
  ],
  [
    'a force-sync on a terminating instance that has no finalizer of ours',
    undefined,
    world => {
      const own = { ...marked, finalizers: ['other'], annotations: { [annotations.forceSync]: '2' } }
      setMetadata(world.instance, own)
      setStatus(world, { phase: 'Terminating' })
    },
  ],
  [
    'a terminating instance without its workload',
    'deleted',
    world => {
      setMetadata(world.instance, marked)
      setStatus(world, { phase: 'Terminating' })
      world.children = world.children.filter(each => each.kind !== 'Deployment')
    },
  ],
  [
    'a terminating instance that never had a workload',
    'deleted',
    world => {
      setMetadata(world.instance, marked)
      world.instance.status = { phase: 'Terminating' }
      world.children = []
    },
  ],
  ['a newer template', 'rollout', world => Object.assign(world, { template: template(2) })],
  [
    'another template under the same name',
    'rollout',
    world => Object.assign(world, { template: template(1, 'template-2') }),
  ],
  [
    'a deleted template',
    'rollout',
    world => {
      world.template = undefined
    },
  ],
  [
    'a template older than the one considered',
    undefined,
    world => {
      const status = world.instance.status ?? {}
      world.instance.status = { ...status, template: { uid: 'template-1', generation: 5, hash: '' } }
    },
  ],
  [
    'a missing template that the status reports',
    undefined,
    world => {
      const status = world.instance.status ?? {}
      world.template = undefined
      world.instance.status = {
        ...status,
        conditions: [...(status.conditions ?? []), stalled('TemplateMissing')],
      }
    },
  ],
  [
    'a missing template that the status reports beside another stall',
    undefined,
    world => {
      const { conditions = [], ...status } = world.instance.status ?? {}
      world.template = undefined
      const template = { uid: 'template-1', generation: 0, hash: 'h' }
      world.instance.status = { ...status, template, conditions: [...conditions, stalled('NameTaken')] }
    },
  ],
  [
    'a template that was missing before another stall',
    'rollout',
    world => setStatus(world, { template: { uid: 'template-1', generation: 0, hash: 'h' } }),
  ],
  [
    'a template that was missing before',
    'rollout',
    world => {
      const status = world.instance.status ?? {}
      world.instance.status = {
        ...status,
        conditions: [...(status.conditions ?? []), stalled('TemplateMissing')],
      }
    },
  ],
  [
    'a newer template and no workload',
    'template',
    world => {
      setStatus(world, { children: [] })
      world.children = []
      world.template = template(2)
    },
  ],
  ['an absent child', 'child', world => void world.children.shift()],
  ['a child with another spec', 'child', world => replace(world, 'NetworkPolicy', each => changed(each, 2))],
  [
    'a child with another value of our label',
    'child',
    world =>
      replace(world, 'Deployment', each => ({
        ...each,
        metadata: { ...each.metadata, labels: { ...each.metadata.labels, [labels.team]: '8' } },
      })),
  ],
  [
    "a child with somebody's label, annotation and finalizer",
    undefined,
    world =>
      replace(world, 'Service', each => ({
        ...each,
        metadata: {
          ...each.metadata,
          resourceVersion: nextVersion(),
          labels: { ...each.metadata.labels, by: 'hand' },
          annotations: { 'cloud.google.com/neg-status': '{}' },
          finalizers: ['example.com/hold'],
        },
      })),
  ],
  [
    'a Deployment with a new revision',
    undefined,
    world =>
      replace(world, 'Deployment', each => ({
        ...each,
        metadata: {
          ...each.metadata,
          resourceVersion: nextVersion(),
          annotations: { 'deployment.kubernetes.io/revision': '2' },
        },
      })),
  ],
  [
    'a child that is not recorded',
    'child',
    world => {
      const policy = child(world, 'NetworkPolicy')
      world.children.push({ ...policy, metadata: { ...policy.metadata, name: 'team-1-extra' } })
    },
  ],
  [
    'a child that is not recorded and is being deleted',
    undefined,
    world => {
      const policy = child(world, 'NetworkPolicy')
      world.children.push({
        ...policy,
        metadata: { ...policy.metadata, name: 'team-1-extra', deletionTimestamp: 'now' },
      })
    },
  ],
  [
    'a copy of a child under a name of its own',
    undefined,
    world => {
      const policy = child(world, 'NetworkPolicy')
      world.children.push({ ...policy, metadata: { ...policy.metadata, name: 'mine' } })
    },
  ],
  [
    "a predecessor's child that is not recorded",
    'orphan',
    world => {
      const policy = child(world, 'NetworkPolicy')
      const own = { ...policy.metadata.labels, 'infra.ctf.example.com/instance-uid': 'old' }
      world.children.push({ ...policy, metadata: { ...policy.metadata, name: 'team-1-extra', labels: own } })
    },
  ],
  ['a pod that is not ready', 'pod', world => Object.assign(world, { pod: pod(world.instance, false) })],
  [
    'another pod that is ready',
    'pod',
    world => Object.assign(world, { pod: pod(world.instance, true, 'team-1-other') }),
  ],
  [
    'a quota that refuses pods',
    'child',
    world => {
      world.pod = pod(instance('elsewhere'), true)
      replace(world, 'Deployment', each => {
        const refused = deployment(each, false)
        const condition = { type: 'ReplicaFailure', status: 'True', message: 'exceeded quota: q' }
        return { ...refused, status: { ...refused.status, conditions: [condition] } } as Stored<Deployment>
      })
    },
  ],
  [
    'an instance whose time is over',
    'expiry',
    world => setStatus(world, { expiresAt: new Date(start).toISOString() }),
  ],
])('judge: for %s the cause is %s', (_, expected, change) => {
  const { wake, rollout } = verdictOn(change)
  expect(wake?.cause ?? (rollout ? 'rollout' : undefined)).toBe(expected)
})

test('judge returns the end of an instance as the time to judge again', () => {
  const expiresAt = new Date(start + 60_000).toISOString()
  const verdict = verdictOn(world => setStatus(world, { expiresAt }))
  expect(verdict).toEqual({ wake: undefined, rollout: undefined, dueAt: start + 60_000 })
})

const contested = (count: number, secondsAgo: number) => (world: World) => {
  const at = new Date(start - secondsAgo * 1_000).toISOString()
  const children = world.instance.status?.children ?? []
  setStatus(world, { children: children.map(each => ({ ...each, repairs: { count, at } })) })
}

test.each<[state: string, change: (world: World) => void, wake: string | undefined, dueInSeconds?: number]>([
  ['that was repaired, and is as recorded', contested(4, 1), undefined],
  [
    'that was repaired a moment ago, and is changed again',
    world => {
      contested(2, 1)(world)
      world.children.shift()
    },
    undefined,
    1,
  ],
  [
    'whose pause is over, and that is changed again',
    world => {
      contested(2, 2)(world)
      world.children.shift()
    },
    'children',
  ],
  ['that is contested, and is as recorded', contested(5, 599), undefined, 1],
  ['that nothing has changed for ten minutes after a burst', contested(5, 600), 'contest-over'],
])('judge of a child %s', (_, change, kind, dueInSeconds) => {
  const { wake, dueAt } = verdictOn(change)
  expect(wake?.mismatch.kind).toBe(kind)
  expect(dueAt).toBe(dueInSeconds && start + dueInSeconds * 1_000)
})

test('judge returns a time for a running container that is not ready yet', () => {
  const verdict = verdictOn(world => {
    world.pod = pod(world.instance, false)
    world.instance = withStatus(world.instance, {
      ...world.instance.status,
      phase: 'Provisioning',
      conditions: [
        { type: 'Ready', status: 'False', reason: 'Progressing', message: '', lastTransitionTime: '' },
      ],
    })
    replace(world, 'Deployment', each => deployment(each, false))
  })
  expect(verdict.wake).toBeUndefined()
  expect(verdict.dueAt).toBeGreaterThan(start)
})

/** A Deployment that states no deadline has that of Kubernetes. */
const defaultDeadlineMs = 600_000

test('judge wakes an instance on a lost node again when no other pod became ready in time', () => {
  const world = (now: number) =>
    verdictOn(each => {
      const lost = pod(each.instance, true)
      each.pod = {
        ...lost,
        metadata: { ...lost.metadata, deletionTimestamp: new Date(start).toISOString() },
        status: { ...lost.status, conditions: [{ type: 'Ready', status: 'False' }] },
      } as typeof lost
      replace(each, 'Deployment', child => deployment(child, false))
      each.instance = withStatus(each.instance, {
        ...each.instance.status,
        phase: 'Provisioning',
        reason: 'NodeLost',
        conditions: [
          { type: 'Ready', status: 'False', reason: 'NodeLost', message: '', lastTransitionTime: '' },
        ],
      })
    }, now)
  expect(world(start)).toMatchObject({ wake: undefined, dueAt: start + defaultDeadlineMs })
  expect(world(start + defaultDeadlineMs).wake).toMatchObject({
    cause: 'pod',
    mismatch: { reason: 'NodeLost', failed: true },
  })
})

test('a mismatch that was cured and comes back has another deduplication id', () => {
  const wakes = [1, 2].map(() => verdictOn(world => void world.children.shift()).wake)
  const [first, second] = wakes.map(wake => {
    if (wake === undefined) throw new Error('no wake')
    const key = { namespace: 'ctf', name: 'team-1' }
    const { deduplicationId } = outgoingChange({
      key,
      wake,
      at: start,
      trace: '',
      clock: 'none',
      repeated: false,
    })
    return { key: mismatchKey(wake.mismatch), deduplicationId }
  })
  expect(second?.key).toBe(first?.key)
  expect(second?.deduplicationId).not.toBe(first?.deduplicationId)
})

test('an edit during a pause and the end of the pause have different deduplication ids', () => {
  const edited = verdictOn(world => {
    pauseReported(world)
    setMetadata(world.instance, { generation: 2 })
  })
  const resumed = verdictOn(world => {
    pauseReported(world, 2)
    setMetadata(world.instance, { generation: 2, annotations: {} })
  })
  const ids = [edited, resumed].map(({ wake }) => {
    if (wake === undefined) throw new Error('no wake')
    const key = { namespace: 'ctf', name: 'team-1' }
    return outgoingChange({ key, wake, at: start, trace: '', clock: 'none', repeated: false }).deduplicationId
  })
  expect(new Set(ids).size).toBe(2)
})

test('judge returns orphans with the uid that the labels of the children name', () => {
  const { children } = settled()
  const table = createTable(watchedEverywhere, { onRow() {}, onInstanceGone() {}, onRowEmpty() {} })
  children.forEach(table.put)
  const [row] = table.rows() as Iterable<Row>
  expect(row && judge(row, undefined, start).wake).toMatchObject({ cause: 'orphan', uid: 'uid-team-1' })
})

describe('the end of an instance that is near', () => {
  const end = start + 3_600_000
  const rules = { warnMinutes: 10 }
  const verdictAt = (at: number, status: ChallengeInstanceStatus = {}, clock = openClock) => {
    const table = createTable(watchedEverywhere, { onRow() {}, onInstanceGone() {}, onRowEmpty() {} })
    const { instance, children, pod } = settled()
    const expiresAt = new Date(end).toISOString()
    instance.status = { ...instance.status, expiresAt, ...status }
    for (const object of [instance, ...children, pod, template()]) table.put(object)
    const [row] = table.rows() as Iterable<Row>
    return row && judge(row, row.template?.digest, at, { ...rules, clock })
  }

  test('is told once, ten minutes before, and the end itself is the next date', () => {
    expect(verdictAt(end - 600_001)).toMatchObject({ wake: undefined, dueAt: end - 600_000 })
    const told = { kind: 'expiring', expiresAt: end }
    expect(verdictAt(end - 600_000)).toMatchObject({ wake: { cause: 'changed', mismatch: told }, dueAt: end })
    const warnedOf = new Date(end).toISOString()
    expect(verdictAt(end - 600_000, { warnedOf })).toMatchObject({ wake: undefined, dueAt: end })
  })

  test('is told again after a renewal', () => {
    const warnedOf = new Date(end - 60_000).toISOString()
    expect(verdictAt(end - 1, { warnedOf })?.wake?.mismatch.kind).toBe('expiring')
  })

  test('is not told when it has come', () => {
    expect(verdictAt(end)?.wake?.mismatch.kind).toBe('expired')
  })

  test('is part of its message, unless a pass has to read more than it', () => {
    const wakeAt = (status: ChallengeInstanceStatus, clock = openClock) => verdictAt(end, status, clock)?.wake
    const createdAt = Date.parse(settled().instance.metadata.creationTimestamp)
    const revision = 'web.1'
    const used = { template: { uid: 'template-uid', generation: 1, hash: 'any', revision } }
    const seen = { at: end, createdAt, template: 'web', revision, event: 1, team: 7 }
    expect(wakeAt(used)).toMatchObject({ cause: 'expiry', resourceVersion: expect.any(String), end: seen })
    expect(
      wakeAt({ template: { uid: 'template-uid', generation: 1, hash: 'of an earlier release' } })?.end,
    ).toBe(undefined)
    const credits = [{ id: 'minus', minutes: -5, at: createdAt }]
    expect(wakeAt(used, { ...openClock, credits })).toMatchObject({ cause: 'expiry', end: undefined })
  })
})
