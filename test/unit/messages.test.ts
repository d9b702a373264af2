import { describe, expect, it } from 'vitest'
import { MessageInvalid, parseChange, parseTimer, timerDeduplicationId } from '../../lib/messages.ts'

const key = { namespace: 'ns', name: 'a', uid: 'u', cause: 'child', attempt: 0 } as const
const at = '2026-11-25T10:00:00.000Z'
const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`

describe('parseChange', () => {
  it('returns the version, the time and the trace of the change', () => {
    const held = { notReady: 2, of: 9 }
    const change = { v: 1, ...key, resourceVersion: '7', at, trace, pod: 'a-1', waits: 2, held }
    expect(parseChange(JSON.stringify(change))).toEqual(change)
  })

  it('accepts a message without version and trace', () => {
    expect(parseChange(JSON.stringify({ v: 1, ...key, at }))).toEqual({
      v: 1,
      ...key,
      at,
      resourceVersion: '',
    })
  })

  it.each([
    ['trace', 'not a traceparent'],
    ['trace', `${trace}${'0'.repeat(5_000)}`],
    ['trace', 7],
    ['pod', ''],
    ['pod', {}],
    ['waits', -1],
    ['waits', '1'],
    ['resourceVersion', 7],
    ['held', true],
    ['held', { notReady: 2 }],
  ])('drops an unusable %s (%j)', (field, content) => {
    const parsed = parseChange(JSON.stringify({ v: 1, ...key, at, [field]: content }))
    expect(parsed).toEqual({ v: 1, ...key, at, resourceVersion: '' })
  })

  const end = { at: 9, createdAt: 5, template: 'web', revision: 'web.1', event: 1, team: 0 }

  it('returns what the sender saw of an end', () => {
    for (const seen of [end, { ...end, asked: 8 }]) {
      const change = { v: 1, ...key, resourceVersion: '7', at, end: seen }
      expect(parseChange(JSON.stringify(change))).toEqual(change)
    }
  })

  it.each<[string, unknown]>([
    ['at', '2026-11-25T10:00:00Z'],
    ['at', undefined],
    ['at', -1],
    ['at', 1e300],
    ['asked', 'later'],
    ['asked', 8.5],
    ['asked', 253_402_300_800_000],
    ['createdAt', undefined],
    ['template', ''],
    ['template', {}],
    ['revision', undefined],
    ['event', '1'],
    ['team', undefined],
  ])('drops an end as a whole if its %s is %j', (field, content) => {
    const body = { v: 1, ...key, at, end: { ...end, [field]: content } }
    expect(parseChange(JSON.stringify(body))).not.toHaveProperty('end')
  })

  it('returns the kind of what the key names, and refuses a kind that it does not know', () => {
    const about = (kind: string) => JSON.stringify({ v: 1, ...key, at, kind })
    expect(parseChange(about('Revision')).kind).toBe('Revision')
    expect(() => parseChange(about('Planet'))).toThrow('unknown kind "Planet"')
  })

  it('refuses a message without a time', () => {
    expect(() => parseChange(JSON.stringify({ v: 1, ...key }))).toThrow(MessageInvalid)
  })
})

describe('parseTimer', () => {
  const timer = { v: 1, key: { ...key, trace }, due: at } as const

  it('returns the trace that the timer carries', () => {
    expect(parseTimer(JSON.stringify(timer))).toEqual(timer)
  })

  it('accepts a timer without a trace', () => {
    expect(parseTimer(JSON.stringify({ v: 1, key, due: at }))).toEqual({ v: 1, key, due: at })
  })

  it('keeps a field that it does not know', () => {
    const newer = { ...timer, key: { ...timer.key, scope: 'later' } }
    expect(parseTimer(JSON.stringify(newer)).key).toEqual(newer.key)
  })
})

describe('timerDeduplicationId', () => {
  it('is the same for timers that differ in their trace only', () => {
    const other = { v: 1, key: { ...key, trace: trace.replaceAll('b', 'c') }, due: at } as const
    expect(timerDeduplicationId(other)).toBe(timerDeduplicationId({ v: 1, key: { ...key, trace }, due: at }))
  })
})
