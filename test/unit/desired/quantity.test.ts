import { describe, expect, test } from 'vitest'
import { cpuMillicores, memoryMebibytes } from '../../../lib/desired/quantity.ts'
import { wrongCpus, wrongMemories } from './wrong-quantities.ts'

describe('cpuMillicores', () => {
  test.each([
    ['250m', 250],
    ['0.25', 250],
    ['.5', 500],
    ['2', 2000],
    ['2.', 2000],
    [2, 2000],
    [0.5, 500],
    ['64', 64_000],
    ['0.05k', 50_000],
    ['1e1', 10_000],
    ['5E-1', 500],
    ['100u', 1],
    ['1n', 1],
    ['0.0625Ki', 64_000],
    ['+1', 1000],
  ])('reads %s as %d', (quantity, millicores) => {
    expect(cpuMillicores(quantity)).toBe(millicores)
  })

  test.each([
    '',
    '.',
    'm',
    '-1',
    '0',
    '0m',
    '1 m',
    '1mm',
    '1e',
    '1e+',
    'NaN',
    'Infinity',
    '1,5',
    '0x10',
    '١',
    '1e99',
    '9'.repeat(39),
    '9'.repeat(5000),
    '1Zi',
    '64001m',
  ])('refuses %j', quantity => {
    expect(cpuMillicores(quantity)).toBeTypeOf('string')
  })

  test.each([-1, 0, Number.NaN, Number.POSITIVE_INFINITY, 1e21, 1e-7])(
    'refuses or rounds up the number %d',
    quantity => {
      expect(cpuMillicores(quantity)).toSatisfy(result => typeof result === 'string' || result === 1)
    },
  )
})

describe('memoryMebibytes', () => {
  test.each([
    ['128Mi', 128],
    ['1Gi', 1024],
    ['1G', 954],
    ['128M', 123],
    ['1048576', 1],
    [1048577, 2],
    ['134217728000m', 128],
    ['1e9', 954],
    ['0.5Gi', 512],
    ['1Ti', 1_048_576],
  ])('reads %s as %d', (quantity, mebibytes) => {
    expect(memoryMebibytes(quantity)).toBe(mebibytes)
  })

  test('refuses an amount that no machine has', () => {
    expect(memoryMebibytes('100Ei')).toBe(
      'is "100Ei", which is more than any machine has; write for example 128Mi or 1Gi',
    )
  })
})

describe('the likely right value', () => {
  test.each(wrongCpus)('of cpu: %j: %s', (quantity, sentence) => {
    expect(`cpu ${cpuMillicores(quantity)}`).toBe(sentence)
  })

  test.each(wrongMemories)('of memory: %j: %s', (quantity, sentence) => {
    expect(`memory ${memoryMebibytes(quantity)}`).toBe(sentence)
  })
})
