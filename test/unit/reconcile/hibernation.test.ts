import { describe, expect, test } from 'vitest'
import type { ChallengeInstanceSpec, ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import { annotations } from '../../../lib/crd/group.ts'
import { useOf, wakeToKeep } from '../../../lib/reconcile/hibernation.ts'
import { recordedChild, storedInstance, storedTemplate } from '../../support/objects.ts'

const created = Date.parse('2026-11-28T09:00:00Z')
const minutes = (count: number) => created + count * 60_000
const at = (time: number) => new Date(time).toISOString().replace('.000Z', 'Z')

interface World {
  now?: number
  annotation?: number
  /** `last_active_at` of the row; 'unread': the pass did not ask. */
  row?: number | 'unread'
  spec?: Partial<ChallengeInstanceSpec>
  status?: ChallengeInstanceStatus
  generation?: number
  idleMillicores?: number
  idleTimeoutMinutes?: number
}

function use(world: World = {}) {
  const { now = minutes(40), annotation, row, spec = {}, status = {}, generation = 1, idleMillicores } = world
  const { idleTimeoutMinutes = 30 } = world
  const instance = storedInstance({
    metadata: {
      creationTimestamp: at(created),
      generation,
      ...(annotation === undefined ? {} : { annotations: { [annotations.lastActivity]: at(annotation) } }),
    },
    spec,
    status: { phase: 'Ready', observedGeneration: 1, children: [recordedChild()], ...status },
  })
  const activity = row === 'unread' ? undefined : { lastActiveAt: row }
  const template = storedTemplate({ spec: { idleTimeoutMinutes } }).spec
  return useOf({ instance, activity }, template, { idleMillicores }, now)
}

const idle = (since: number) => ({ hibernation: { reason: 'Idle', since: at(since) } }) as const

describe('an instance that nobody uses', () => {
  test('is hibernated after the timeout, counted from the latest activity', () => {
    expect(use({ row: minutes(10) })).toMatchObject(idle(minutes(40)))
    expect(use({ row: minutes(10) + 1 }).hibernation).toBeUndefined()
    expect(use({ annotation: minutes(9) })).toMatchObject(idle(minutes(40)))
    expect(use({ annotation: minutes(9), row: minutes(20) }).hibernation).toBeUndefined()
  })

  test('runs on if nothing ever told of activity, and the pass knows that', () => {
    expect(use()).toMatchObject({ hibernation: undefined, hasSource: false })
  })

  test('runs on in a pass that did not ask, or that could not', () => {
    expect(use({ annotation: minutes(1), row: 'unread' })).toMatchObject({
      hibernation: undefined,
      hasSource: undefined,
    })
  })

  test('is in use until then, if something tells of activity', () => {
    expect(use({ row: minutes(10) + 1 }).inUse).toBe(true)
    expect(use({ row: minutes(10) }).inUse).toBeUndefined()
    expect(use().inUse).toBeUndefined()
    expect(use({ row: 'unread' }).inUse).toBeUndefined()
  })

  test('runs on while it does not serve', () => {
    expect(use({ row: minutes(1), status: { phase: 'Failed' } }).hibernation).toBeUndefined()
  })

  test('is hibernated without a report where the processor time is a source, after a quarter more', () => {
    expect(use({ idleMillicores: 5, now: minutes(37.5) })).toMatchObject(idle(minutes(37.5)))
    expect(use({ idleMillicores: 5, now: minutes(37.5) - 1 }).hibernation).toBeUndefined()
  })
})

describe('a hibernated instance', () => {
  const status: ChallengeInstanceStatus = { phase: 'Idle', ...idle(minutes(40)) }
  const later = { status, now: minutes(60) }

  test('stays so without new activity, whatever its timeout is by now', () => {
    expect(use({ ...later, annotation: minutes(9) })).toMatchObject(idle(minutes(40)))
    expect(use({ ...later, row: minutes(9) })).toMatchObject({ beganAt: undefined })
    for (const idleTimeoutMinutes of [5, 240, 0])
      expect(use({ ...later, row: minutes(9), idleTimeoutMinutes })).toMatchObject(idle(minutes(40)))
  })

  test('is woken by activity that annotation or database tells, and its idle clock is fresh', () => {
    const woken = { hibernation: undefined, beganAt: minutes(60) }
    expect(use({ ...later, annotation: minutes(59), row: 'unread' })).toMatchObject(woken)
    expect(use({ ...later, row: minutes(59) })).toMatchObject(woken)
  })

  test('is woken by suspend: false in a new spec only', () => {
    const spec = { suspend: false }
    expect(use({ ...later, spec, generation: 2 })).toMatchObject({ hibernation: undefined })
    expect(use({ ...later, spec, generation: 1 })).toMatchObject(idle(minutes(40)))
    expect(use({ ...later, generation: 2 })).toMatchObject(idle(minutes(40)))
  })

  test('stays woken by a wake that the status keeps, whatever keeps it from starting', () => {
    const status = { ...later.status, reason: 'TemplateMissing', lastActivityAt: at(minutes(50)) } as const
    expect(use({ ...later, status, spec: { suspend: false } }).hibernation).toBeUndefined()
    const before = { ...status, lastActivityAt: at(minutes(9)) }
    expect(use({ ...later, status: before, spec: { suspend: false } }).hibernation).toBeDefined()
  })

  test('that was suspended by its spec runs as soon as the spec does not say so', () => {
    const suspended = { reason: 'Suspended', since: at(minutes(40)) } as const
    expect(use({ now: minutes(60), status: { hibernation: suspended } })).toMatchObject({
      hibernation: undefined,
      beganAt: minutes(60),
    })
  })
})

test('a suspended instance is hibernated since the first pass that knew, also if it was idle before', () => {
  const spec = { suspend: true }
  expect(use({ spec }).hibernation).toEqual({ reason: 'Suspended', since: at(minutes(40)) })
  const again = { reason: 'Suspended', since: at(minutes(20)) } as const
  expect(use({ spec, status: { hibernation: again } }).hibernation).toEqual(again)
  expect(use({ spec, status: idle(minutes(20)) }).hibernation).toEqual({
    reason: 'Suspended',
    since: at(minutes(40)),
  })
})

test('an instance that starts long after its creation has its idle clock begin at the start', () => {
  expect(use({ status: { phase: 'Pending', children: [] } }).beganAt).toBe(minutes(40))
  expect(use({ now: created + 5_000, status: { children: [] } }).beganAt).toBeUndefined()
})

describe('the wake of a hibernated instance', () => {
  function kept({
    generation = 2,
    spec = { suspend: false },
    lastActivityAt,
  }: World & { lastActivityAt?: string } = {}) {
    const before: ChallengeInstanceStatus = { phase: 'Idle', observedGeneration: 1, ...idle(minutes(40)) }
    const status = lastActivityAt === undefined ? before : { ...before, lastActivityAt }
    const instance = storedInstance({
      metadata: { creationTimestamp: at(created), generation },
      spec,
      status,
    })
    return wakeToKeep({ instance, activity: undefined }, minutes(60))
  }

  test('is kept once where it cannot be carried out', () => {
    expect(kept()).toEqual({ ...idle(minutes(40)), beganAt: minutes(60), hasSource: undefined })
    expect(kept({ lastActivityAt: at(minutes(9)) })).toBeDefined()
    expect(kept({ lastActivityAt: at(minutes(50)) })).toBeUndefined()
  })

  test('is kept only if there was one', () => {
    expect(kept({ generation: 1 })).toBeUndefined()
    expect(kept({ spec: { suspend: true } })).toBeUndefined()
  })
})
