import { isBuiltWith, type PresentSettings } from '../../desired/configuration.ts'
import type { HeldRollout } from '../../messages.ts'
import { countsAgainstRollout } from '../../reason-rules.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Row, TemplateDigest, TemplateEntry, Turn } from '../table/row.ts'

/**
 * Returns the row whose turn is next. Rows that are broken already come first: they lose nothing, and the change may be
 * what cures them. Rows whose message was lost come last, so that those whose passes fail keep no other row waiting.
 */
export function nextInLine({ rows }: TemplateEntry, turnOf: (row: Row) => Turn): Row | undefined {
  let first: Row | undefined
  let again: Row | undefined
  for (const row of rows) {
    const { waits, sent } = turnOf(row)
    if (!waits) continue
    if (sent !== undefined) again ??= row
    else if (!serves(row.instance)) return row
    else first ??= row
  }
  return first ?? again
}

/** Returns why the roll-out of a template must wait. See `holdOf`. With `Keep` it restarts nothing. */
export function rolloutHold({ digest, rows }: TemplateEntry): HeldRollout | undefined {
  if (digest === undefined || digest.keep) return undefined
  return holdOf(rows, {
    turnOf: ({ turns }) => turns.rollout,
    isOn: instance => isOn(digest, instance),
    served: instance => instance.served,
  })
}

/** Returns why changed settings of the operator must wait at a template. See `holdOf`. */
export function settingsHold({ rows }: TemplateEntry, settings: PresentSettings): HeldRollout | undefined {
  return holdOf(rows, {
    turnOf: ({ turns }) => turns.settings,
    isOn: ({ configuration }) => configuration !== undefined && isBuiltWith(settings, configuration.settings),
    served: ({ configuration }) => configuration?.served === true,
  })
}

interface Progress {
  turnOf(row: Row): Turn
  /** Whether the instance took the change up. */
  isOn(instance: InstanceDigest): boolean
  /** Whether it served then. */
  served(instance: InstanceDigest): boolean
}

/**
 * Returns why a roll-out must wait, undefined if it need not: more than one and more than a tenth of the instances that
 * served are not Ready with the change (`notReady`), or they are together with those that are on their way there
 * (`notReady` is 0). Only an instance that served when it took the change up counts: the trouble of another one is older.
 * A repeated message does not count: the pass of the first one may have failed for a reason of its own.
 */
function holdOf(rows: Iterable<Row>, { turnOf, isOn, served }: Progress): HeldRollout | undefined {
  let notReady = 0
  let of = 0
  let onTheirWay = 0
  for (const row of rows) {
    const { instance } = row
    if (instance === undefined || instance.deleting || !countsForRollout(instance)) continue
    const { sent, waits } = turnOf(row)
    if (isOn(instance)) {
      if (!served(instance)) continue
      of += 1
      if (!serves(instance)) notReady += 1
    } else if (sent !== undefined && !sent.repeated && !waits && serves(instance)) onTheirWay += 1
  }
  if (tooMany(notReady, of)) return { notReady, of }
  return tooMany(notReady + onTheirWay, of + onTheirWay) ? { notReady: 0, of } : undefined
}

function tooMany(notReady: number, of: number): boolean {
  return notReady > Math.max(1, of / 10)
}

function countsForRollout({ stalledReason }: InstanceDigest): boolean {
  return stalledReason === undefined || countsAgainstRollout(stalledReason)
}

function isOn({ uid, generation }: TemplateDigest, instance: InstanceDigest): boolean {
  return instance.templateUid === uid && instance.templateGeneration >= generation
}

/** Whether the instance is Ready, or hibernated: without a pod there is nothing that could break. */
function serves(instance: InstanceDigest | undefined): boolean {
  return instance?.ready === true || instance?.phase === 'Idle'
}
