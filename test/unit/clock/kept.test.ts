import { describe, expect, it } from 'vitest'
import { clockProblem, followsSource, keptState, takeUp } from '../../../lib/clock/kept.ts'
import { clockName, clockStateName } from '../../../lib/clock/state.ts'
import { isNewerClock, noClock } from '../../../lib/clock/version.ts'
import type { ConfigMap, Stored } from '../../../lib/crd/objects.ts'

const now = Date.parse('2026-11-29T20:00:00Z')
const credit = '[{id: a, minutes: 5, at: 2026-11-29T19:00:00Z}]'
const given = { id: 'a', minutes: 5, at: Date.parse('2026-11-29T19:00:00Z') }

function source(data: Record<string, string>, resourceVersion = '7'): Stored<ConfigMap> {
  return stored({ metadata: { name: clockName, namespace: 'ops' }, data }, { uid: 'theirs', resourceVersion })
}

function stored(
  object: Pick<ConfigMap, 'metadata' | 'data'>,
  { uid, resourceVersion }: { uid: string; resourceVersion: string },
): Stored<ConfigMap> {
  const creationTimestamp = '2026-11-29T18:00:00Z'
  const metadata = { ...object.metadata, uid, resourceVersion, creationTimestamp }
  return { apiVersion: 'v1', kind: 'ConfigMap', ...object, metadata } as Stored<ConfigMap>
}

/** What is kept after these looks at the organiser's ConfigMap, one after the other; undefined: it is gone. */
function keptAfter(...looks: (Stored<ConfigMap> | undefined)[]): Stored<ConfigMap> | undefined {
  let kept: Stored<ConfigMap> | undefined
  for (const [index, look] of looks.entries()) {
    const taken = takeUp('ops', look, kept, now)
    if (taken) kept = stored(taken.kept, { uid: 'ours', resourceVersion: String(100 + index) })
  }
  return kept
}

const stateAfter = (...looks: (Stored<ConfigMap> | undefined)[]) =>
  keptState(keptAfter(...looks) as ConfigMap)

describe('takeUp', () => {
  it('keeps a valid state, under the mark of its source', () => {
    const order = source({ paused: 'true', credits: credit })
    const kept = keptAfter(order) as Stored<ConfigMap>
    expect(kept.metadata).toMatchObject({ name: clockStateName, namespace: 'ops' })
    expect(keptState(kept)).toEqual({ paused: true, lockdown: false, credits: [given] })
    expect(followsSource(kept, order)).toBe(true)
    expect(followsSource(kept, source({}, '8'))).toBe(false)
    expect(followsSource(kept, undefined)).toBe(false)
  })

  it('writes nothing where nobody has set anything, nor twice for one version', () => {
    expect(takeUp('ops', undefined, undefined, now)).toBeUndefined()
    const order = source({ paused: 'true' })
    expect(takeUp('ops', order, keptAfter(order), now)).toBeUndefined()
  })

  it('changes nothing that was valid before if the ConfigMap is malformed, and says why', () => {
    const before = source({ paused: 'true', lockdown: 'true', credits: credit })
    const broken = source({ paused: 'no', credits: '[]' }, '8')
    const kept = keptAfter(before, broken) as Stored<ConfigMap>
    expect(keptState(kept)).toEqual({ paused: true, lockdown: true, credits: [given] })
    expect(clockProblem(kept)).toMatch(/data\.paused is "no".*The last valid state stays/)
    expect(followsSource(kept, broken)).toBe(true)
    expect(clockProblem(keptAfter(before, broken, source({}, '9')) as ConfigMap)).toBeUndefined()
  })

  it('changes nothing if the ConfigMap is gone, and takes up a new one', () => {
    const before = source({ paused: 'true', credits: credit })
    const kept = keptAfter(before, undefined) as Stored<ConfigMap>
    expect(keptState(kept)).toEqual({ paused: true, lockdown: false, credits: [given] })
    expect(clockProblem(kept)).toMatch(/^It was deleted/)
    expect(takeUp('ops', undefined, kept, now)).toBeUndefined()
    expect(stateAfter(before, undefined, source({}, '9'))).toEqual({
      paused: false,
      lockdown: false,
      credits: [given],
    })
  })

  it('takes credits away by an explicit list only', () => {
    const before = source({ credits: credit })
    expect(stateAfter(before, source({ lockdown: 'true' }, '8'))?.credits).toEqual([given])
    expect(stateAfter(before, source({ credits: '[]' }, '8'))?.credits).toEqual([])
  })

  it('begins with an open clock if the first ConfigMap is malformed', () => {
    expect(stateAfter(source({ paused: 'x' }))).toEqual({ paused: false, lockdown: false, credits: [] })
  })

  it('writes a state anew that somebody has made unreadable, if the ConfigMap says which credits there are', () => {
    const order = source({ credits: credit })
    const spoilt = { ...(keptAfter(order) as Stored<ConfigMap>), data: { credits: 'x' } }
    expect(keptState(spoilt)).toBeUndefined()
    const again = takeUp('ops', order, spoilt, now)
    expect(again && keptState(again.kept)?.credits).toEqual([given])
    const silent = takeUp('ops', source({ paused: 'true' }, '8'), spoilt, now)
    expect(silent && keptState(silent.kept)).toBeUndefined()
    expect(silent?.problem).toMatch(/write data\.credits anew/)
    expect(takeUp('ops', undefined, spoilt, now)).toBeUndefined()
  })
})

describe('isNewerClock', () => {
  it.each([
    ['10', '9', true],
    ['9', '10', false],
    ['12', '11', true],
    ['11', '11', false],
    ['1', noClock, true],
    [noClock, '1', false],
    [noClock, noClock, false],
  ])('%s is newer than %s: %s', (version, than, newer) => {
    expect(isNewerClock(version, than)).toBe(newer)
  })
})
