import { describe, expect, test } from 'vitest'
import { configurationText, recordedConfiguration } from '../../../lib/observed/configuration.ts'

describe('the record of a configuration', () => {
  test('is read as it was written', () => {
    for (const served of [true, false]) {
      const record = { settings: '0123456789abcdef', keys: '-', served }
      expect(recordedConfiguration(configurationText(record))).toEqual(record)
    }
  })

  test.each([undefined, '', 'x', '.x', 'x.'])('is absent if a status has %j', text => {
    expect(recordedConfiguration(text)).toBeUndefined()
  })

  test('fits into the status', () => {
    const text = configurationText({ settings: 'f'.repeat(16), keys: 'f'.repeat(16), served: true })
    expect(text.length).toBeLessThanOrEqual(64)
  })
})
