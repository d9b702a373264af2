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
    metadata: { namespace: 'a', name, uid, resourceVersion: String(version) },
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

/** Feeds inputs and keeps what came of the last one; a number lets so many milliseconds pass. */
function run(...inputs: (Input | number)[]): { state: WatchState; last: Effect[]; told: string[] } {
  let state = initialState()
  let last: Effect[] = []
  const told: string[] = []
  let now = 1_000_000
  for (const input of inputs) {
    if (typeof input === 'number') now += input
    else {
      ;[state, last] = step(state, input, { now, random: 0.5 })
      for (const effect of last) if (effect.do !== 'say') told.push(show(effect))
    }
  }
  return { state, last, told }
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

const begin: Input = { type: 'begin' }
const opened: Input = { type: 'opened' }
const waited: Input = { type: 'waited' }
const ended: Input = { type: 'ended' }
const listed: (Input | number)[] = [
  begin,
  opened,
  event('ADDED', pod('one', 'u1', 5)),
  event('ADDED', pod('two', 'u2', 90)),
  bookmark(50, true),
]

describe('how does a watch start', () => {
  it('with a streamed list, whose end is a bookmark', () => {
    expect(run(...listed).told).toEqual(['stream list', 'one=u1', 'two=u2', 'listed'])
  })

  it("from the bookmark's version, not from one of the list's objects", () => {
    expect(run(...listed, 6_000, ended).told.at(-1)).toBe('watch from 50')
  })

  it('all over, when the list breaks off', () => {
    const { told } = run(...listed.slice(0, 3), failed('unavailable'), waited)
    expect(told).toEqual(['stream list', 'one=u1', 'wait 600', 'stream list'])
  })

  it('in pages, where streaming is not known, and so ever after', () => {
    const first = [
      begin,
      failed('unsupported'),
      page([pod('one', 'u1', 5)], 70, 'c'),
      page([pod('two', 'u2', 6)], 70),
    ]
    expect(run(...first).told).toEqual([
      'stream list',
      'page first',
      'one=u1',
      'page c',
      'two=u2',
      'listed',
      'watch from 70',
    ])
    expect(run(...first, opened, failed('expired'), waited).told.at(-1)).toBe('page first')
  })

  it('in pages, when the streamed list does not end, and only this time', () => {
    const late = [...listed.slice(0, 3), { type: 'late' } as const, page([pod('one', 'u1', 5)], 70)]
    expect(run(...late).told).toEqual([
      'stream list',
      'one=u1',
      'page first',
      'one=u1',
      'listed',
      'watch from 70',
    ])
    expect(run(...late, opened, failed('expired'), waited).told.at(-1)).toBe('stream list')
  })

  it('goes on when the list ends in the moment it is cut off as late', () => {
    expect(run(...listed, { type: 'late' }).told.at(-1)).toBe('watch from 50')
  })
})

describe('is nothing lost between two lists', () => {
  const relist = [...listed, failed('expired'), waited, opened]

  it('what is missing from the second is gone', () => {
    const { told } = run(...relist, event('ADDED', pod('two', 'u2', 90)), bookmark(200, true))
    expect(told.slice(4)).toEqual(['wait 0', 'stream list', 'two=u2', 'one-u1', 'listed'])
  })

  it('what has another uid is gone and there', () => {
    const { told } = run(
      ...relist,
      event('ADDED', pod('one', 'u9', 95)),
      event('ADDED', pod('two', 'u2', 90)),
      bookmark(200, true),
    )
    expect(told.slice(6)).toEqual(['one-u1', 'one=u9', 'two=u2', 'listed'])
  })

  it('a second list that breaks off takes nothing away', () => {
    const { told } = run(...relist, event('ADDED', pod('two', 'u2', 90)), failed('unavailable'), waited)
    expect(told.slice(6).filter(each => each.includes('-'))).toEqual([])
  })

  it('also by pages', () => {
    const paged = [begin, failed('unsupported'), page([pod('one', 'u1', 5), pod('two', 'u2', 6)], 70), opened]
    const { told } = run(...paged, failed('expired'), waited, page([pod('two', 'u3', 90)], 99))
    expect(told.slice(-5)).toEqual(['two-u2', 'two=u3', 'one-u1', 'listed', 'watch from 99'])
  })
})

describe('what is told of changes', () => {
  it('each as it comes', () => {
    const { told } = run(
      ...listed,
      event('MODIFIED', pod('one', 'u1', 60)),
      event('DELETED', pod('two', 'u2', 61)),
    )
    expect(told.slice(4)).toEqual(['one=u1', 'two-u2'])
  })

  it('a successor under the same name makes the predecessor gone, even unseen', () => {
    expect(run(...listed, event('ADDED', pod('one', 'u7', 60))).told.slice(4)).toEqual(['one-u1', 'one=u7'])
  })

  it('what was gone once is not gone again after a list', () => {
    const { told } = run(
      ...listed,
      event('DELETED', pod('one', 'u1', 61)),
      failed('expired'),
      waited,
      opened,
      event('ADDED', pod('two', 'u2', 90)),
      bookmark(200, true),
    )
    expect(told.filter(each => each === 'one-u1')).toHaveLength(1)
  })
})

describe('where does it go on', () => {
  it('from the newest event or bookmark, compared as numbers', () => {
    expect(
      run(...listed, event('MODIFIED', pod('one', 'u1', 99)), bookmark(100), 6_000, ended).told.at(-1),
    ).toBe('watch from 100')
    expect(run(...listed, bookmark(100), bookmark(99), 6_000, ended).told.at(-1)).toBe('watch from 100')
    const huge = event('BOOKMARK', { metadata: { resourceVersion: '99007199254740993' } })
    expect(run(...listed, huge, 6_000, ended).told.at(-1)).toBe('watch from 99007199254740993')
  })

  it.each([
    ['an in-stream 410', { code: 410, reason: 'Expired', message: 'too old resource version' }],
    [
      'a version the server never had',
      { code: 504, reason: 'Timeout', message: 'Too large resource version: 9, current: 5' },
    ],
  ])('with a list, after %s', (_name, status) => {
    const { told } = run(...listed, event('ERROR', { kind: 'Status', ...status }), waited)
    expect(told.slice(-2)).toEqual(['wait 0', 'stream list'])
  })

  it('from the same version, after an in-stream error that will pass', () => {
    const { told } = run(...listed, event('ERROR', { kind: 'Status', code: 500, message: 'etcd' }), waited)
    expect(told.slice(-2)).toEqual(['wait 600', 'watch from 50'])
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
  ])('with a list, after an event with %s', (_name, input) => {
    expect(run(...listed, input, waited).told.slice(-2)).toEqual(['wait 600', 'stream list'])
  })
})

describe('how long does it wait', () => {
  const waits = (...inputs: (Input | number)[]) =>
    run(...listed, ...inputs).told.filter(each => each.startsWith('wait'))
  const again = (kind: FailureKind, times: number) =>
    Array.from({ length: times }, () => [failed(kind), waited]).flat()

  it('twice as long each time, up to a cap', () => {
    expect(waits(...again('unavailable', 8))).toEqual(
      [600, 1200, 2400, 4800, 9600, 19200, 22500, 22500].map(ms => `wait ${ms}`),
    )
  })

  it('not at all after a first silence or a first 410', () => {
    expect(waits(failed('silent'))).toEqual(['wait 0'])
    expect(waits(failed('expired'))).toEqual(['wait 0'])
    expect(waits(failed('expired'), waited, opened, bookmark(60, true), failed('expired'))).toEqual([
      'wait 0',
      'wait 1200',
    ])
  })

  it('not at all for a 410 after an outage, which has been waited for already', () => {
    const outage = [...again('unavailable', 5), failed('expired')]
    expect(waits(...outage).at(-1)).toBe('wait 0')
    expect(waits(...outage, waited, opened, bookmark(60, true), failed('expired')).at(-1)).toBe('wait 22500')
  })

  it('as long as the server asks, if that is longer', () => {
    expect(waits(failed('unavailable', 9_000))).toEqual(['wait 9000'])
  })

  it('as at first, after two healthy minutes', () => {
    const healthy = [...again('unavailable', 5), opened, 120_000, failed('unavailable')]
    expect(waits(...healthy).at(-1)).toBe('wait 600')
    const brief = [...again('unavailable', 5), opened, 119_000, failed('unavailable')]
    expect(waits(...brief).at(-1)).toBe('wait 19200')
  })

  it('after a stream that ends at once, in whatever order', () => {
    expect(run(...listed, ended).told.at(-1)).toBe('wait 600')
    expect(run(begin, opened, 60_000, ended).told.at(-1)).toBe('wait 600')
  })
})

describe('what is said aloud', () => {
  it('a missing right, as an error, each time', () => {
    const { last } = run(...listed, failed('refused'), waited, failed('refused'))
    expect(last[0]).toMatchObject({ do: 'say', level: 'error' })
  })

  it('nothing, when a stream ends in order', () => {
    expect(run(...listed, 250_000, ended).last).toMatchObject([{ do: 'open', version: '50' }])
  })
})

describe('does a stream end before a balancer cuts it', () => {
  it.each([
    [0, 240],
    [0.999, 295],
  ])('random %d: %d s', (random, timeoutSeconds) => {
    const [, effects] = step(initialState(), begin, { now: 0, random })
    expect(effects).toEqual([{ do: 'open', version: undefined, timeoutSeconds }])
  })
})
