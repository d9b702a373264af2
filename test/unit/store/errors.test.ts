import { describe, expect, it } from 'vitest'
import { OperatorError } from '../../../lib/errors.ts'
import { storeError } from '../../../lib/store/errors.ts'

const never = new AbortController().signal
const fromServer = (code: string, message = 'secret value 42') =>
  Object.assign(new Error(message), { code, severity: 'ERROR' })

describe('storeError, given an error of the server', () => {
  it.each([
    '08006',
    '57P01',
    '57P03',
    '53300',
    '40001',
    '40P01',
    '57014',
    '55P03',
    '28P01',
    '3D000',
    '25006',
  ])('makes SQLSTATE %s a retryable DatabaseUnavailable', code => {
    expect(storeError(fromServer(code), never)).toMatchObject({
      reason: 'DatabaseUnavailable',
      fate: 'retryable',
      message: expect.stringContaining(code),
    })
  })

  it.each(['42P01', '3F000', '42703'])('names migrate as the remedy for SQLSTATE %s', code => {
    const { reason, message } = storeError(fromServer(code), never)
    expect(reason).toBe('DatabaseUnavailable')
    expect(message).toContain('challenge-operator migrate')
  })

  it('makes a value that no column takes permanent', () => {
    expect(storeError(fromServer('22003'), never)).toMatchObject({ reason: 'Internal', fate: 'permanent' })
  })

  it('makes an unknown SQLSTATE retryable', () => {
    expect(storeError(fromServer('XX000'), never)).toMatchObject({ reason: 'Internal', fate: 'retryable' })
  })

  it('never repeats the text of the server', () => {
    for (const code of ['22P02', '23505', '42P01', '28P01', 'XX000'])
      expect(storeError(fromServer(code), never).message).not.toContain('secret')
  })
})

describe('storeError, given an error of the client', () => {
  it.each([
    Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }),
    Object.assign(new Error('read'), { code: 'ECONNRESET' }),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    new Error('Client has encountered a connection error and is not queryable'),
    new Error('The server does not support SSL connections'),
  ])('makes this DatabaseUnavailable: %s', thrown => {
    expect(storeError(thrown, never)).toMatchObject({ reason: 'DatabaseUnavailable', fate: 'retryable' })
  })

  it('makes a programming error Internal', () => {
    expect(storeError(new TypeError('x is not a function'), never).reason).toBe('Internal')
  })

  it('names the deadline for every failure after the signal', () => {
    const { reason, message } = storeError(new Error('anything'), AbortSignal.abort())
    expect([reason, message]).toEqual(['DatabaseUnavailable', expect.stringContaining('deadline')])
  })

  it('returns an OperatorError as it is', () => {
    const error = new OperatorError('Forbidden', 'bus')
    expect(storeError(error, AbortSignal.abort())).toBe(error)
  })
})
