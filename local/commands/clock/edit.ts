import { type ClockSource, parseClock } from '../../../lib/clock/parse.ts'
import { clockData } from '../../../lib/clock/serialise.ts'
import {
  type ClockOrder,
  type ClockState,
  type Credit,
  clockStateName,
  openClock,
  stateAfter,
} from '../../../lib/clock/state.ts'

/** What a command changes of the organiser's clock. */
export type ClockEdit =
  | { kind: 'paused' | 'lockdown'; value: boolean }
  /** Without an id it gets one of its own. */
  | { kind: 'credit'; credit: Omit<Credit, 'id'> & { id: string | undefined } }

export type Edited =
  /** The entries of `data` to write. */
  | { kind: 'write'; data: Record<string, string>; credit?: Credit }
  | { kind: 'same' }
  | { kind: 'problems'; problems: string[] }

/** The organiser's clock as it is stored. */
export interface StoredClock {
  /** The ConfigMap of organisers; undefined: there is none. */
  order: ClockSource | undefined
  /** The last valid state, as the operator keeps it; undefined: it keeps none yet. */
  state: ClockState | 'unreadable' | undefined
}

/**
 * Returns what to write so that nothing but the edit changes. A ConfigMap that was deleted changed nothing, so a new one
 * begins with the state that the operator keeps.
 * @param now epoch milliseconds of the API server
 */
export function editClock({ order, ...kept }: StoredClock, edit: ClockEdit, now: number): Edited {
  const parsed = order && parseClock(order, undefined)
  if (parsed && 'problems' in parsed) return { kind: 'problems', problems: parsed.problems }
  const isLost = kept.state === 'unreadable' && parsed?.order.credits === undefined
  if (isLost && (edit.kind === 'credit' || parsed === undefined))
    return { kind: 'problems', problems: [lost] }
  const state = kept.state === 'unreadable' || kept.state === undefined ? openClock : kept.state
  const present: ClockOrder = parsed?.order ?? state
  const { data: written = {} } = order ?? {}
  if (edit.kind === 'credit') {
    const { credits } = stateAfter(present, state)
    return addCredit(edit.credit, credits, { present, written, now })
  }
  if (present[edit.kind] === edit.value) return { kind: 'same' }
  const changed = { ...present, [edit.kind]: edit.value }
  const data = clockData({ ...changed, credits: [] })
  const value = data[edit.kind] ?? ''
  // A new ConfigMap says nothing of credits, which leaves them as they are.
  return order
    ? { kind: 'write', data: { [edit.kind]: value } }
    : { kind: 'write', data: { paused: data.paused ?? '', lockdown: data.lockdown ?? '' } }
}

const lost = `ConfigMap ${clockStateName} cannot be read, so the credits are not known; write data.credits anew, all of them`

function addCredit(
  wanted: Extract<ClockEdit, { kind: 'credit' }>['credit'],
  credits: readonly Credit[],
  { present, written, now }: { present: ClockOrder; written: Record<string, string>; now: number },
): Edited {
  const credit: Credit = { ...wanted, id: wanted.id ?? newId(credits, wanted.at) }
  if (credits.some(({ id }) => id === credit.id))
    return {
      kind: 'problems',
      problems: [`a credit with the id ${credit.id} exists already; give another --id`],
    }
  const text = clockData({ ...openClock, credits: [credit] }).credits ?? ''
  const whole = clockData({ ...present, credits: [...credits, credit] })
  // Comments that organisers wrote into the list stay where the new item can stand behind it.
  const appended = `${(written.credits ?? '').trimEnd()}\n${text}`
  const keeps = written.credits !== undefined && creditsIn(appended, now)?.length === credits.length + 1
  const list = keeps ? appended : (whole.credits ?? '')
  const data = { ...(Object.keys(written).length === 0 ? whole : {}), credits: list }
  const checked = parseClock({ data: { ...written, ...data } }, now)
  return 'problems' in checked
    ? { kind: 'problems', problems: checked.problems }
    : { kind: 'write', data, credit }
}

function creditsIn(text: string, now: number): readonly Credit[] | undefined {
  const parsed = parseClock({ data: { credits: text } }, now)
  return 'problems' in parsed ? undefined : parsed.order.credits
}

/** An id by the time, with a number behind it if there is one of this second. */
function newId(credits: readonly Credit[], at: number): string {
  const base = `credit-${new Date(at).toISOString().replace(/[-:]|\.\d+/g, '')}`
  for (let count = 1; ; count++) {
    const id = count === 1 ? base : `${base}-${count}`
    if (!credits.some(each => each.id === id)) return id
  }
}
