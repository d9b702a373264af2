import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { creditMinutes as creditMinutesOf, creditScope } from '../../lib/clock/credits.ts'
import type { Credit } from '../../lib/clock/state.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import {
  creditsReported,
  expiredAt,
  expiresAt,
  notYetAvailable,
  parseTime,
  rfc3339,
} from '../../lib/lifetime.ts'
import { instance, template } from './desired/inputs.ts'

/** The instances of these tests were created at 09:00. */
const at = (text: string) => Date.parse(`2026-11-28T${text}:00Z`)
const none = { defaultTtlMinutes: undefined, credits: [] }

describe('parseTime', () => {
  it.each([
    ['2026-11-28T09:00:00Z', at('09:00')],
    ['2026-11-28T10:00:00+01:00', at('09:00')],
    ['2026-11-28t09:00:00.000z', at('09:00')],
    ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
    ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
    ['2026-11-28T09:00:00.123456789Z', at('09:00') + 123],
    ['9999-12-31T23:59:59Z', Date.UTC(9999, 11, 31, 23, 59, 59)],
  ])('reads %s', (text, time) => {
    expect(parseTime(text)).toBe(time)
  })

  it.each([
    '',
    '2026-11-28',
    '2026-11-28T09:00:00',
    '2026-11-28 09:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-11-28T24:00:00Z',
    '2026-11-28T09:00:60Z',
    '2026-11-28T09:00:00+25:00',
    '2026-11-28T09:00:00.1234567890Z',
    '2026-04-31T00:00:00Z',
    '2100-02-29T00:00:00Z',
    'tomorrow',
    '1764320400',
  ])('refuses %j', text => {
    expect(parseTime(text)).toBeUndefined()
  })
})

it('parseTime reads exactly the days that exist', () => {
  for (const year of [1900, 1999, 2000, 2024, 2026, 2096, 2100, 2400])
    for (let month = 0; month < 12; month++)
      for (let day = 1; day <= 31; day++) {
        const exists = new Date(Date.UTC(year, month, day)).getUTCDate() === day
        const text = `${year}-${String(month + 1).padStart(2, '0')}-${String(day).padStart(2, '0')}T00:00:00Z`
        expect(parseTime(text), text).toBe(exists ? Date.UTC(year, month, day) : undefined)
      }
})

describe('expiresAt', () => {
  it('is undefined without a limit', () => {
    expect(expiresAt(instance(), template(), none)).toBeUndefined()
  })

  it('is creation + TTL of the template, or of the operator without one', () => {
    expect(expiresAt(instance(), template({ ttlMinutes: 60 }), { ...none, defaultTtlMinutes: 5 })).toBe(
      at('10:00'),
    )
    expect(expiresAt(instance(), template(), { ...none, defaultTtlMinutes: 5 })).toBe(at('09:05'))
  })

  it('is the date of the instance, but not later than maxTtlMinutes from creation', () => {
    const asked = instance({ expiresAt: '2026-11-28T12:00:00Z' })
    expect(expiresAt(asked, template({ ttlMinutes: 60 }), none)).toBe(at('12:00'))
    expect(expiresAt(asked, template({ ttlMinutes: 60, maxTtlMinutes: 120 }), none)).toBe(at('11:00'))
  })

  it('is not later than availableUntil', () => {
    const closing = template({ availableUntil: '2026-11-28T09:30:00Z', ttlMinutes: 60 })
    expect(expiresAt(instance(), closing, none)).toBe(at('09:30'))
    expect(expiresAt(instance(), template({ availableUntil: '2026-11-28T09:30:00Z' }), none)).toBe(
      at('09:30'),
    )
  })

  it('ignores what is no date with a zone', () => {
    const end = expiresAt(
      instance({ expiresAt: '2026-11-28T12:00:00' }),
      template({ ttlMinutes: 60, availableUntil: 'soon' }),
      none,
    )
    expect(end).toBe(at('10:00'))
  })

  it('may be decades ahead', () => {
    const far = instance({ expiresAt: '2126-11-28T09:00:00Z' })
    expect(expiresAt(far, template(), none)).toBe(Date.UTC(2126, 10, 28, 9))
    expect(expiredAt(far, template(), none, at('09:00'))).toBeUndefined()
  })

  it('stays as reported if the template is gone', () => {
    const orphaned = { ...instance(), status: { expiresAt: '2026-11-28T10:00:00Z' } }
    expect(expiresAt(orphaned, undefined, { ...none, defaultTtlMinutes: 5 })).toBe(at('10:00'))
  })
})

