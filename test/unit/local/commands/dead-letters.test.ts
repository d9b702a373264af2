import type { SQSRecord } from 'aws-lambda'
import { describe, expect, it } from 'vitest'
import { causeOf, type Letter, letterOf, subjectOf } from '../../../../local/commands/dead-letters/letter.ts'
import { outgoing, retryOf } from '../../../../local/commands/dead-letters/retry.ts'
import { isLetterSelected, type Subject, stateOf } from '../../../../local/commands/dead-letters/subjects.ts'
import { storedInstance } from '../../../support/objects.ts'

const now = '2026-11-29T12:00:00.000Z'
const key = { namespace: 'ctf', name: 'web-7', uid: 'instance-uid' }
const change = { v: 1, ...key, cause: 'child', attempt: 8, at: '2026-11-29T11:00:00Z', resourceVersion: '5' }

function letter(body: object | string, reason?: string): Letter {
  return letterOf({
    messageId: 'letter-1',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    attributes: { SentTimestamp: String(Date.parse(now)) },
    messageAttributes: reason === undefined ? {} : { reason: { stringValue: reason, dataType: 'String' } },
  } as unknown as SQSRecord)
}

const subject = (body: object | string, parts: Partial<Subject> = {}): Subject => ({
  letter: letter(body),
  instance: undefined,
  replaced: false,
  ...parts,
})
const living = subject(change, {
  instance: storedInstance({ status: { phase: 'Failed', reason: 'Internal' } }),
})

describe('a dead letter', () => {
  it('tells its instance, cause, reason and time', () => {
    const read = letter(change, 'Internal: it broke')
    expect([subjectOf(read), causeOf(read), read.why, read.since]).toEqual([
      'ctf/web-7',
      'child',
      'Internal: it broke',
      now,
    ])
  })

  it('of a crash has no reason, and says where to look', () => {
    expect(letter(change).why).toContain('the log of the function')
  })

  it('of a timer names the instance of the timer', () => {
    const timer = { v: 1, key: { ...key, cause: 'retry', attempt: 1 }, due: now }
    expect(subjectOf(letter(timer))).toBe('ctf/web-7')
  })

  it('of a shared object names its kind', () => {
    expect(subjectOf(letter({ ...change, kind: 'Policy' }))).toBe('Policy ctf/web-7')
  })

  it('says what the instance says now', () => {
    expect(stateOf(living)).toBe('Failed Internal')
    expect(stateOf(subject(change))).toBe('gone')
    expect(stateOf(subject(change, { replaced: true }))).toBe('gone, another has its name')
    expect(stateOf(subject('{'))).toBe('-')
  })

  it('is selected by its id, by the name of its instance, and by what a living instance says', () => {
    const selects = (each: Subject, selection: Parameters<typeof isLetterSelected>[1]) =>
      isLetterSelected(each, selection)
    for (const each of [living, subject(change)]) {
      expect(selects(each, { names: ['letter-1'] })).toBe(true)
      expect(selects(each, { names: ['web-7'] })).toBe(true)
      expect(selects(each, { names: ['ctf/web-7'] })).toBe(true)
      expect(selects(each, { names: ['other'] })).toBe(false)
      expect(selects(each, { names: [] })).toBe(true)
    }
    expect(selects(living, { names: [], team: 7, reasons: ['Internal'] })).toBe(true)
    expect(selects(living, { names: [], team: 8 })).toBe(false)
    expect(selects(subject(change), { names: [], team: 7 })).toBe(false)
  })
})

describe('a retry', () => {
  it('wakes the instance that lives', () => {
    expect(retryOf(living, now)).toMatchObject({
      kind: 'wake',
      instance: { metadata: { uid: 'instance-uid' } },
    })
  })

  it('cleans up after an instance that is gone, also where another has its name', () => {
    const body = { ...change, workloadNamespace: 'ctf-event-1' }
    for (const replaced of [true, false])
      expect(retryOf(subject(body, { replaced }), now)).toEqual({
        kind: 'send',
        change: {
          v: 1,
          ...key,
          resourceVersion: '',
          cause: 'orphan',
          attempt: 0,
          at: now,
          workloadNamespace: 'ctf-event-1',
        },
      })
  })

  it('asks once more for a look at a shared object', () => {
    expect(retryOf(subject({ ...change, kind: 'Policy', cause: 'drift' }), now)).toMatchObject({
      kind: 'send',
      change: { kind: 'Policy', cause: 'drift', attempt: 0, at: now },
    })
  })

  it('keeps a letter that this release cannot read', () => {
    expect(retryOf(subject({ v: 2 }), now)).toMatchObject({
      kind: 'keep',
      because: expect.stringContaining('version 2'),
    })
  })

  it('sends a message that the deduplication of the queue does not swallow', () => {
    const retry = retryOf(subject(change), now)
    if (retry.kind !== 'send') throw new Error(`it is ${retry.kind}`)
    const ids = [now, '2026-11-29T12:00:01.000Z'].map(
      at => outgoing(retry.change, letter(change), at).deduplicationId,
    )
    expect(new Set(ids).size).toBe(2)
  })
})
