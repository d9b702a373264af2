import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { longest } from '../../support/longest-first.ts'

it('names only test files that exist', () => {
  expect(longest.filter(path => !existsSync(join(import.meta.dirname, '../../..', path)))).toEqual([])
})
