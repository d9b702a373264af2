import type { Timers } from '../../abort.ts'
import type { Wake } from '../judge/verdict.ts'
import type { Outstanding, Row } from '../table/row.ts'
import type { Messages } from './messages.ts'

/** Credits that reach the statuses of instances in turn: the soonest end first. */
export interface CreditLane {
  /**
   * Lets the row wait for its turn, unless its message was sent already.
   * @param wake undefined: the status has the credits
   * @returns when to evaluate again
   */
  evaluate(row: Row, wake: Wake | undefined): number | undefined
  instanceGone(row: Row): void
  stop(): void
}

export interface CreditLaneOptions {
  /** Judges the row anew. @returns undefined also while nothing may be sent */
  judge(row: Row): Wake | undefined
  /** The message of the row was sent. */
  onSent(row: Row): void
  messages: Messages
  timers: Timers
  /** Epoch milliseconds. */
  now: () => number
}

/** Milliseconds. 25 a second, some 130 API calls: 10,000 instances in under seven minutes, and creations have their room. */
const releaseEveryMs = 40

/** Nothing is remembered of a row that does not wait: at rest the lane is empty. */
export function createCreditLane({ judge, onSent, messages, timers, now }: CreditLaneOptions): CreditLane {
  /** The ends of the rows that wait, in epoch milliseconds. */
  const waiting = new Map<Row, number>()
  const sent = new Map<Row, Outstanding>()
  let timer: unknown

  const subjectOf = (uid: string) => `${uid} credits`

  function soonest(): Row | undefined {
    let found: Row | undefined
    let end = Number.POSITIVE_INFINITY
    for (const [row, at] of waiting)
      if (found === undefined || at < end) {
        found = row
        end = at
      }
    return found
  }

  function tick(): void {
    timer = undefined
    const row = soonest()
    if (row === undefined) return
    waiting.delete(row)
    release(row)
    schedule(releaseEveryMs)
  }

  function release(row: Row): void {
    const wake = judge(row)
    if (wake === undefined) return
    sent.set(row, messages.send(row, wake, subjectOf(wake.uid), sent.get(row)))
    onSent(row)
  }

  function schedule(afterMs: number): void {
    if (timer === undefined && waiting.size > 0) timer = timers.set(tick, afterMs)
  }

  function withdraw(row: Row): void {
    const outstanding = sent.get(row)
    if (outstanding) {
      messages.effectSeen(subjectOf(outstanding.uid), outstanding)
      messages.withdraw(subjectOf(outstanding.uid))
    }
    sent.delete(row)
    waiting.delete(row)
  }

  return {
    evaluate(row, wake) {
      if (wake === undefined) {
        withdraw(row)
        return undefined
      }
      const before = sent.get(row)
      if (before && !messages.isAbout(before, wake)) sent.delete(row)
      else if (before && now() < messages.lostAt(before)) return messages.lostAt(before)
      const { mismatch } = wake
      waiting.set(row, mismatch.kind === 'credits' ? mismatch.end : now())
      // The first row is chosen in a later turn of the event loop, when all rows have been offered.
      schedule(0)
      return undefined
    },
    instanceGone: withdraw,
    stop() {
      timers.clear(timer)
      timer = undefined
      waiting.clear()
      sent.clear()
    },
  }
}
