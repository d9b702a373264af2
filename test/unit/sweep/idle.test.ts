import { describe, expect, test } from 'vitest'
import { mayBeIdle, type UseSeen, useFound } from '../../../lib/sweep/idle.ts'
import { type SweptInstance, sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'

const created = Date.parse('2026-11-28T09:00:00Z')
const minutes = (count: number) => created + count * 60_000
const at = (time: number) => new Date(time).toISOString()

const withoutSource = [
  {
    type: 'IdleDetection',
    status: 'False' as const,
    reason: 'NoActivitySource',
    message: '',
    lastTransitionTime: '',
  },
]

type Status = NonNullable<ReturnType<typeof storedInstance>['status']>

function instance(uid: string, status: Status = {}) {
  return sweptInstance(
    storedInstance({
      metadata: { uid, name: uid, creationTimestamp: at(created) },
      status: { phase: 'Ready', ...status },
    }),
  )
}

/** What a sweep finds of instances whose rows have these times of activity, under a template with 30 minutes. */
function found(
  activity: Record<string, number | undefined>,
  { statuses = {}, ...seen }: Partial<UseSeen> & { statuses?: Record<string, Status> } = {},
) {
  const instances = Object.keys(activity).map(uid => instance(uid, statuses[uid]))
  const rows = new Map(Object.entries(activity).map(([uid, lastActiveAt]) => [uid, { lastActiveAt }]))
  const use = useFound(new Map(instances.map(each => [each.uid, each])), {
    rows,
    templates: [storedTemplate({ metadata: { name: 'web' }, spec: { idleTimeoutMinutes: 30 } })],
    millicores: undefined,
    idleMillicores: undefined,
    hibernates: true,
    now: minutes(60),
    ...seen,
  })
  return { ...use, mismatches: use.mismatches.map(({ cause, key }) => `${cause} ${key.uid}`) }
}

test('an instance without activity for as long as its timeout is idle, and one with later activity is not', () => {
  expect(found({ a: minutes(30), b: minutes(30) + 1 }).mismatches).toEqual(['idle a'])
})

test('nobody is idle while the times of activity are as old as a backup', () => {
  expect(found({ a: minutes(1), b: minutes(2) }, { hibernates: false }).mismatches).toEqual([])
})

test('a template with another timeout, or with none, decides', () => {
  const template = (idleTimeoutMinutes: number) =>
    storedTemplate({ metadata: { name: 'web' }, spec: { idleTimeoutMinutes } })
  expect(found({ a: minutes(30) }, { templates: [template(31)] }).mismatches).toEqual([])
  expect(found({ a: minutes(1) }, { templates: [template(0)] }).mismatches).toEqual([])
  expect(found({ a: minutes(1) }, { templates: [] }).mismatches).toEqual([])
})

test('an instance of which nothing was ever told gets one pass that says so', () => {
  expect(found({ a: undefined }).mismatches).toEqual(['idle a'])
  expect(found({ a: undefined }, { statuses: { a: { conditions: withoutSource } } }).mismatches).toEqual([])
  expect(found({ a: minutes(1) }, { statuses: { a: { conditions: withoutSource } } }).mismatches).toEqual([
    'idle a',
  ])
})

test('a hibernated instance is woken by later activity in the database', () => {
  const statuses = { a: { phase: 'Idle', hibernation: { reason: 'Idle', since: at(minutes(50)) } } } as const
  expect(found({ a: minutes(51) }, { statuses }).mismatches).toEqual(['idle a'])
  expect(found({ a: minutes(49) }, { statuses }).mismatches).toEqual([])
})

describe('activity that ends for many at once', () => {
  test('hibernates none of them, since their proxy died', () => {
    const use = found({ a: minutes(20), b: minutes(21), c: minutes(22), d: minutes(5) })
    expect(use.mismatches).toEqual(['idle d'])
    expect(use.silent).toBe(3)
  })

  test('hibernates them if somebody is active later, or if they are few', () => {
    const later = found({ a: minutes(20), b: minutes(21), c: minutes(22), d: minutes(58) })
    expect(later.mismatches).toEqual(['idle a', 'idle b', 'idle c'])
    expect(found({ a: minutes(20), b: minutes(21) }).mismatches).toEqual(['idle a', 'idle b'])
  })

  test('hibernates them if most others left before', () => {
    const gone = { p: minutes(1), q: minutes(2), r: minutes(3), s: minutes(4), t: minutes(5) }
    const use = found({ a: minutes(20), b: minutes(21), c: minutes(22), ...gone })
    expect(use.mismatches).toHaveLength(8)
  })
})

describe('the processor time of pods', () => {
  const settings = { idleMillicores: 10, now: minutes(120) }

  test('keeps a busy instance up, and is recorded once in a quarter of the timeout', () => {
    const millicores = new Map([
      ['a', 11],
      ['b', 11],
      ['c', 10],
    ])
    const use = found(
      { a: minutes(120) - 450_000, b: minutes(120) - 449_999, c: minutes(80) },
      { ...settings, millicores },
    )
    expect(use.busy).toEqual(['a'])
    expect(use.mismatches).toEqual(['idle c'])
  })

  test('says nothing of an instance whose pod it does not know', () => {
    expect(found({ a: minutes(1) }, { ...settings, millicores: new Map() }).mismatches).toEqual([])
  })

  test('is a source of its own', () => {
    expect(found({ a: undefined }, { ...settings, millicores: new Map([['a', 0]]) }).mismatches).toEqual([
      'idle a',
    ])
  })
})

test('templates are read only if an instance is old enough to be idle, and something may tell that it is', () => {
  const asks = (each: SweptInstance, parts: Partial<UseSeen> = {}) =>
    mayBeIdle([each], { rows: new Map(), idleMillicores: undefined, now: created + 300_000, ...parts })
  expect(asks(instance('a'))).toBe(true)
  expect(asks(instance('a'), { now: created + 299_999 })).toBe(false)
  expect(asks(instance('a', { phase: 'Idle' }))).toBe(false)
  const without = instance('a', { conditions: withoutSource })
  expect(asks(without)).toBe(false)
  expect(asks(without, { idleMillicores: 5 })).toBe(true)
  expect(asks(without, { rows: new Map([['a', { lastActiveAt: created }]]) })).toBe(true)
})
