import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { notices } from '../../tools/third-party-notices.ts'

test('THIRD_PARTY_NOTICES.md names what the runtime dependencies need', () => {
  const file = join(resolve(import.meta.dirname, '../..'), 'THIRD_PARTY_NOTICES.md')
  expect(readFileSync(file, 'utf8')).toBe(notices())
})
