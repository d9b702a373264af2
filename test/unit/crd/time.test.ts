import { expect, test } from 'vitest'
import { epochMs } from '../../../lib/crd/time.ts'

test('a time of an object is read, and the absence of one or a text that is none is undefined', () => {
  expect(epochMs('2026-11-29T10:00:00Z')).toBe(Date.UTC(2026, 10, 29, 10))
  expect(epochMs(undefined)).toBeUndefined()
  expect(epochMs('')).toBeUndefined()
  expect(epochMs('soon')).toBeUndefined()
})
