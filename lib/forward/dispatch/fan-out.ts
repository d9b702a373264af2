import type { Timers } from '../../abort.ts'
import type { HeldRollout } from '../../messages.ts'
import type { Row, TemplateEntry, Turn } from '../table/row.ts'

/** Paces changes of the rows of a template. */
export interface FanOut {
  /** The row waits until it is released, or until its turn says that it waits no more. */
  offer(row: Row): void
  clear(): void
}

export interface FanOutOptions {
  turnOf(row: Row): Turn
  /** The row whose turn is next, of those that wait. */
  nextInLine(template: TemplateEntry): Row | undefined
  /** Why the rows of a template have to wait; undefined: they need not. */
  hold(template: TemplateEntry): HeldRollout | undefined
  /** It is the row's turn. */
  release(row: Row): void
  /** The row waits, and its roll-out has been held for long. @returns whether a message was sent */
  announce(row: Row, held: HeldRollout): boolean
  timers: Timers
  /** Epoch milliseconds. */
  now: () => number
}

/** Milliseconds. Ten a second for one template: 1,000 instances in under two minutes, some 60 API calls a second. */
const releaseEveryMs = 100

/** Milliseconds after which a held roll-out is examined again. A container takes seconds to become ready. */
const heldEveryMs = 1_000

/** Milliseconds. The status of the instances that wait says so if the roll-out is held for longer. */
const heldLongMs = 10_000

interface Running {
  timer: unknown
  /** Since when instances that are not Ready hold the roll-out, in epoch milliseconds; undefined: they do not. */
  heldSince: number | undefined
}

/**
 * Releases one row of a template after the other, or holds the roll-out (`hold`). Both are read from the table each
 * time, so they survive a restart. A corrected edit is a new generation, on which no row is yet.
 */
export function createFanOut(options: FanOutOptions): FanOut {
  const { turnOf, hold: holdOf, release, announce, timers, now } = options
  const running = new Map<TemplateEntry, Running>()

  function tick(template: TemplateEntry, heldBefore?: number): void {
    const next = options.nextInLine(template)
    if (next === undefined) {
      running.delete(template)
      return
    }
    const hold = holdOf(template)
    if (hold === undefined) {
      turnOf(next).waits = false
      release(next)
    }
    const heldSince = hold?.notReady ? (heldBefore ?? now()) : undefined
    const heldLong = heldSince !== undefined && now() - heldSince >= heldLongMs
    const announced = hold !== undefined && heldLong && announceNext(template, hold)
    schedule(template, hold === undefined || announced ? releaseEveryMs : heldEveryMs, heldSince)
  }

  /** Announces the hold to one row that waits. @returns whether a message was sent */
  function announceNext({ rows }: TemplateEntry, held: HeldRollout): boolean {
    for (const row of rows) if (turnOf(row).waits && announce(row, held)) return true
    return false
  }

  function schedule(template: TemplateEntry, afterMs: number, heldSince?: number): void {
    const timer = timers.set(() => tick(template, heldSince), afterMs)
    running.set(template, { timer, heldSince })
  }

  return {
    offer(row) {
      const { template } = row
      if (template === undefined) return
      turnOf(row).waits = true
      // The first row is chosen in a later turn of the event loop, when all rows of the template have been offered.
      if (!running.has(template)) schedule(template, 0)
    },
    clear() {
      for (const [template, { timer }] of running) {
        timers.clear(timer)
        for (const row of template.rows) turnOf(row).waits = false
      }
      running.clear()
    },
  }
}
