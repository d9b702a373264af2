import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { abandonAfter, abortable, sleep } from '../../lib/abort.ts'

const never = new Promise<never>(() => {})

function abortedBy(reason: unknown): AbortSignal {
  return AbortSignal.abort(reason)
}

describe('abortable', () => {
  it('returns what the promise returns', async () => {
    await expect(abortable(Promise.resolve(1), new AbortController().signal)).resolves.toBe(1)
  })

  it('throws what the promise throws', async () => {
    const thrown = new Error('work')
    await expect(abortable(Promise.reject(thrown), new AbortController().signal)).rejects.toBe(thrown)
  })

  it('throws the reason of a signal that aborts meanwhile', async () => {
    const controller = new AbortController()
    const result = abortable(never, controller.signal)
    controller.abort('stop')
    await expect(result).rejects.toBe('stop')
  })

  it('throws the reason of a signal that was aborted before', async () => {
    await expect(abortable(never, abortedBy('stop'))).rejects.toBe('stop')
  })

  it('leaves no listener behind', async () => {
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    await abortable(Promise.resolve(), signal)
    expect(removed.mock.calls.map(call => call[1])).toEqual(added.mock.calls.map(call => call[1]))
  })

  it('swallows what abandoned work throws later', async () => {
    const { promise, reject } = Promise.withResolvers<never>()
    await expect(abortable(promise, abortedBy('stop'))).rejects.toBe('stop')
    reject(new Error('late'))
    await delay(1)
  })
})

describe('sleep', () => {
  it('resolves after the given time', async () => {
    const started = performance.now()
    await sleep(20, new AbortController().signal)
    expect(performance.now() - started).toBeGreaterThan(18)
  })

  it('resolves when the signal aborts, and clears its timer', async () => {
    const controller = new AbortController()
    const cleared: unknown[] = []
    const timers = { set: () => 'timer', clear: (timer: unknown) => void cleared.push(timer) }
    const slept = sleep(60_000, controller.signal, timers)
    controller.abort()
    await slept
    expect(cleared).toEqual(['timer'])
  })

  it('starts no timer for a signal that was aborted before', async () => {
    const set = vi.fn()
    await sleep(60_000, abortedBy('stop'), { set, clear() {} })
    expect(set).not.toHaveBeenCalled()
  })
})

describe('abandonAfter', () => {
  it('returns the result of work that ends within the grace', async () => {
    const work = delay(5, 'done')
    await expect(abandonAfter(work, abortedBy('stop'), 1_000)).resolves.toBe('done')
  })

  it('throws the reason of the signal for work that ignores it', async () => {
    const controller = new AbortController()
    const result = abandonAfter(never, controller.signal, 5)
    controller.abort('stop')
    await expect(result).rejects.toBe('stop')
  })

  it('waits without limit while the signal is quiet', async () => {
    await expect(abandonAfter(delay(20, 'done'), new AbortController().signal, 1)).resolves.toBe('done')
  })
})
