import { describe, expect, it } from 'vitest'
import { expiredAt, expiresAt, notYetAvailable, parseTime, rfc3339 } from '../../lib/lifetime.ts'
import { instance, template } from './desired/inputs.ts'

/** The instances of these tests were created at 09:00. */
const at = (text: string) => Date.parse(`2026-11-28T${text}:00Z`)
const none = { defaultTtlMinutes: undefined }

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
    expect(expiresAt(instance(), template({ ttlMinutes: 60 }), { defaultTtlMinutes: 5 })).toBe(at('10:00'))
    expect(expiresAt(instance(), template(), { defaultTtlMinutes: 5 })).toBe(at('09:05'))
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
    expect(expiresAt(orphaned, undefined, { defaultTtlMinutes: 5 })).toBe(at('10:00'))
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