describe('expiredAt', () => {
  it('is the end from the end on, and undefined a millisecond before', () => {
    const short = template({ ttlMinutes: 60 })
    expect(expiredAt(instance(), short, none, at('10:00') - 1)).toBeUndefined()
    expect(expiredAt(instance(), short, none, at('10:00'))).toBe(at('10:00'))
  })

  it('accepts the beginning of time as an end', () => {
    const ancient = instance({ expiresAt: '1970-01-01T00:00:00Z' })
    expect(expiredAt(ancient, template(), none, at('09:00'))).toBe(0)
  })
})

describe('notYetAvailable', () => {
  it('is availableFrom until then', () => {
    const opening = template({ availableFrom: '2026-11-28T10:00:00Z' })
    expect(notYetAvailable(opening, at('09:59'))).toBe(at('10:00'))
    expect(notYetAvailable(opening, at('10:00'))).toBeUndefined()
    expect(notYetAvailable(template(), 0)).toBeUndefined()
  })
})

it('rfc3339 leaves out a fraction of zero', () => {
  expect(rfc3339(at('09:00'))).toBe('2026-11-28T09:00:00Z')
  expect(rfc3339(at('09:00') + 5)).toBe('2026-11-28T09:00:00.005Z')
})

describe('credits', () => {
  const credit = (parts: Partial<Credit> = {}): Credit => ({
    id: 'a',
    minutes: 10,
    at: at('09:30'),
    ...parts,
  })
  const hour = template({ ttlMinutes: 60 })
  const endWith = (...credits: Credit[]) => expiresAt(instance(), hour, { ...none, credits })

  it('move the end, by those minutes that were given while the instance existed', () => {
    expect(endWith(credit(), credit({ id: 'b', minutes: -3 }))).toBe(at('10:07'))
    expect(endWith(credit({ at: at('09:00') }))).toBe(at('10:10'))
    expect(endWith(credit({ at: at('09:00') - 1 }))).toBe(at('10:00'))
  })

  it('choose by event, template and team', () => {
    const own = { event: 3, template: 'web-basics', team: 7 }
    expect(endWith(credit(own))).toBe(at('10:10'))
    for (const other of [{ event: 4 }, { template: 'pwn' }, { team: 0 }])
      expect(endWith(credit({ ...own, ...other }))).toBe(at('10:00'))
  })

  it('reach beyond maxTtlMinutes and not beyond availableUntil', () => {
    const credits = [credit({ minutes: 90 })]
    const bounded = template({ ttlMinutes: 60, maxTtlMinutes: 60 })
    expect(expiresAt(instance(), bounded, { ...none, credits })).toBe(at('11:30'))
    const closing = template({ ttlMinutes: 60, availableUntil: '2026-11-28T11:00:00Z' })
    expect(expiresAt(instance(), closing, { ...none, credits })).toBe(at('11:00'))
  })

  it('give no end to an instance without one', () => {
    expect(expiresAt(instance(), template(), { ...none, credits: [credit()] })).toBeUndefined()
  })

  it('may end an instance at once', () => {
    const rules = { ...none, credits: [credit({ minutes: -60 })] }
    expect(expiredAt(instance(), hour, rules, at('09:31'))).toBe(at('09:00'))
  })

  it('move the reported end where the template is gone, by the minutes that it does not include', () => {
    const status = { expiresAt: '2026-11-28T10:10:00Z', creditMinutes: 10 }
    const gone = { ...instance(), status }
    const endOf = (...credits: Credit[]) => expiresAt(gone, undefined, { ...none, credits })
    expect(endOf(credit())).toBe(at('10:10'))
    expect(endOf(credit(), credit({ id: 'b', minutes: 5 }))).toBe(at('10:15'))
    expect(endOf()).toBe(at('10:00'))
    expect(creditsReported(gone, { credits: [credit()] })).toBe(true)
    expect(creditsReported(gone, { credits: [] })).toBe(false)
  })

  const some: fc.Arbitrary<Credit[]> = fc.uniqueArray(
    fc.record(
      {
        id: fc.string(),
        minutes: fc.integer({ min: -100, max: 100 }),
        at: fc.integer({ min: at('08:00'), max: at('12:00') }),
        event: fc.constantFrom(3, 4),
        team: fc.constantFrom(7, 8),
        template: fc.constantFrom('web-basics', 'pwn'),
      },
      { requiredKeys: ['id', 'minutes', 'at'] },
    ),
    { selector: each => each.id, maxLength: 12 },
  )
  const minutes = fc.integer({ min: 1, max: 300 })
  const spec: fc.Arbitrary<Partial<ChallengeTemplateSpec>> = fc.record(
    {
      ttlMinutes: minutes,
      maxTtlMinutes: minutes,
      availableUntil: fc.constantFrom('2026-11-28T09:20:00Z', '2026-11-28T11:00:00Z'),
    },
    { requiredKeys: [] },
  )
  const date = fc.option(
    fc.integer({ min: at('09:00') / 1000, max: at('14:00') / 1000 }).map(seconds => rfc3339(seconds * 1000)),
    { nil: undefined },
  )
  const asked = (expiresAt: string | undefined, suspend = false) =>
    instance({ ...(expiresAt && { expiresAt }), ...(suspend && { suspend }) })

  it('give one end in any order, with any history of renewals, template edits, suspends and reports', () => {
    const past = fc.array(fc.tuple(date, spec, some, fc.boolean()), { maxLength: 5 })
    fc.assert(
      fc.property(
        past,
        date,
        spec,
        some,
        fc.func(fc.integer()),
        (history, renewed, present, credits, order) => {
          let status: ChallengeInstance['status']
          for (const [earlier, edited, given, suspend] of history) {
            const before: ChallengeInstance = { ...asked(earlier, suspend), ...(status && { status }) }
            const end = expiresAt(before, template(edited), { ...none, credits: given })
            status = end === undefined ? {} : { expiresAt: rfc3339(end), observedGeneration: 1 }
          }
          const fresh = expiresAt(asked(renewed), template(present), { ...none, credits })
          const lived: ChallengeInstance = { ...asked(renewed, true), ...(status && { status }) }
          const shuffled = credits.toSorted((a, b) => order(a.id) - order(b.id))
          expect(expiresAt(lived, template(present), { ...none, credits: shuffled })).toBe(fresh)
        },
      ),
    )
  })

  it('never end an instance earlier for a positive credit, a later renewal or a longer TTL', () => {
    const more = fc.integer({ min: 1, max: 200 })
    const later = (one: number | undefined, other: number | undefined) =>
      expect(one ?? Infinity).toBeGreaterThanOrEqual(other ?? Infinity)
    fc.assert(
      fc.property(date, spec, some, more, (date, present, credits, extra) => {
        const rules = { ...none, credits }
        const end = expiresAt(asked(date), template(present), rules)
        const given = [...credits, credit({ id: 'one more', minutes: extra })]
        later(expiresAt(asked(date), template(present), { ...none, credits: given }), end)
        const longer = { ...present, ...(present.ttlMinutes && { ttlMinutes: present.ttlMinutes + extra }) }
        later(expiresAt(asked(date), template(longer), rules), end)
        const { availableUntil: _, maxTtlMinutes: __, ...unbounded } = present
        later(expiresAt(asked(date), template(unbounded), rules), end)
        const taken = [...credits, credit({ id: 'one less', minutes: -extra })]
        later(end, expiresAt(asked(date), template(present), { ...none, credits: taken }))
        if (date === undefined) return
        const renewal = rfc3339(Date.parse(date) + extra * 60_000)
        later(expiresAt(asked(renewal), template(present), rules), end)
      }),
    )
  })

  it('give the end that the reported one and the present credits give where the template is gone', () => {
    fc.assert(
      fc.property(date, spec, some, some, (date, { availableUntil: _, ...present }, before, credits) => {
        const end = expiresAt(asked(date), template(present), { ...none, credits: before })
        if (end === undefined) return
        const creditMinutes = creditMinutesOf(creditScope(asked(date)), before)
        const status = { expiresAt: rfc3339(end), creditMinutes, observedGeneration: 1 }
        const lived = { ...asked(date), status }
        const known = expiresAt(asked(date), template(present), { ...none, credits })
        expect(expiresAt(lived, undefined, { ...none, credits })).toBe(known)
      }),
    )
  })

  it('never end an instance later than availableUntil, nor move it by more than their sum', () => {
    fc.assert(
      fc.property(date, spec, some, (date, present, credits) => {
        const end = expiresAt(asked(date), template(present), { ...none, credits })
        const base = expiresAt(asked(date), template(present), none)
        const until = present.availableUntil
        if (until !== undefined) expect(end).toBeLessThanOrEqual(Date.parse(until))
        if (end === undefined || base === undefined) expect(end).toBe(base)
        else {
          const sum = credits.reduce((all, each) => all + Math.abs(each.minutes), 0)
          expect(Math.abs(end - base)).toBeLessThanOrEqual(sum * 60_000)
        }
      }),
    )
  })
})
