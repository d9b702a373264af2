import type { Timers } from '../../abort.ts'
import type { HeldRollout } from '../../messages.ts'
import type { Wake } from '../judge/verdict.ts'
import type { LaneName, Row, TemplateEntry } from '../table/row.ts'
import { createFanOut } from './fan-out.ts'
import type { Messages } from './messages.ts'
import { nextInLine } from './rollout.ts'

/** Changes of one kind, which reach the instances of a template in turn. Meanwhile they hide no other mismatch of a row. */
export interface Lane {
  /**
   * Lets the row wait for its turn, unless its change was sent already.
   * @param wake the change of the row; undefined: it has none
   * @returns when to evaluate again
   */
  evaluate(row: Row, wake: Wake | undefined): number | undefined
  /** The instance with this uid is gone. */
  instanceGone(row: Row, uid: string): void
  stop(): void
}

export interface LaneOptions {
  name: LaneName
  /** Judges the row anew. @returns undefined also while nothing may be sent */
  judge(row: Row): Wake | undefined
  hold(template: TemplateEntry): HeldRollout | undefined
  /** See `FanOutOptions`. */
  announce(row: Row, held: HeldRollout): boolean
  /** The change of the row was sent. */
  onSent(row: Row): void
  messages: Messages
  timers: Timers
  /** Epoch milliseconds. */
  now: () => number
}

export function createLane(options: LaneOptions): Lane {
  const { name, hold, announce, messages, timers, now } = options
  const turnOf = ({ turns }: Row) => turns[name]
  const subjectOf = (uid: string) => `${uid} ${name}`
  const fanOut = createFanOut({
    turnOf,
    nextInLine: template => nextInLine(template, turnOf),
    hold,
    release,
    announce,
    timers,
    now,
  })

  /** It is the row's turn. */
  function release(row: Row): void {
    const wake = options.judge(row)
    if (wake === undefined) return
    const turn = turnOf(row)
    turn.sent = messages.send(row, wake, subjectOf(wake.uid), turn.sent)
    options.onSent(row)
  }

  function withdraw(row: Row, uid: string | undefined): void {
    const turn = turnOf(row)
    if (turn.sent) messages.effectSeen(subjectOf(turn.sent.uid), turn.sent)
    if (turn.sent && uid !== undefined) messages.withdraw(subjectOf(uid))
    turn.sent = undefined
    turn.waits = false
  }

  return {
    evaluate(row, wake) {
      const turn = turnOf(row)
      if (wake === undefined) {
        withdraw(row, row.instance?.uid)
        return undefined
      }
      if (turn.sent === undefined || !messages.isAbout(turn.sent, wake)) turn.sent = undefined
      else if (now() < messages.lostAt(turn.sent)) return messages.lostAt(turn.sent)
      fanOut.offer(row)
      return undefined
    },
    instanceGone: withdraw,
    stop: fanOut.clear,
  }
}
