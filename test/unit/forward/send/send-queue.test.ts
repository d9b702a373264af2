import { beforeEach, describe, expect, it } from 'vitest'
import {
  createSendQueue,
  type PendingChange,
  type SendQueue,
  type Urgency,
} from '../../../../lib/forward/send/send-queue.ts'

let now: number
let queue: SendQueue
beforeEach(() => {
  now = 1_000_000
  queue = createSendQueue(() => now)
})

function pending(
  name: string,
  { urgency = 'first' as Urgency, subject = name, version = '1' } = {},
): PendingChange {
  const key = { namespace: 'ctf', name, uid: `uid-${name}`, resourceVersion: version }
  const change = { v: 1, ...key, cause: 'changed', attempt: 0, at: '' } as const
  return { subject, urgency, change: { change, deduplicationId: `${name}-${version}` } }
}

const putStarts = (count: number) => {
  for (let index = 0; index < count; index++) queue.put(pending(`start-${index}`, { urgency: 'start' }))
}
const take = (ignoreLimits = false) => queue.take({ ignoreLimits })
const idsOf = (batch: PendingChange[]) => batch.map(({ change }) => change.deduplicationId)

describe('SendQueue', () => {
  it('takes changes that start no work before all others', () => {
    putStarts(20)
    queue.put(pending('ready'))
    expect(idsOf(take().batch)).toEqual(['ready-1', ...Array.from({ length: 9 }, (_, i) => `start-${i}-1`)])
  })

  it('keeps only the newer one of two changes with the same subject', () => {
    queue.put(pending('a', { urgency: 'start' }))
    queue.put(pending('a', { version: '2' }))
    expect([queue.waiting, idsOf(take().batch), take().batch]).toEqual([0, ['a-2'], []])
  })

  it('takes no change of a group that is under way', () => {
    queue.put(pending('a'))
    const { batch } = take()
    queue.put(pending('a', { subject: 'a rollout', version: '2' }))
    expect(take().batch).toEqual([])
    queue.finish(batch, [])
    expect(idsOf(take().batch)).toEqual(['a-2'])
  })

  it('puts a refused change back, unless a newer one has replaced it', () => {
    queue.put(pending('a'))
    queue.put(pending('b'))
    const { batch } = take()
    queue.put(pending('b', { version: '2' }))
    queue.finish(
      batch,
      batch.map(({ change }) => change),
    )
    expect(idsOf(take().batch).toSorted()).toEqual(['a-1', 'b-2'])
  })

  it('stops at the start limit and returns when the limit opens', () => {
    putStarts(500)
    for (let batches = 0; batches < 20; batches++) expect(take().batch).toHaveLength(10)
    now += 2_000
    expect(take()).toEqual({ batch: [], opensInMs: 3_000 })
    now += 3_000
    expect(take().batch).toHaveLength(10)
  })

  it('takes changes that start work without a limit if the caller ignores it', () => {
    putStarts(500)
    for (let batches = 0; batches < 50; batches++) expect(take(true).batch).toHaveLength(10)
    expect(queue.waiting).toBe(0)
  })

  it('lets changes that only correct a status give way to all others, and sends few of them at a time', () => {
    for (let index = 0; index < 500; index++) queue.put(pending(`last-${index}`, { urgency: 'last' }))
    expect(idsOf(take().batch)[0]).toBe('last-0-1')
    expect(take().batch).toHaveLength(10)
    expect(take()).toEqual({ batch: [], opensInMs: 5_000 })
    putStarts(5)
    queue.put(pending('ready'))
    expect(idsOf(take().batch)).toEqual(['ready-1', ...Array.from({ length: 5 }, (_, i) => `start-${i}-1`)])
    for (let index = 0; index < 10; index++) queue.effectSeen(`last-${index}`)
    expect(take().batch).toHaveLength(10)
    expect(take().batch).toEqual([])
  })

  it('moves a change to another queue when a more urgent one has the same subject', () => {
    queue.put(pending('a', { urgency: 'last' }))
    queue.put(pending('a', { urgency: 'start', version: '2' }))
    expect([queue.waiting, idsOf(take().batch), take().batch]).toEqual([1, ['a-2'], []])
  })

  it('frees the places of refused changes', () => {
    putStarts(210)
    for (let batches = 0; batches < 20; batches++) {
      const { batch } = take()
      if (batches > 0) continue
      queue.finish(
        batch,
        batch.map(({ change }) => change),
      )
    }
    expect(take().batch).toHaveLength(10)
  })

  it('takes ends before all others, the soonest end first', () => {
    queue.put(pending('ready'))
    putStarts(3)
    for (const dueAt of [300, 100, 200]) queue.put({ ...pending(`end-${dueAt}`, { urgency: 'end' }), dueAt })
    const expected = ['end-100', 'end-200', 'end-300', 'ready', 'start-0', 'start-1', 'start-2']
    expect(idsOf(take().batch)).toEqual(expected.map(name => `${name}-1`))
  })

  it('takes an end at once, and those that follow it together', () => {
    const put = (index: number) => queue.put(pending(`over-${index}`, { urgency: 'end' }))
    put(0)
    expect(take().batch).toHaveLength(1)
    put(1)
    queue.put(pending('ready'))
    expect(idsOf(take().batch)).toEqual(['ready-1'])
    now += 10
    for (let index = 2; index < 6; index++) put(index)
    expect(take()).toEqual({ batch: [], opensInMs: 15 })
    now += 15
    expect(take().batch).toHaveLength(5)
    for (let index = 6; index < 18; index++) put(index)
    expect(take().batch).toHaveLength(10)
    expect(take()).toEqual({ batch: [], opensInMs: 25 })
    now += 60_000
    expect(take().batch).toHaveLength(2)
  })

  it('holds teardowns until every end that was sent has had its effect', () => {
    queue.put(pending('over', { urgency: 'end' }))
    queue.put(pending('torn', { urgency: 'teardown' }))
    queue.put(pending('starts', { urgency: 'start' }))
    const { batch } = take()
    expect(idsOf(batch)).toEqual(['over-1', 'starts-1'])
    queue.finish(batch, [])
    expect(take()).toEqual({ batch: [], opensInMs: 20_000 })
    queue.effectSeen('over')
    expect(idsOf(take().batch)).toEqual(['torn-1'])
  })

  it('holds teardowns while the queue refuses an end, and no more once that end was withdrawn', () => {
    queue.put(pending('over', { urgency: 'end' }))
    queue.put(pending('torn', { urgency: 'teardown' }))
    const { batch } = take()
    queue.finish(
      batch,
      batch.map(({ change }) => change),
    )
    now += 25
    expect([idsOf(take().batch), take().batch]).toEqual([['over-1'], []])
    queue.finish(batch, [])
    queue.put(pending('over', { urgency: 'end', version: '2' }))
    queue.withdraw('over')
    queue.effectSeen('over')
    expect(idsOf(take().batch)).toEqual(['torn-1'])
  })

  const putEnds = (count: number) => {
    for (let index = 0; index < count; index++) queue.put(pending(`over-${index}`, { urgency: 'end' }))
  }

  it('stops at the places for ends; what a user waits for passes them, and what starts work does not', () => {
    putEnds(300)
    for (let batches = 0; batches < 20; batches++) expect(take().batch).toHaveLength(10)
    putStarts(3)
    expect(take()).toEqual({ batch: [], opensInMs: 5_000 })
    queue.put(pending('ready'))
    expect(idsOf(take().batch)).toEqual(['ready-1'])
    expect([queue.waiting, queue.unsent]).toEqual([103, 201])
    for (let index = 0; index < 10; index++) queue.effectSeen(`over-${index}`)
    expect(idsOf(take().batch)).toEqual(Array.from({ length: 10 }, (_, index) => `over-${200 + index}-1`))
  })

  it('holds no teardown for longer than 20 s while ends wait for a place', () => {
    queue.put(pending('torn', { urgency: 'teardown' }))
    putEnds(5_000)
    for (let second = 0; second < 20; second++) {
      while (take().batch.length > 0);
      now += 1_000
    }
    const batches: PendingChange[][] = []
    do batches.push(take().batch)
    while (batches.at(-1)?.length)
    expect(batches.flatMap(idsOf)).toContain('torn-1')
  })

  it('holds what starts work no longer than 20 s while ends that the cluster refuses keep their places', () => {
    putStarts(1)
    putEnds(5_000)
    const taken: string[] = []
    for (let second = 0; second <= 20; second++) {
      let batch: PendingChange[]
      do {
        batch = take().batch
        queue.finish(batch, [])
        taken.push(...idsOf(batch))
      } while (batch.length > 0)
      if (second < 20) expect(taken).not.toContain('start-0-1')
      now += 1_000
    }
    expect(taken).toContain('start-0-1')
  })

  it('takes an end at once although the clock was set back', () => {
    queue.put(pending('one', { urgency: 'end' }))
    expect(idsOf(take().batch)).toEqual(['one-1'])
    now -= 60_000
    queue.put(pending('two', { urgency: 'end' }))
    expect(idsOf(take().batch)).toEqual(['two-1'])
  })

  it('holds no teardown for longer than 20 s, and none for an end that shows no effect', () => {
    queue.put(pending('torn', { urgency: 'teardown' }))
    for (let second = 0; second < 20; second++) {
      queue.put(pending(`over-${second}`, { urgency: 'end' }))
      const { batch } = take()
      expect(idsOf(batch)).toEqual([`over-${second}-1`])
      queue.finish(batch, [])
      now += 1_000
    }
    queue.put(pending('later', { urgency: 'teardown' }))
    expect(idsOf(take().batch)).toEqual(['torn-1'])
    expect(take().batch).toEqual([])
    now += 5_000
    expect(idsOf(take().batch)).toEqual(['later-1'])
  })

  it('takes teardowns without waiting for ends if the caller ignores limits', () => {
    queue.put(pending('torn', { urgency: 'teardown' }))
    queue.put(pending('over', { urgency: 'end' }))
    expect(idsOf(take(true).batch)).toEqual(['over-1', 'torn-1'])
  })
})
