import { expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import { createFanOut, rolloutHeld } from '../../../../lib/forward/dispatch/fan-out.ts'
import type { Row, TemplateEntry } from '../../../../lib/forward/table/row.ts'
import { createTable } from '../../../../lib/forward/table/table.ts'
import { start, virtualTime } from '../virtual-time.ts'
import { settled, template, withStatus } from '../watched-objects.ts'

/** Rows of the template, with instances on these generations. */
function rowsOn(
  template2: ReturnType<typeof template>,
  instances: { generation: number; ready: boolean; more?: ChallengeInstanceStatus }[],
) {
  const table = createTable(() => true, { onRow() {}, onInstanceGone() {}, onRowEmpty() {} })
  table.put(template2)
  instances.forEach(({ generation, ready, more }, index) => {
    const { instance } = settled(`i${index}`)
    const lastTransitionTime = new Date(start).toISOString()
    const condition = { type: 'Ready', reason: '', message: '', lastTransitionTime }
    table.put(
      withStatus(instance, {
        ...instance.status,
        template: { uid: 'template-1', generation, hash: '' },
        conditions: [{ ...condition, status: ready ? 'True' : 'False' }],
        ...more,
      }),
    )
  })
  const rows = [...table.rows()]
  return { rows, entry: rows[0]?.template as TemplateEntry }
}

const many = (count: number, generation: number, ready: boolean) =>
  Array.from({ length: count }, () => ({ generation, ready }))

test.each<[held: boolean, ready: number, unready: number]>([
  [false, 0, 0],
  [false, 0, 1],
  [true, 0, 2],
  [false, 18, 2],
  [true, 17, 3],
  [false, 90, 10],
  [true, 89, 11],
])(
  'rolloutHeld is %s with %i Ready and %i unready instances on the new generation',
  (held, ready, unready) => {
    const instances = [...many(ready, 2, true), ...many(unready, 2, false), ...many(5, 1, false)]
    expect(rolloutHeld(rowsOn(template(2), instances).entry)).toBe(held)
  },
)

test('instances whose template change was sent count as not Ready until they are on the new generation', () => {
  const { rows, entry } = rowsOn(template(2), many(5, 1, true))
  const message = { uid: '', cause: 'template', key: '', sentAt: 0, waitMs: 0, repeated: false } as const
  for (const row of rows.slice(0, 2))
    row.rollout = { ...message, versions: '', outdatedSince: undefined, repeatsForNewer: 0 }
  expect(rolloutHeld(entry)).toBe(true)
})

test('a roll-out is not held by hibernated instances or by reasons that concern a single instance', () => {
  const lastTransitionTime = new Date(start).toISOString()
  const conditions = [
    { type: 'Stalled', status: 'True' as const, reason: 'EnvInvalid', message: '', lastTransitionTime },
  ]
  const idle = Array.from({ length: 5 }, () => ({
    generation: 2,
    ready: false,
    more: { phase: 'Idle' as const },
  }))
  const own = Array.from({ length: 5 }, () => ({ generation: 2, ready: false, more: { conditions } }))
  expect(rolloutHeld(rowsOn(template(2), [...idle, ...own]).entry)).toBe(false)
})

test('a roll-out with the strategy Keep is not held by running instances', () => {
  const kept = { ...template(2), spec: { updateStrategy: 'Keep' } }
  expect(rolloutHeld(rowsOn(kept, many(5, 2, false)).entry)).toBe(false)
})

function released(rows: Row[]) {
  const time = virtualTime()
  const names: string[] = []
  const fanOut = createFanOut(row => names.push(row.name), time.timers)
  rows.forEach(fanOut.offer)
  return { ...time, names, fanOut }
}

test('the fan-out releases ten rows a second, broken ones first', async () => {
  const { rows } = rowsOn(template(2), [...many(30, 1, true), { generation: 1, ready: false }])
  const world = released(rows)
  await world.advance(999)
  expect(world.names).toHaveLength(10)
  expect(world.names[0]).toBe('i30')
  await world.advance(10_000)
  expect(world.names).toHaveLength(31)
})

test('the fan-out releases no row that was withdrawn, and none after it was cleared', async () => {
  const { rows } = rowsOn(template(2), many(10, 1, true))
  const world = released(rows)
  world.fanOut.withdraw(rows[1] as Row)
  await world.advance(250)
  expect(world.names).toEqual(['i0', 'i2', 'i3'])
  world.fanOut.clear()
  await world.advance(10_000)
  expect(world.names).toHaveLength(3)
})
