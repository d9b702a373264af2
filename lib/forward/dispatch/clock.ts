import type { Timers } from '../../abort.ts'

/** An item that a clock can hold. Only the clock writes the two fields. */
export interface Due {
  /** Place in the heap; -1: not in the clock. */
  clockIndex: number
  /** Epoch milliseconds. */
  dueAt: number
}

export interface Clock<T extends Due> {
  /** Replaces the time at which the item is due. @param at epoch milliseconds; undefined: removes the item */
  set(item: T, at: number | undefined): void
  /** Removes all items and stops the timer. */
  clear(): void
  readonly size: number
}

/** setTimeout takes 31 bits, and fires at once for a longer time. */
const longestTimerMs = 2 ** 31 - 1

/**
 * Calls `onDue` for each item when it is due. A binary heap orders the items, and each item knows its place, so that a
 * moved item leaves no stale entry behind. One timer serves all items.
 */
export function createClock<T extends Due>(
  onDue: (item: T) => void,
  now: () => number,
  timers: Timers,
): Clock<T> {
  const heap: T[] = []
  let timer: unknown
  let armedFor = Number.POSITIVE_INFINITY

  function put(item: T, index: number): void {
    heap[index] = item
    item.clockIndex = index
  }

  function rise(item: T): void {
    let index = item.clockIndex
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = heap[above] as T
      if (parent.dueAt <= item.dueAt) break
      put(parent, index)
      index = above
    }
    put(item, index)
  }

  function sink(item: T): void {
    let index = item.clockIndex
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      if (left >= heap.length) break
      const smaller = right < heap.length && (heap[right] as T).dueAt < (heap[left] as T).dueAt ? right : left
      const child = heap[smaller] as T
      if (child.dueAt >= item.dueAt) break
      put(child, index)
      index = smaller
    }
    put(item, index)
  }

  function take(item: T): void {
    const index = item.clockIndex
    const last = heap.pop() as T
    item.clockIndex = -1
    if (last === item) return
    put(last, index)
    rise(last)
    sink(last)
  }

  function arm(): void {
    const at = heap[0]?.dueAt ?? Number.POSITIVE_INFINITY
    if (at === armedFor) return
    timers.clear(timer)
    armedFor = at
    if (at !== Number.POSITIVE_INFINITY)
      timer = timers.set(run, Math.min(longestTimerMs, Math.max(0, at - now())))
  }

  function run(): void {
    armedFor = Number.POSITIVE_INFINITY
    const until = now()
    const due: T[] = []
    while (heap[0] !== undefined && heap[0].dueAt <= until) {
      due.push(heap[0])
      take(heap[0])
    }
    due.forEach(onDue)
    arm()
  }

  return {
    set(item, at) {
      if (item.clockIndex >= 0 && item.dueAt === at) return
      if (item.clockIndex >= 0) take(item)
      if (at !== undefined) {
        item.dueAt = at
        item.clockIndex = heap.length
        heap.push(item)
        rise(item)
      }
      arm()
    },
    clear() {
      for (const item of heap) item.clockIndex = -1
      heap.length = 0
      arm()
    },
    get size() {
      return heap.length
    },
  }
}
