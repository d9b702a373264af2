import { expect, test } from 'vitest'
import { migrations } from '../../../lib/store/migrations.ts'

/** The migrations of the last release, in their order. Add those of a release here when it is made. */
const released = [
  '2026-11-23-instances',
  '2026-11-25-outbox-retries',
  '2026-11-29-clusters',
  '2026-11-29-host-claims',
  '2026-11-29-row-digests',
  '2026-11-29-unstopped-rows',
]

test('the names of migrations are in order, and new ones come after those that databases have', () => {
  const names = Object.keys(migrations)
  expect(names).toEqual(names.toSorted())
  expect(names.slice(0, released.length)).toEqual(released)
})
