import { describe, expect, it } from 'vitest'
import { type ExaminedPart, examinable, isNetworkFailure } from '../../../../functions/examine/examine.ts'
import { type ExaminationRequest, examinationSource } from '../../../../lib/doctor/examination.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import { version } from '../../../../lib/version.ts'
import { lambdaContext } from '../../../../local/lambda/context.ts'

const request: ExaminationRequest = { source: examinationSource }

const part = (look: ExaminedPart['look']): ExaminedPart => ({
  part: 'cluster',
  remedyOf: failure => `mend ${failure}`,
  look,
})

function examined(parts: ExaminedPart[], remainingMs = 30_000) {
  const handled: unknown[] = []
  const handler = examinable(async (event: unknown) => {
    handled.push(event)
    return 'handled'
  }, parts)
  return { handled, ask: (event: unknown) => handler(event, lambdaContext('sweep', remainingMs)) }
}

describe('examinable', () => {
  it('leaves every other event to the handler', async () => {
    const events = [
      { Records: [] },
      { source: 'aws.events' },
      { source: 'challenge-operator.deploy' },
      null,
      '',
    ]
    const { handled, ask } = examined([])
    for (const event of events) expect(await ask(event)).toBe('handled')
    expect(handled).toEqual(events)
  })

  it('answers a line for each part, in their order, and does not call the handler', async () => {
    const { handled, ask } = examined([
      part(async () => ({ fine: 'first' })),
      part(async () => [
        { part: 'rights', finding: { note: 'second' } },
        { part: 'lease', finding: { note: 'third' } },
      ]),
    ])
    expect(await ask(request)).toEqual({
      version,
      lines: [
        { part: 'cluster', finding: { fine: 'first' } },
        { part: 'rights', finding: { note: 'second' } },
        { part: 'lease', finding: { note: 'third' } },
      ],
    })
    expect(handled).toEqual([])
  })

  it('makes a line with its remedy of a part that fails, beside the others', async () => {
    const failing = part(async () => {
      throw new OperatorError('ClusterUnavailable', 'it cannot be reached')
    })
    const { ask } = examined([failing, part(async () => ({ fine: 'well' }))])
    expect(await ask(request)).toMatchObject({
      lines: [
        { finding: { problem: 'it cannot be reached', remedy: 'mend it cannot be reached' } },
        { finding: { fine: 'well' } },
      ],
    })
  })

  it('answers before the invocation is ended, also for a part that hangs', async () => {
    const hanging = part(
      (_request, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
    const { ask } = examined([hanging], 2_050)
    expect(await ask(request)).toMatchObject({
      lines: [{ finding: { problem: expect.stringContaining('was not answered in time') } }],
    })
  })
})

describe('isNetworkFailure', () => {
  it.each([
    'The cluster cannot be reached (GET /version): timed out.',
    'The cluster cannot be reached (GET /version): its name is not known to DNS.',
    'queue changes.fifo could not be reached; check the network and AWS_ENDPOINT_URL_SQS',
    'was not answered in time (TimeoutError)',
  ])('is true for: %s', failure => {
    expect(isNetworkFailure(failure)).toBe(true)
  })

  it.each(['the secret of FLAG_SECRET_SECRET_ARN does not exist', 'refuses our user or password'])(
    'is false for: %s',
    failure => {
      expect(isNetworkFailure(failure)).toBe(false)
    },
  )
})
