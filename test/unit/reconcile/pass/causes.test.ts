import { expect, test } from 'vitest'
import { type Cause, causes } from '../../../../lib/messages.ts'
import {
  asksWhatBlocksTeardown,
  onlyLooks,
  rechecksRow,
  rechecksShared,
  retryCauseOf,
  verifiesChildren,
} from '../../../../lib/reconcile/pass/causes.ts'

test.each<[string, (pass: { causes: ReadonlySet<Cause> }) => boolean, Cause[]]>([
  ['verifiesChildren', verifiesChildren, ['child', 'drift', 'orphan', 'retry', 'manual']],
  ['rechecksRow', rechecksRow, ['drift', 'retry', 'manual']],
  ['asksWhatBlocksTeardown', asksWhatBlocksTeardown, ['drift', 'manual']],
  ['rechecksShared', rechecksShared, ['drift']],
  ['onlyLooks', onlyLooks, ['pod']],
])('%s holds for its causes alone', (_, holds, expected) => {
  expect(causes.filter(cause => holds({ causes: new Set([cause]) }))).toEqual(expected)
})

test('a pass with a further cause does more than look', () => {
  expect(onlyLooks({ causes: new Set(['pod', 'changed']) })).toBe(false)
})

test('a retry keeps the cause that verifies the most', () => {
  expect(retryCauseOf({ causes: new Set(['changed', 'manual', 'drift']) })).toBe('drift')
  expect(retryCauseOf({ causes: new Set(['changed', 'manual']) })).toBe('manual')
  expect(retryCauseOf({ causes: new Set(['changed']) })).toBe('retry')
})
