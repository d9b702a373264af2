import { describe, expect, test } from 'vitest'
import { expiredAt, expiresAt, notYetAvailable, parseTime, rfc3339 } from '../../lib/lifetime.ts'
import { instance, template } from './desired/inputs.ts'

/** The instances of these tests were created at 09:00. */
const at = (text: string) => Date.parse(`2026-11-28T${text}:00Z`)
const none = { defaultTtlMinutes: undefined }

describe('which texts are dates?', () => {
  test.each([
    ['2026-11-28T09:00:00Z', at('09:00')],
    ['2026-11-28T10:00:00+01:00', at('09:00')],
    ['2026-11-28t09:00:00.000z', at('09:00')],
    ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
    ['9999-12-31T23:59:59Z', Date.UTC(9999, 11, 31, 23, 59, 59)],
  ])('%s', (text, time) => {
    expect(parseTime(text)).toBe(time)
  })

  test.each([
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
    'tomorrow',
    '1764320400',
  ])('not %j', text => {
    expect(parseTime(text)).toBeUndefined()
  })
})

describe('when does an instance end?', () => {
  test('never, when nobody says', () => {
    expect(expiresAt(instance(), template(), none)).toEqual({ at: undefined, complaints: [] })
  })

  test('creation + TTL of the template, else of the operator', () => {
    expect(expiresAt(instance(), template({ ttlMinutes: 60 }), { defaultTtlMinutes: 5 }).at).toBe(at('10:00'))
    expect(expiresAt(instance(), template(), { defaultTtlMinutes: 5 }).at).toBe(at('09:05'))
  })

  test('its own date first, but no later than maxTtlMinutes from creation', () => {
    const asked = instance({ expiresAt: '2026-11-28T12:00:00Z' })
    expect(expiresAt(asked, template({ ttlMinutes: 60 }), none).at).toBe(at('12:00'))
    expect(expiresAt(asked, template({ ttlMinutes: 60, maxTtlMinutes: 120 }), none).at).toBe(at('11:00'))
  })

  test('at availableUntil at the latest', () => {
    const closing = template({ availableUntil: '2026-11-28T09:30:00Z', ttlMinutes: 60 })
    expect(expiresAt(instance(), closing, none).at).toBe(at('09:30'))
    expect(expiresAt(instance(), template({ availableUntil: '2026-11-28T09:30:00Z' }), none).at).toBe(
      at('09:30'),
    )
  })

  test('as if a date without zone were not there, and it is said', () => {
    const { at: end, complaints } = expiresAt(
      instance({ expiresAt: '2026-11-28T12:00:00' }),
      template({ ttlMinutes: 60, availableUntil: 'soon' }),
      none,
    )
    expect(end).toBe(at('10:00'))
    expect(complaints.join()).toContain('spec.expiresAt is "2026-11-28T12:00:00"')
    expect(complaints.join()).toContain('availableUntil')
  })

  test('decades ahead without overflowing a timer', () => {
    const far = instance({ expiresAt: '2126-11-28T09:00:00Z' })
    expect(expiresAt(far, template(), none).at).toBe(Date.UTC(2126, 10, 28, 9))
    expect(expiredAt(far, template(), none, at('09:00'))).toBeUndefined()
  })

  test('as was reported when the template is gone', () => {
    const orphaned = { ...instance(), status: { expiresAt: '2026-11-28T10:00:00Z' } }
    expect(expiresAt(orphaned, undefined, { defaultTtlMinutes: 5 }).at).toBe(at('10:00'))
  })
})

describe('is its time over?', () => {
  test('at its end, not a millisecond before', () => {
    const short = template({ ttlMinutes: 60 })
    expect(expiredAt(instance(), short, none, at('10:00') - 1)).toBeUndefined()
    expect(expiredAt(instance(), short, none, at('10:00'))).toEqual({ at: at('10:00') })
  })

  test('also at the beginning of time', () => {
    const ancient = instance({ expiresAt: '1970-01-01T00:00:00Z' })
    expect(expiredAt(ancient, template(), none, at('09:00'))).toEqual({ at: 0 })
  })
})

describe('does the template still have to open?', () => {
  test('until availableFrom', () => {
    const opening = template({ availableFrom: '2026-11-28T10:00:00Z' })
    expect(notYetAvailable(opening, at('09:59'))).toBe(at('10:00'))
    expect(notYetAvailable(opening, at('10:00'))).toBeUndefined()
    expect(notYetAvailable(template(), 0)).toBeUndefined()
  })
})

test('is a time written without needless fractions?', () => {
  expect(rfc3339(at('09:00'))).toBe('2026-11-28T09:00:00Z')
  expect(rfc3339(at('09:00') + 5)).toBe('2026-11-28T09:00:00.005Z')
})
