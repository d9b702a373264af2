import { expect, test } from 'vitest'
import { identity, labelValue } from '../../../lib/desired/identity.ts'
import { instance } from './inputs.ts'

test.each([
  'web',
  'a.b-c_d',
  'x'.repeat(63),
  'x'.repeat(64),
  'very.'.repeat(50),
  'ends-',
  '-begins',
  'Ünïcode/..',
  '🦀',
  '',
  '---',
])('is %j a value that a label can have?', text => {
  expect(labelValue(text)).toMatch(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/)
})

test('do two long names that begin alike stay two?', () => {
  expect(labelValue(`${'x'.repeat(70)}1`)).not.toBe(labelValue(`${'x'.repeat(70)}2`))
  expect(labelValue('a/b')).not.toBe(labelValue('a-b'))
})

test('is a child owned only where its owner is?', () => {
  expect(identity(instance(), 'ctf').owners).toHaveLength(1)
  expect(identity(instance(), 'elsewhere').owners).toEqual([])
})
