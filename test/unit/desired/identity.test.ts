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
])('labelValue makes %j a valid value of a label', text => {
  expect(labelValue(text)).toMatch(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/)
})

test('labelValue keeps two long names with the same beginning apart', () => {
  expect(labelValue(`${'x'.repeat(70)}1`)).not.toBe(labelValue(`${'x'.repeat(70)}2`))
  expect(labelValue('a/b')).not.toBe(labelValue('a-b'))
})

test('identity gives an owner reference in the namespace of the instance only', () => {
  expect(identity(instance(), 'ctf').owners).toHaveLength(1)
  expect(identity(instance(), 'elsewhere').owners).toEqual([])
})
