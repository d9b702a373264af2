import type { Timers } from '../abort.ts'

/** What the clock holds; the two fields are its own. */
export interface Due {
  clockIndex: number
  dueAt: number
}

export interface Clock<T extends Due> {
  /** @param at epoch milliseconds; undefined: nothing to come back for */
  set(item: T, at: number | undefined): void
  /** Forgets everything and stops its timer. */
  clear(): void
  readonly size: number
}

/** setTimeout takes 31 bits and fires at once beyond them. */
const longestMs = 2 ** 31 - 1

/** A binary heap that knows each item's place, so that moving one leaves no stale entry behind; one timer for all. */
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
    if (at !== Number.POSITIVE_INFINITY) timer = timers.set(run, Math.min(longestMs, Math.max(0, at - now())))
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
