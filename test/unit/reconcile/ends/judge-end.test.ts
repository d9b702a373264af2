import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openClock } from '../../../../lib/clock/state.ts'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import { annotations } from '../../../../lib/crd/group.ts'
import { revisionName } from '../../../../lib/desired/template-revision.ts'
import { decide } from '../../../../lib/reconcile/decide.ts'
import { judgeEnd } from '../../../../lib/reconcile/ends/judge-end.ts'
import { storedInstance, storedTemplate } from '../../../support/objects.ts'
import { observation } from '../observations.ts'

const config = parseOperatorConfig({ FLAG_SECRET: 'b'.repeat(64) })
const now = Date.parse('2026-11-21T09:00:00Z')
const date = (aheadMinutes: number) => new Date(now + aheadMinutes * 60_000).toISOString()
const minutes = fc.integer({ min: -3, max: 3 })
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const world = fc.record({
  asked: maybe(minutes),
  ttl: maybe(fc.integer({ min: 57, max: 63 })),
  until: maybe(minutes),
  credit: maybe(minutes),
  paused: fc.boolean(),
  clockPaused: fc.boolean(),
  uses: fc.constantFrom('this', 'another', 'none'),
  exists: fc.boolean(),
})

it('calls an end over if and only if the whole decision does, wherever it judges at all', () => {
  let over = 0
  fc.assert(
    fc.property(world, ({ asked, ttl, until, credit, paused, clockPaused, uses, exists }) => {
      const template = storedTemplate({
        spec: {
          ...(ttl === undefined ? {} : { ttlMinutes: ttl }),
          ...(until === undefined ? {} : { availableUntil: date(until) }),
        },
      })
      const revision = uses === 'this' ? revisionName(template) : 'another'
      const used = { uid: template.metadata.uid, generation: 1, hash: 'any', revision }
      const instance = storedInstance({
        metadata: { annotations: paused ? { [annotations.paused]: 'true' } : {} },
        spec: asked === undefined ? {} : { expiresAt: date(asked) },
        status: uses === 'none' ? {} : { template: used },
      })
      const credits = credit === undefined ? [] : [{ id: 'a', minutes: credit, at: now }]
      const clock = { ...openClock, paused: clockPaused, credits }
      const ground = { instance, clock, template: exists ? template : undefined }
      const verdict = judgeEnd(ground, config, { now, reached: now })
      const observed = observation({
        instance,
        clock,
        template: exists ? { kind: 'read', template } : { kind: 'missing' },
      })
      if (!exists || uses === 'another') return verdict.kind === 'open'
      if (verdict.kind === 'over') over += 1
      return (verdict.kind === 'over') === (decide(observed, config, now).kind === 'expire')
    }),
  )
  expect(over).toBeGreaterThan(0)
})

it('waits for an end that is near', () => {
  const instance = storedInstance({ spec: { expiresAt: date(0) } })
  const ground = { instance, clock: openClock, template: storedTemplate() }
  expect(judgeEnd(ground, config, { now, reached: now - 400 })).toMatchObject({ kind: 'soon', inMs: 400 })
  expect(judgeEnd(ground, config, { now: now - 300, reached: now - 400 })).toMatchObject({
    kind: 'soon',
    inMs: 300,
  })
  expect(judgeEnd(ground, config, { now: now - 60_000, reached: now - 60_000 })).toEqual({ kind: 'open' })
})
