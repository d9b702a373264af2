import { describe, expect, it } from 'vitest'
import {
  countPhaseChange,
  isHeld,
  type PhaseChanges,
  phaseHeldUntil,
} from '../../../lib/observed/flapping.ts'

const since = Date.parse('2026-11-21T09:00:00Z')
const seconds = 1_000

describe('phaseHeldUntil', () => {
  it('holds nothing back before the seventh change', () => {
    for (const count of [1, 2, 6]) expect(phaseHeldUntil({ count, since })).toBeUndefined()
  })

  it('lies at distances that grow from one minute to five', () => {
    const until = [7, 8, 9, 10, 11, 12].map(
      count => ((phaseHeldUntil({ count, since }) ?? 0) - since) / seconds,
    )
    expect(until).toEqual([60, 120, 240, 480, 780, 1_080])
  })

  it('is a time whatever a status says', () => {
    expect(Number.isFinite(phaseHeldUntil({ count: 2 ** 31 - 1, since }))).toBe(true)
  })
})

/** Changes the phase every so many milliseconds for so long. @returns when a change was told, in seconds */
function toldOf(everyMs: number, forMs: number): number[] {
  const told: number[] = []
  let changes: PhaseChanges | undefined
  let shown = 'Ready'
  for (let step = 0; step * everyMs < forMs; step++) {
    const now = since + step * everyMs
    const phase = step % 2 === 0 ? 'Provisioning' : 'Ready'
    if (phase === shown) continue
    const counted = countPhaseChange(changes, { now, opens: shown === 'Ready' })
    changes = counted.changes
    if (counted.held) continue
    shown = phase
    told.push((now - since) / seconds)
  }
  return told
}

describe('countPhaseChange', () => {
  it('tells the changes of a phase that changes now and then', () => {
    expect(toldOf(15 * seconds, 600 * seconds)).toHaveLength(40)
  })

  it('tells six changes of a burst at once, and the further ones at growing distances', () => {
    const told = toldOf(3 * seconds, 1_800 * seconds)
    expect(told.slice(0, 6)).toEqual([0, 3, 6, 9, 12, 15])
    const distances = told.slice(6).map((at, index, later) => at - (later[index - 1] ?? 0))
    // The phase changes every three seconds, so each is within three of the distance that it may have.
    expect(distances.map(distance => Math.round(distance / 10) * 10)).toEqual([
      60, 60, 120, 240, 300, 300, 300, 300,
    ])
  })

  it('begins no burst with a start', () => {
    expect(countPhaseChange(undefined, { now: since, opens: false })).toEqual({
      changes: undefined,
      held: false,
    })
  })

  it('begins a new burst a minute after the last one could have gone on', () => {
    const burst = { count: 8, since }
    const opens = true
    expect(isHeld(burst, since + 119 * seconds)).toBe(true)
    expect(countPhaseChange(burst, { now: since + 121 * seconds, opens })).toEqual({
      changes: { count: 9, since },
      held: false,
    })
    const later = since + 180 * seconds
    expect(countPhaseChange(burst, { now: later, opens }).changes).toEqual({ count: 1, since: later })
  })
})
