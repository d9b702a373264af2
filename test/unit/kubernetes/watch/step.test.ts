import { describe, expect, it } from 'vitest'
import type { KubernetesObject, Stored } from '../../../../lib/crd/objects.ts'
import type { FailureKind } from '../../../../lib/kubernetes/watch/failure.ts'
import {
  type Effect,
  type Input,
  initialState,
  step,
  type WatchState,
} from '../../../../lib/kubernetes/watch/step.ts'

function pod(name: string, uid: string, version: number): Stored<KubernetesObject> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'a',
      name,
      uid,
      resourceVersion: String(version),
      creationTimestamp: '2026-11-21T08:00:00Z',
    },
  }
}

const event = (type: string, object: unknown): Input => ({
  type: 'event',
  event: { type, object: object as KubernetesObject },
})
const bookmark = (version: number, ends = false): Input =>
  event('BOOKMARK', {
    metadata: {
      resourceVersion: String(version),
      ...(ends ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    },
  })
const failed = (kind: FailureKind, retryAfterMs?: number): Input => ({
  type: 'failed',
  failure: { kind, message: 'x', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
})
const page = (items: Stored<KubernetesObject>[], version: number, next?: string): Input => ({
  type: 'page',
  items,
  resourceVersion: String(version),
  next,
})

/**
 * Feeds inputs. A number lets that many milliseconds pass.
 * @returns the effects of the last input, and those of all inputs but for the log, one word or two each
 */
function run(...inputs: (Input | number)[]): { state: WatchState; last: Effect[]; reported: string[] } {
  let state = initialState()
  let last: Effect[] = []
  const reported: string[] = []
  let now = 1_000_000
  for (const input of inputs) {
    if (typeof input === 'number') now += input
    else {
      ;[state, last] = step(state, input, { now, random: 0.5 })
      for (const effect of last) if (effect.do !== 'log') reported.push(show(effect))
    }
  }
  return { state, last, reported }
}

function show(effect: Effect): string {
  switch (effect.do) {
    case 'object':
      return `${effect.object.metadata.name}=${effect.object.metadata.uid}`
    case 'gone':
      return `${effect.object.metadata.name}-${effect.object.metadata.uid}`
    case 'open':
      return effect.version === undefined ? 'stream list' : `watch from ${effect.version}`
    case 'page':
      return `page ${effect.next ?? 'first'}`
    case 'wait':
      return `wait ${effect.ms}`
    default:
      return effect.do
  }
}

const listOf = (effect: Effect) => (effect.do === 'listed' ? [effect.list] : [])

const begin: Input = { type: 'begin' }
const opened: Input = { type: 'opened' }
const waited: Input = { type: 'waited' }
const ended: Input = { type: 'ended' }
const compared = (resourceVersion: string): Input => ({ type: 'compared', resourceVersion })
const listed: (Input | number)[] = [
  begin,
  opened,
  event('ADDED', pod('one', 'u1', 5)),
  event('ADDED', pod('two', 'u2', 90)),
  bookmark(50, true),
]

describe('step: the first list', () => {
  it('streams a list, which ends with a bookmark', () => {
    expect(run(...listed).reported).toEqual(['stream list', 'one=u1', 'two=u2', 'listed'])
  })

  it("goes on from the bookmark's version and from no version of a listed object", () => {
    expect(run(...listed, 6_000, ended).reported.at(-1)).toBe('watch from 50')
  })

  it('starts again when the list breaks off', () => {
    const { reported } = run(...listed.slice(0, 3), failed('unavailable'), waited)
    expect(reported).toEqual(['stream list', 'one=u1', 'wait 600', 'stream list'])
  })

  it('reads this list and all later ones in pages if the server cannot stream lists', () => {
    const first = [
      begin,
      failed('unsupported'),
      page([pod('one', 'u1', 5)], 70, 'c'),
      page([pod('two', 'u2', 6)], 70),
    ]
    expect(run(...first).reported).toEqual([
      'stream list',
      'page first',
      'one=u1',
      'page c',
      'two=u2',
      'listed',
      'watch from 70',
    ])
    expect(run(...first, opened, failed('expired'), waited).reported.at(-1)).toBe('page first')
  })

  it('reads only this list in pages if the streamed list does not end', () => {
    const late = [...listed.slice(0, 3), { type: 'late' } as const, page([pod('one', 'u1', 5)], 70)]
    expect(run(...late).reported).toEqual([
      'stream list',
      'one=u1',
      'page first',
      'one=u1',
      'listed',
      'watch from 70',
    ])
    expect(run(...late, opened, failed('expired'), waited).reported.at(-1)).toBe('stream list')
  })

  it('goes on watching if the list ends in the moment in which it counts as late', () => {
    expect(run(...listed, { type: 'late' }).reported.at(-1)).toBe('watch from 50')
  })
})

describe('step: a repeated list', () => {
  const relist = [...listed, failed('expired'), waited, opened]

  it('reports an object that is missing from the second list as gone', () => {
    const { reported } = run(...relist, event('ADDED', pod('two', 'u2', 90)), bookmark(200, true))
    expect(reported.slice(4)).toEqual(['wait 0', 'stream list', 'two=u2', 'one-u1', 'listed'])
  })

  it('reports an object with another uid as gone, then as new', () => {
    const { reported } = run(
      ...relist,
      event('ADDED', pod('one', 'u9', 95)),
      event('ADDED', pod('two', 'u2', 90)),
      bookmark(200, true),
    )
    expect(reported.slice(6)).toEqual(['one-u1', 'one=u9', 'two=u2', 'listed'])
  })

  it('tells how many changes and deletions no event had told', () => {
    const lists = (...inputs: (Input | number)[]) =>
      inputs.flatMap((_, index) => run(...inputs.slice(0, index + 1)).last).flatMap(listOf)
    expect(lists(...listed)).toEqual([{ repeated: false, found: 0 }])
    const seen = [...listed, event('MODIFIED', pod('two', 'u2', 95)), failed('expired'), waited, opened]
    const again = [
      event('ADDED', pod('two', 'u2', 95)),
      event('ADDED', pod('new', 'u3', 97)),
      bookmark(200, true),
    ]
    // `one` is gone, `new` is new, and the change of `two` was told.
    expect(lists(...seen, ...again).at(-1)).toEqual({ repeated: true, found: 2 })
    // A list that breaks off found nothing yet.
    const broken = [...seen, event('ADDED', pod('new', 'u3', 97)), failed('unavailable'), waited, opened]
    expect(lists(...broken, ...again).at(-1)).toEqual({ repeated: true, found: 2 })
  })

  it('reports no object as gone if the second list breaks off', () => {
    const { reported } = run(...relist, event('ADDED', pod('two', 'u2', 90)), failed('unavailable'), waited)
    expect(reported.slice(6).filter(each => each.includes('-'))).toEqual([])
  })

  it('finds the same differences in pages', () => {
    const paged = [begin, failed('unsupported'), page([pod('one', 'u1', 5), pod('two', 'u2', 6)], 70), opened]
    const { reported } = run(...paged, failed('expired'), waited, page([pod('two', 'u3', 90)], 99))
    expect(reported.slice(-5)).toEqual(['two-u2', 'two=u3', 'one-u1', 'listed', 'watch from 99'])
  })
})

describe('step: changes', () => {
  it('reports each change as it comes', () => {
    const { reported } = run(
      ...listed,
      event('MODIFIED', pod('one', 'u1', 60)),
      event('DELETED', pod('two', 'u2', 61)),
    )
    expect(reported.slice(4)).toEqual(['one=u1', 'two-u2'])
  })

  it('reports a predecessor under the same name as gone if its DELETED event was missed', () => {
    expect(run(...listed, event('ADDED', pod('one', 'u7', 60))).reported.slice(4)).toEqual([
      'one-u1',
      'one=u7',
    ])
  })

  it('reports an object as gone once, also if a list follows', () => {
    const { reported } = run(
      ...listed,
      event('DELETED', pod('one', 'u1', 61)),
      failed('expired'),
      waited,
      opened,
      event('ADDED', pod('two', 'u2', 90)),
      bookmark(200, true),
    )
    expect(reported.filter(each => each === 'one-u1')).toHaveLength(1)
  })
})

describe('step: the version to go on from', () => {
  it('is the one of the newest event or bookmark, compared as numbers', () => {
    expect(
      run(...listed, event('MODIFIED', pod('one', 'u1', 99)), bookmark(100), 6_000, ended).reported.at(-1),
    ).toBe('watch from 100')
    expect(run(...listed, bookmark(100), bookmark(99), 6_000, ended).reported.at(-1)).toBe('watch from 100')
    const huge = event('BOOKMARK', { metadata: { resourceVersion: '99007199254740993' } })
    expect(run(...listed, huge, 6_000, ended).reported.at(-1)).toBe('watch from 99007199254740993')
  })

  it.each([
    ['an in-stream 410', { code: 410, reason: 'Expired', message: 'too old resource version' }],
    [
      'a version the server never had',
      { code: 504, reason: 'Timeout', message: 'Too large resource version: 9, current: 5' },
    ],
  ])('is dropped for a list after %s', (_name, status) => {
    const { reported } = run(...listed, event('ERROR', { kind: 'Status', ...status }), waited)
    expect(reported.slice(-2)).toEqual(['wait 0', 'stream list'])
  })

  it('stays the same after an error in the stream that will pass', () => {
    const { reported } = run(
      ...listed,
      event('ERROR', { kind: 'Status', code: 500, message: 'etcd' }),
      waited,
      compared('50'),
    )
    expect(reported.slice(-3)).toEqual(['wait 600', 'compare', 'watch from 50'])
  })

  it('is dropped for a list after a failure if the server has gone back, as after a restore of etcd', () => {
    const restored = [failed('unavailable'), waited, compared('49')]
    expect(run(...listed, ...restored).reported.slice(-2)).toEqual(['compare', 'stream list'])
    const { reported, last } = run(
      ...listed,
      ...restored,
      opened,
      event('ADDED', pod('one', 'u1', 4)),
      bookmark(30, true),
      6_000,
      ended,
    )
    expect(reported.slice(-4)).toEqual(['one=u1', 'two-u2', 'listed', 'watch from 30'])
    expect(last).toHaveLength(1)
  })

  it('is compared after a silence too, since a server that has gone back accepts it and tells nothing', () => {
    const { reported } = run(...listed, failed('silent'), waited, compared('49'))
    expect(reported.slice(-3)).toEqual(['wait 0', 'compare', 'stream list'])
  })

  it('is compared again if the comparison fails', () => {
    const { reported } = run(
      ...listed,
      failed('unavailable'),
      waited,
      failed('unavailable'),
      waited,
      compared('60'),
    )
    expect(reported.slice(-4)).toEqual(['compare', 'wait 1200', 'compare', 'watch from 50'])
  })

  it('is dropped for a list if the answer is no version', () => {
    const { reported } = run(...listed, failed('unavailable'), waited, compared(''), waited)
    expect(reported.at(-1)).toBe('stream list')
  })

  it.each([
    ['no version', event('MODIFIED', { metadata: { name: 'x', uid: 'y' } })],
    [
      'a version that is no number',
      event('MODIFIED', { metadata: { name: 'x', uid: 'y', resourceVersion: 'abc' } }),
    ],
    ['no object', event('MODIFIED', null)],
    ['an unknown type', event('SURPRISE', pod('one', 'u1', 99))],
    ['no name', event('ADDED', { metadata: { resourceVersion: '99' } })],
  ])('is dropped for a list after an event with %s', (_name, input) => {
    expect(run(...listed, input, waited).reported.slice(-2)).toEqual(['wait 600', 'stream list'])
  })
})

describe('step: the delay after a failure', () => {
  const waits = (...inputs: (Input | number)[]) =>
    run(...listed, ...inputs).reported.filter(each => each.startsWith('wait'))
  const again = (kind: FailureKind, times: number) =>
    Array.from({ length: times }, () => [failed(kind), waited]).flat()

  it('doubles with each failure, up to a cap', () => {
    expect(waits(...again('unavailable', 8))).toEqual(
      [600, 1200, 2400, 4800, 9600, 19200, 22500, 22500].map(ms => `wait ${ms}`),
    )
  })

  it('is zero after a first silence or a first 410', () => {
    expect(waits(failed('silent'))).toEqual(['wait 0'])
    expect(waits(failed('expired'))).toEqual(['wait 0'])
    expect(waits(failed('expired'), waited, opened, bookmark(60, true), failed('expired'))).toEqual([
      'wait 0',
      'wait 1200',
    ])
  })

  it('is zero for a 410 after an outage, during which the watch has waited already', () => {
    const outage = [...again('unavailable', 5), failed('expired')]
    expect(waits(...outage).at(-1)).toBe('wait 0')
    expect(waits(...outage, waited, opened, bookmark(60, true), failed('expired')).at(-1)).toBe('wait 22500')
  })

  it('is at least the one that the server asks for', () => {
    expect(waits(failed('unavailable', 9_000))).toEqual(['wait 9000'])
  })

  it('starts from the first step again after two healthy minutes', () => {
    const healthy = [...again('unavailable', 5), opened, 120_000, failed('unavailable')]
    expect(waits(...healthy).at(-1)).toBe('wait 600')
    const brief = [...again('unavailable', 5), opened, 119_000, failed('unavailable')]
    expect(waits(...brief).at(-1)).toBe('wait 19200')
  })

  it('applies to a stream that the server ends at once', () => {
    expect(run(...listed, ended).reported.at(-1)).toBe('wait 600')
    expect(run(begin, opened, 60_000, ended).reported.at(-1)).toBe('wait 600')
  })
})

describe('step: the log', () => {
  it('has an error for each attempt without the right to watch', () => {
    const { last } = run(...listed, failed('refused'), waited, failed('refused'))
    expect(last[0]).toMatchObject({ do: 'log', level: 'error' })
  })

  it('has no line for a stream that the server ends in order', () => {
    expect(run(...listed, 250_000, ended).last).toMatchObject([{ do: 'open', version: '50' }])
  })
})

describe('step: the timeout of a stream', () => {
  it.each([
    [0, 240],
    [0.999, 295],
  ])(
    'for the random number %d is %d s, before a load balancer cuts the connection',
    (random, timeoutSeconds) => {
      const [, effects] = step(initialState(), begin, { now: 0, random })
      expect(effects).toEqual([{ do: 'open', version: undefined, timeoutSeconds }])
    },
  )
})
