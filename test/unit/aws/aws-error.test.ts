import { describe, expect, it } from 'vitest'
import { eventBridgeError } from '../../../lib/aws/eventbridge-error.ts'
import { sqsError } from '../../../lib/aws/sqs-error.ts'
import { OperatorError } from '../../../lib/errors.ts'

const { signal } = new AbortController()
const url = 'https://sqs.eu-central-1.amazonaws.com/000000000000/changes.fifo'
const named = (name: string, message = 'the text of AWS') => Object.assign(new Error(message), { name })
const withCode = (code: string) => Object.assign(new Error('the text of Node'), { code })

describe('awsError', () => {
  it.each([
    [named('QueueDoesNotExist'), 'OperatorMisconfigured', 'does not exist; check its URL'],
    [named('AWS.SimpleQueueService.NonExistentQueue'), 'OperatorMisconfigured', 'does not exist'],
    [named('AccessDenied'), 'Forbidden', 'refused our rights'],
    [named('UnrecognizedClientException'), 'Forbidden', 'refused our credentials; check the role'],
    [named('ExpiredToken'), 'Forbidden', 'they have expired'],
    [named('ExpiredTokenException'), 'Forbidden', 'they have expired'],
    [named('CredentialsProviderError'), 'OperatorMisconfigured', 'no AWS credentials found'],
    [named('RequestThrottled'), 'Internal', 'throttles us'],
    [withCode('ECONNREFUSED'), 'Internal', 'could not be reached'],
  ])('makes %s a retryable %s that says "%s"', (thrown, reason, message) => {
    expect(sqsError(thrown, url, signal)).toMatchObject({
      reason,
      fate: 'retryable',
      message: expect.stringMatching(new RegExp(`^queue changes\\.fifo .*${message}`)),
    })
    expect(eventBridgeError(thrown, 'ctf', signal)).toMatchObject({ reason, fate: 'retryable' })
  })

  it('names the deadline for every failure after the signal', () => {
    expect(sqsError(new Error('x'), url, AbortSignal.abort()).message).toBe(
      'queue changes.fifo: cut off by the deadline',
    )
  })

  it('returns an OperatorError as it is', () => {
    const error = new OperatorError('Forbidden', 'ours')
    expect(sqsError(error, url, AbortSignal.abort())).toBe(error)
  })

  it('knows no error by the name of an inherited property', () => {
    expect(eventBridgeError(named('constructor'), 'ctf', signal).message).toBe(
      'event bus ctf failed (constructor)',
    )
  })
})

describe('an unknown error', () => {
  it('keeps its text for a queue', () => {
    expect(sqsError(new Error('no URL'), url, signal).message).toBe('queue changes.fifo: Error: no URL')
  })

  it('loses its text for an event bus', () => {
    expect(eventBridgeError(new Error('an event'), 'ctf', signal).message).toBe(
      'event bus ctf failed (Error)',
    )
  })
})
