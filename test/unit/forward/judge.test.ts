import { expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import { annotations } from '../../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { judge } from '../../../lib/forward/judge.ts'
import { mismatchKey } from '../../../lib/forward/mismatch.ts'
import { outgoingChange } from '../../../lib/forward/outgoing-change.ts'
import type { Row } from '../../../lib/forward/row.ts'
import { createTable } from '../../../lib/forward/table.ts'
import { start } from './virtual-time.ts'
import { deployment, instance, nextVersion, pod, settled, template, withStatus } from './watched-objects.ts'

type World = ReturnType<typeof settled> & { template: Stored<KubernetesObject> | undefined }

/** The verdict on the only row, after a settled world was changed. */
function verdictOn(change: (world: World) => void, now = start) {
  const world: World = { ...settled(), template: template() }
  change(world)
  const table = createTable(() => true, { onRow() {}, onInstanceGone() {}, onRowEmpty() {} })
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

const meta = (object: KubernetesObject, metadata: KubernetesObject['metadata']) => {
  object.metadata = { ...object.metadata, ...metadata }
}

const say = (world: World, status: ChallengeInstanceStatus) => {
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

test.each<[why: string, expected: string | undefined, change: (world: World) => void]>([
  ['settled', undefined, () => {}],
  ['a new generation', 'changed', world => meta(world.instance, { generation: 2 })],
  [
    'a new generation hides its children',
    'changed',
    world => {
      meta(world.instance, { generation: 2 })
      world.children = []
    },
  ],
  ['live without our finalizer', 'changed', world => meta(world.instance, { finalizers: ['other'] })],
  [
    'force-sync not taken up',
    'manual',
    world => meta(world.instance, { annotations: { [annotations.forceSync]: '2' } }),
  ],
  [
    'force-sync taken up',
    undefined,
    world => {
      meta(world.instance, { annotations: { [annotations.forceSync]: '2' } })
      say(world, { handledSync: '2' })
    },
  ],
  ['force-sync taken off', undefined, world => say(world, { handledSync: '2' })],
  [
    'paused, not reflected',
    'changed',
    world => meta(world.instance, { annotations: { [annotations.paused]: 'true' } }),
  ],
  [
    'paused and reflected, children gone, template changed',
    undefined,
    world => {
      meta(world.instance, { annotations: { [annotations.paused]: 'true' } })
      say(world, { reason: 'Paused' })
      world.children = []
      world.template = template(2)
    },
  ],
  ['resumed, not reflected', 'changed', world => say(world, { reason: 'Paused' })],
  [
    'paused, deleted',
    'deleted',
    world => meta(world.instance, { ...marked, annotations: { [annotations.paused]: 'true' } }),
  ],
  ['marked for deletion', 'deleted', world => meta(world.instance, marked)],
  [
    'marked, our finalizer off',
    undefined,
    world => meta(world.instance, { ...marked, finalizers: ['other'] }),
  ],
  [
    'terminating, the workload stands',
    undefined,
    world => {
      meta(world.instance, marked)
      say(world, { phase: 'Terminating' })
    },
  ],
  [
    'terminating, the workload is gone',
    'deleted',
    world => {
      meta(world.instance, marked)
      say(world, { phase: 'Terminating' })
      world.children = world.children.filter(each => each.kind !== 'Deployment')
    },
  ],
  [
    'terminating, there was no workload',
    'deleted',
    world => {
      meta(world.instance, marked)
      world.instance.status = { phase: 'Terminating' }
      world.children = []
    },
  ],
  ['a newer template', 'rollout', world => Object.assign(world, { template: template(2) })],
  [
    'another template under the name',
    'rollout',
    world => Object.assign(world, { template: template(1, 'template-2') }),
  ],
  [
    'no template any more',
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
    'no template, and said so',
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
    'a template where none was',
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
    'a newer template, nothing running',
    'template',
    world => {
      say(world, { children: [] })
      world.children = []
      world.template = template(2)
    },
  ],
  ['a child is absent', 'child', world => void world.children.shift()],
  [
    'a child has another generation',
    'child',
    world =>
      replace(world, 'NetworkPolicy', each => ({ ...each, metadata: { ...each.metadata, generation: 2 } })),
  ],
  [
    'a child has another label',
    'child',
    world =>
      replace(world, 'Deployment', each => ({
        ...each,
        metadata: { ...each.metadata, labels: { ...each.metadata.labels, by: 'hand' } },
      })),
  ],
  [
    'a Deployment has a new revision',
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
    'a child that is not recorded, on its way out',
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
    "a copy of a child under somebody's own name",
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
  ['the pod is not ready', 'pod', world => Object.assign(world, { pod: pod(world.instance, false) })],
  [
    'another pod is ready',
    'pod',
    world => Object.assign(world, { pod: pod(world.instance, true, 'team-1-other') }),
  ],
  [
    'a quota refuses pods',
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
  ['its time is over', 'expiry', world => say(world, { expiresAt: new Date(start).toISOString() })],
])('%s: %s', (_, expected, change) => {
  const { wake, rollout } = verdictOn(change)
  expect(wake?.cause ?? (rollout ? 'rollout' : undefined)).toBe(expected)
})

test('an end to come is when the row is judged again', () => {
  const expiresAt = new Date(start + 60_000).toISOString()
  const verdict = verdictOn(world => say(world, { expiresAt }))
  expect(verdict).toEqual({ wake: undefined, rollout: undefined, dueAt: start + 60_000 })
})

test('a running container that does not get ready is judged again when its patience is over', () => {
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

test('a mismatch that was cured and comes back has another deduplication id', () => {
  const wakes = [1, 2].map(() => verdictOn(world => void world.children.shift()).wake)
  const [first, second] = wakes.map(wake => {
    if (wake === undefined) throw new Error('no wake')
    const key = { namespace: 'ctf', name: 'team-1' }
    const { deduplicationId } = outgoingChange({ key, wake, at: start, trace: '', repeated: false })
    return { key: mismatchKey(wake.mismatch), deduplicationId }
  })
  expect(second?.key).toBe(first?.key)
  expect(second?.deduplicationId).not.toBe(first?.deduplicationId)
})

test('children of an instance that is gone are orphans of the uid they name', () => {
  const { children } = settled()
  const table = createTable(() => true, { onRow() {}, onInstanceGone() {}, onRowEmpty() {} })
  children.forEach(table.put)
  const [row] = table.rows() as Iterable<Row>
  expect(row && judge(row, undefined, start).wake).toMatchObject({ cause: 'orphan', uid: 'uid-team-1' })
})
