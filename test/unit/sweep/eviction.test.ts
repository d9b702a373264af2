import { expect, test } from 'vitest'
import { labels, safeToEvict } from '../../../lib/crd/group.ts'
import { anyInUse, keptAfter, keptPods, wronglyKept } from '../../../lib/sweep/eviction.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'

const created = Date.parse('2026-11-28T09:00:00Z')
const minutes = (count: number) => created + count * 60_000
const at = (time: number) => new Date(time).toISOString()

function instance(uid: string, status: NonNullable<ReturnType<typeof storedInstance>['status']> = {}) {
  return sweptInstance(
    storedInstance({
      metadata: { uid, name: uid, creationTimestamp: at(created) },
      status: { phase: 'Ready', podName: `${uid}-pod`, ...status },
    }),
  )
}

const template = (idleTimeoutMinutes: number) =>
  storedTemplate({ metadata: { name: 'web' }, spec: { idleTimeoutMinutes } })

/** How instances are used whose rows have these times of activity, an hour after their creation. */
function useBy(activity: Record<string, number | undefined>, idleTimeoutMinutes?: number) {
  const rows = new Map(Object.entries(activity).map(([uid, lastActiveAt]) => [uid, { lastActiveAt }]))
  const templates = idleTimeoutMinutes === undefined ? [] : [template(idleTimeoutMinutes)]
  return { rows, templates, idleMillicores: undefined, now: minutes(60) }
}

const found = (...[instances, kept, use]: Parameters<typeof wronglyKept>) =>
  wronglyKept(instances, kept, use).map(({ cause, key }) => `${cause} ${key.uid}`)

const known = (...uids: string[]) => new Map(uids.map(uid => [uid, { name: `${uid}-pod` }]))
const byOthers = (...uids: string[]) =>
  new Map(uids.map(uid => [uid, { name: `${uid}-pod`, byOthers: true as const }]))

test('an instance in use has its pod kept, once', () => {
  const use = useBy({ a: minutes(59) })
  expect(anyInUse([instance('a')], use)).toBe(true)
  expect(found([instance('a')], new Map(), use)).toEqual(['idle a'])
  expect(found([instance('a')], known('a'), use)).toEqual([])
  expect(found([instance('a', { podName: 'another' })], known('a'), use)).toEqual(['idle a'])
})

test('an instance of which nothing was told, and one without a pod, are not in use', () => {
  expect(anyInUse([instance('a')], useBy({ a: undefined }, 30))).toBe(false)
  expect(anyInUse([instance('a', { phase: 'Idle' })], useBy({ a: minutes(59) }))).toBe(false)
  expect(found([instance('a')], known('a'), useBy({ a: undefined }))).toEqual([])
})

test('a pod is kept until the timeout; then it goes with its instance, and a silence of many changes nothing', () => {
  expect(found([instance('a')], new Map(), useBy({ a: minutes(30) + 1 }, 30))).toEqual(['idle a'])
  expect(found([instance('a')], new Map(), useBy({ a: minutes(30) }, 30))).toEqual([])
  expect(found([instance('a')], known('a'), useBy({ a: minutes(30) }, 30))).toEqual([])
})

test('without a timeout a pod is given free after the default one', () => {
  expect(found([instance('a')], known('a'), useBy({ a: minutes(15) + 1 }, 0))).toEqual([])
  expect(found([instance('a')], known('a'), useBy({ a: minutes(15) }, 0))).toEqual(['idle a'])
})

test('a pod that somebody else keeps is as it has to be, in use and after it', () => {
  for (const activity of [59, 15]) {
    const use = useBy({ a: minutes(activity) }, 0)
    expect(found([instance('a')], byOthers('a'), use)).toEqual([])
    expect(keptAfter([instance('a')], byOthers('a'), { sent: [], use })).toEqual(byOthers('a'))
  }
})

test('what was sent is remembered, and what is gone is forgotten', () => {
  const use = useBy({ a: minutes(59), b: minutes(15) }, 0)
  const instances = [instance('a'), instance('b'), instance('c', { phase: 'Idle' })]
  const kept = known('b', 'c', 'gone')
  const sent = wronglyKept(instances, kept, use)
  expect(keptAfter(instances, kept, { sent, use })).toEqual(known('a'))
  expect(keptAfter(instances, kept, { sent: [], use })).toEqual(known('b'))
})

test('a list of pods says which are kept', () => {
  const pod = (
    uid: string,
    safe: string | undefined,
    { manager = 'challenge-operator', ...rest }: { deletionTimestamp?: string; manager?: string } = {},
  ) => ({
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: {
      ...{
        namespace: 'default',
        name: `${uid}-pod`,
        uid: `pod of ${uid}`,
        resourceVersion: '1',
        creationTimestamp: at(created),
      },
      labels: { [labels.instanceUid]: uid },
      ...(safe === undefined ? {} : { annotations: { [safeToEvict]: safe } }),
      managedFields: [
        { manager, fieldsV1: { 'f:metadata': { 'f:annotations': { [`f:${safeToEvict}`]: {} } } } },
      ],
      ...rest,
    },
  })
  const listed = [
    pod('a', 'false'),
    pod('b', 'true'),
    pod('c', undefined),
    pod('d', 'false', { deletionTimestamp: at(created) }),
    pod('e', 'false', { manager: 'kubectl-annotate' }),
  ]
  expect(keptPods(listed)).toEqual(new Map([...known('a'), ...byOthers('e')]))
})
