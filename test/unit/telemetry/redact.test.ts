import { describe, expect, it } from 'vitest'
import { OperatorError } from '../../../lib/errors.ts'
import { redact } from '../../../lib/telemetry/redact.ts'

describe('redact', () => {
  it.each(['flag', 'FLAG_SECRET', 'flagHmac', 'password', 'clientSecret', 'session_token', 'pepper'])(
    'masks the value of %s at any depth',
    name => {
      const written = JSON.stringify(redact({ [name]: 'HIDDEN', nested: { list: [{ [name]: 'HIDDEN' }] } }))
      expect(written).not.toContain('HIDDEN')
      expect(written).toContain('[redacted]')
    },
  )

  it('drops bodies, headers and causes, also those of an error', () => {
    const foreign = Object.assign(new Error('HTTP 500'), { body: 'HIDDEN', headers: { a: 'HIDDEN' } })
    const error = new OperatorError('ClusterUnavailable', 'API server away', { cause: foreign })
    const written = JSON.stringify(
      redact({ error, foreign, body: 'HIDDEN', headers: 'HIDDEN', cause: 'HIDDEN' }),
    )
    expect(written).not.toContain('HIDDEN')
  })
})

describe('redact, given an error', () => {
  it('keeps the reason and the message', () => {
    const error = new OperatorError('QuotaExceeded', 'namespace ns has no room', { fate: 'permanent' })
    expect(redact({ error })).toEqual({
      error: { reason: 'QuotaExceeded', fate: 'permanent', message: 'namespace ns has no room' },
    })
  })

  it('adds the frames of an error that no adapter translated', () => {
    const { error } = redact({ error: new TypeError('x is undefined') }) as { error: { frames: string[] } }
    expect(error).toMatchObject({ reason: 'Internal', name: 'TypeError', message: 'x is undefined' })
    expect(error.frames[0]).toContain('redact.test.ts')
  })
})

describe('redact, given odd fields', () => {
  it('bounds circles, sets, dates, bigints and long values', () => {
    const circle: Record<string, unknown> = {
      causes: new Set(['pod']),
      at: new Date(0),
      big: 1n,
      bad: new Date('x'),
    }
    circle.self = circle
    circle.list = Array.from({ length: 1_000 }, (_, index) => index)
    circle.text = 'x'.repeat(100_000)
    const written = JSON.stringify(redact(circle))
    expect(written.length).toBeLessThan(20_000)
    expect(written).toContain(
      '"causes":["pod"],"at":"1970-01-01T00:00:00.000Z","big":"1","bad":"Invalid Date"',
    )
  })
})
