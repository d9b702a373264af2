import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limits } from '../../../lib/config/limits.ts'
import {
  admitted,
  Holdings,
  type LimitedInstance,
  scopesOf,
  type Waiting,
} from '../../../lib/store/admission-step.ts'

const none: Limits = { perTeam: undefined, perEvent: undefined, total: undefined }

const holder = (teamId: string, parts: Partial<LimitedInstance> = {}): LimitedInstance => ({
  namespace: 'ctf',
  template: 'web',
  teamId,
  eventId: '1',
  maxInstances: undefined,
  ...parts,
})

const waiting = (uid: string, teamId: string, parts: Partial<Waiting> = {}): Waiting => ({
  ...holder(teamId, parts),
  name: uid,
  uid,
  woken: false,
  createdAt: 0,
  ...parts,
})

const turns = (all: Waiting[], held: LimitedInstance[], limits: Limits) =>
  admitted(all, new Holdings(held), limits).map(({ uid }) => uid)

describe('the limits that hold for an instance', () => {
  test('are those of its team, its template, its event and the cluster, and only those that are set', () => {
    expect(scopesOf(holder('7'), none)).toEqual([])
    const limits = { perTeam: 1, perEvent: 2, total: 3 }
    const names = (each: LimitedInstance) =>
      scopesOf(each, limits).map(({ name, limit }) => `${name} ${limit}`)
    expect(names(holder('7', { maxInstances: 4 }))).toEqual(['team 1', 'template 4', 'event 2', 'cluster 3'])
  })

  test('leave out that of a team for instances that all teams share', () => {
    expect(scopesOf(holder('0'), { ...none, perTeam: 1 })).toEqual([])
  })

  test('count a team in each event apart, and a template in each namespace', () => {
    const holdings = new Holdings([holder('7')])
    const limits = { ...none, perTeam: 1 }
    expect(holdings.full(holder('7'), limits)?.name).toBe('team')
    expect(holdings.full(holder('7', { eventId: '2' }), limits)).toBeUndefined()
    expect(holdings.full(holder('8', { maxInstances: 1 }), limits)?.name).toBe('template')
    expect(holdings.full(holder('8', { maxInstances: 1, namespace: 'other' }), limits)).toBeUndefined()
  })
})

describe('the turn of those that wait', () => {
  const room = (total: number) => ({ ...none, total })

  test('comes first for those that were woken, then for whose team holds least, then for the oldest', () => {
    const all = [
      waiting('young', '2', { createdAt: 2 }),
      waiting('old', '2', { createdAt: 1 }),
      waiting('rich', '1', { createdAt: 0 }),
      waiting('woken', '1', { createdAt: 9, woken: true }),
    ]
    expect(turns(all, [holder('1')], room(2))).toEqual(['woken'])
    expect(turns(all, [holder('1')], room(5))).toEqual(['woken', 'old', 'young', 'rich'])
  })

  test('alternates between teams that hold the same', () => {
    const all = ['a', 'b', 'c'].flatMap((name, index) => [
      waiting(`1${name}`, '1', { createdAt: index }),
      waiting(`2${name}`, '2', { createdAt: 10 + index }),
    ])
    expect(turns(all, [], room(4))).toEqual(['1a', '2a', '1b', '2b'])
  })

  test('passes over those that a limit of their own keeps out', () => {
    const all = [waiting('full', '1', { createdAt: 0 }), waiting('next', '2', { createdAt: 1 })]
    expect(turns(all, [holder('1')], { ...room(3), perTeam: 1 })).toEqual(['next'])
  })

  test('never exceeds a limit, and leaves nobody out that there is room for', () => {
    const team = fc.constantFrom('1', '2', '3')
    const event = fc.constantFrom('1', '2')
    const template = fc.constantFrom('web', 'pwn')
    const limit = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined })
    const maxOf: Record<string, number | undefined> = { web: 2, pwn: undefined }
    const one = fc.record({
      teamId: team,
      eventId: event,
      template,
      woken: fc.boolean(),
      createdAt: fc.nat(5),
    })
    fc.assert(
      fc.property(
        fc.array(one, { maxLength: 8 }),
        fc.array(one, { maxLength: 12 }),
        fc.record({ perTeam: limit, perEvent: limit, total: limit }),
        (held, asking, limits) => {
          const known = (each: (typeof held)[number], index: number) =>
            waiting(`u${index}`, each.teamId, { ...each, maxInstances: maxOf[each.template] })
          const holders = held.map(known)
          const all = asking.map((each, index) => known(each, index + 100))
          const chosen = admitted(all, new Holdings(holders), limits)
          const after = new Holdings([...holders, ...chosen])
          for (const each of chosen)
            for (const { key, limit } of scopesOf(each, limits))
              expect(after.of(key)).toBeLessThanOrEqual(limit)
          for (const each of all.filter(left => !chosen.includes(left)))
            expect(after.full(each, limits)).toBeDefined()
        },
      ),
    )
  })
})
