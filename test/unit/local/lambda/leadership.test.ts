import { describe, expect, it } from 'vitest'
import { createLeadership } from '../../../../local/lambda/leadership.ts'

/** Follows the terms that a schedule sees. */
function stage() {
  const stopping = new AbortController()
  const leadership = createLeadership()
  const seen: string[] = []
  const ended = leadership.whileLeading(async term => {
    seen.push('begin')
    await new Promise(resolve => term.addEventListener('abort', resolve, { once: true }))
    seen.push('end')
  }, stopping.signal)
  const turn = () => new Promise(resolve => setImmediate(resolve))
  return { leadership, stopping, seen, ended, turn }
}

describe('work of the leader', () => {
  it('runs from the gain of the lead until its loss, and again in the next term', async () => {
    const { leadership, seen, turn } = stage()
    await turn()
    expect(seen).toEqual([])
    leadership.gain()
    leadership.gain()
    await turn()
    expect(seen).toEqual(['begin'])
    leadership.lose()
    leadership.lose()
    await turn()
    expect(seen).toEqual(['begin', 'end'])
    leadership.gain()
    await turn()
    expect(seen).toEqual(['begin', 'end', 'begin'])
  })

  it('ends with the process, in a term and outside of one', async () => {
    const waiting = stage()
    waiting.stopping.abort()
    await waiting.ended
    expect(waiting.seen).toEqual([])
    const leading = stage()
    leading.leadership.gain()
    await leading.turn()
    leading.stopping.abort()
    await leading.ended
    expect(leading.seen).toEqual(['begin', 'end'])
  })
})
