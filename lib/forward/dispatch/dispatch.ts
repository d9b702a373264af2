import type { Timers } from '../../abort.ts'
import { type PresentSettings, underLockdown } from '../../desired/configuration.ts'
import type { Cause, HeldRollout } from '../../messages.ts'
import type { Log } from '../../telemetry/log.ts'
import { judge } from '../judge/judge.ts'
import { namespaceElsewhere } from '../judge/judge-children.ts'
import { mismatchKey } from '../judge/mismatch.ts'
import type { Verdict, Wake } from '../judge/verdict.ts'
import { createEffectLatency } from '../send/effect-latency.ts'
import { outgoingChange } from '../send/outgoing-change.ts'
import type { Urgency } from '../send/send-queue.ts'
import type { Sender } from '../send/sender.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import { type LaneName, laneNames, type Outstanding, type Row, type TemplateEntry } from '../table/row.ts'
import { createClock } from './clock.ts'
import type { SeenClock } from './clock-sight.ts'
import { createCreditLane } from './credit-lane.ts'
import { createGoneOfLate } from './gone-of-late.ts'
import { createHeldNotices } from './held-notice.ts'
import { createLane } from './lane.ts'
import type { Messages } from './messages.ts'
import {
  measuresQueue,
  noteVersions,
  patience,
  type Repetition,
  repetitionOf,
  versionsOf,
  waitMsOf,
} from './repeat.ts'
import { rolloutHold, settingsHold } from './rollout.ts'

export interface DispatchOptions {
  sender: Sender
  /** Whether every list has ended and this forwarder holds the lease. Otherwise nothing is judged or sent. */
  isActive: () => boolean
  /** Epoch milliseconds. */
  now: () => number
  timers: Timers
  /** The settings that instances should be built with. */
  settings: PresentSettings
  /** See `OperatorConfig`. */
  warnMinutes: number
  /** See `GatewaySight`. */
  gatewayIsMissing: () => boolean
  /** The organiser's clock. */
  organisersClock: SeenClock
  log: Log
  /** A W3C traceparent for a change that starts here. */
  trace: () => string
}

/**
 * Turns mismatches into messages. Sends each mismatch once, delays it while it may be the echo of our own write, and
 * sends it again when its message seems lost, or when newer versions of children or pods still show it (`repeat.ts`). Rows whose verdict changes with time are evaluated again by a clock, and
 * template changes are sent in their turn (`createFanOut`).
 */
export interface Dispatch {
  /** Judges the row and sends what is due. */
  evaluate(row: Row): void
  /**
   * Evaluates the rows as if nothing had been sent before, so that every mismatch is sent, and instances that went of late.
   * @returns number of rows
   */
  evaluateAnew(rows: Iterable<Row>): number
  instanceGone(row: Row, gone: InstanceDigest): void
  /** Nothing is left of the row, so the clock forgets it. */
  forget(row: Row): void
  /** Stops the clock and the pacing of template changes. */
  stop(): void
}

export function createDispatch(options: DispatchOptions): Dispatch {
  const { sender, isActive, now, timers, trace, gatewayIsMissing, organisersClock, log } = options
  const { settings, warnMinutes } = options
  const closed = underLockdown(settings)
  const clock = createClock<Row>(evaluate, now, timers)
  const latency = createEffectLatency({ patience })
  const messages: Messages = {
    send: (row, wake, subject, before) => send(row, wake, now(), { subject, before, as: before && 'lost' }),
    lostAt: outstanding => repetitionOf(outstanding, latency).at,
    effectSeen: (subject, outstanding) => effectSeen(subject, outstanding, now()),
    withdraw: sender.withdraw,
    isAbout,
  }
  const goneOfLate = createGoneOfLate(now)
  const heldSettings = new WeakSet<TemplateEntry>()
  const heldNotices = createHeldNotices(messages, now)
  const lanes = {
    rollout: createLane({
      ...laneOptions('rollout'),
      hold: rolloutHold,
      announce: (row, held) => isActive() && heldNotices.send(row, held),
    }),
    settings: createLane({
      ...laneOptions('settings'),
      hold: template => settingsHold(template, settings),
      announce: logSettingsHeld,
    }),
  }
  const creditLane = createCreditLane({
    judge: row => (isActive() ? judgeRow(row, now()).credits : undefined),
    ...{ onSent: evaluate, messages, timers, now },
  })

  function laneOptions(name: LaneName) {
    const judgeLane = (row: Row) => (isActive() ? judgeRow(row, now())[name] : undefined)
    return { name, judge: judgeLane, onSent: evaluate, messages, timers, now }
  }

  function judgeRow(row: Row, at: number): Verdict {
    const { state: clock } = organisersClock
    return judge(row, row.template?.digest, at, {
      settings: clock.lockdown ? closed : settings,
      closedOwnPolicy: closed.settingsOfOwnPolicy,
      warnMinutes,
      gatewayIsMissing: gatewayIsMissing(),
      clock,
    })
  }

  function effectSeen(subject: string, outstanding: Outstanding, at: number): void {
    sender.effectSeen(subject)
    if (measuresQueue(outstanding)) latency.effectSeen(at - outstanding.sentAt, at)
  }

  /** @param before the message about the same mismatch that is repeated, and why */
  function send(row: Row, wake: Wake, at: number, options: SendOptions = {}): Outstanding {
    const { subject = wake.uid, before, as } = options
    const { uid, cause } = wake
    const key = mismatchKey(wake.mismatch)
    const { version } = organisersClock
    const stamps = { at, trace: trace(), clock: version }
    const change = outgoingChange({ key: row, wake, ...stamps, repeated: as === 'lost' })
    const dueAt = wake.mismatch.kind === 'expired' ? wake.mismatch.expiresAt : undefined
    sender.put({ subject, change, urgency: urgencyOf(wake), dueAt })
    return {
      uid,
      cause,
      key,
      sentAt: at,
      waitMs: waitMsOf(wake, before, as),
      repeated: before !== undefined,
      versions: versionsOf(wake),
      outdatedSince: undefined,
      repeatsForNewer: (before?.repeatsForNewer ?? 0) + (as === 'outdated' ? 1 : 0),
    }
  }

  /** @returns when to evaluate again */
  function sendOrWait(row: Row, wake: Wake, at: number): number {
    const sent = row.outstanding
    const before = isAbout(sent, wake) ? sent : undefined
    if (before) noteVersions(before, wake, at)
    const repetition = before && repetitionOf(before, latency)
    if (repetition && at < repetition.at) {
      row.delayedSince = undefined
      return repetition.at
    }
    if (!before && wake.delayMs > 0) {
      row.delayedSince ??= at
      if (at < row.delayedSince + wake.delayMs) return row.delayedSince + wake.delayMs
    }
    row.delayedSince = undefined
    if (!before && sent) effectSeen(sent.uid, sent, at)
    row.outstanding = send(row, wake, at, { before, as: repetition?.as })
    return repetitionOf(row.outstanding, latency).at
  }

  /** Said once for each template: the statuses of the instances that took the settings up say what is wrong. */
  function logSettingsHeld({ template }: Row, held: HeldRollout): boolean {
    if (template === undefined || heldSettings.has(template)) return false
    heldSettings.add(template)
    const { namespace, name } = template
    log.warn('changed settings are held', { namespace, template: name, ...held })
    return false
  }

  function clearOutstanding(row: Row, at: number): void {
    const { instance, outstanding } = row
    if (outstanding) effectSeen(outstanding.uid, outstanding, at)
    if (outstanding && instance) sender.withdraw(instance.uid)
    row.outstanding = undefined
    row.delayedSince = undefined
  }

  function evaluate(row: Row): void {
    if (!isActive()) return
    const at = now()
    const verdict = judgeRow(row, at)
    if (verdict.rollout === undefined || row.instance?.reason === 'RolloutWaiting') heldNotices.clear(row)
    const turns = laneNames
      .map(name => lanes[name].evaluate(row, verdict[name]))
      .filter(each => each !== undefined)
    // A pass that was sent in its turn is about to write children, and then a status that records them.
    const isEcho = turns.length > 0 && verdict.wake?.cause === 'child'
    const wake = isEcho ? undefined : verdict.wake
    if (wake === undefined) clearOutstanding(row, at)
    const wakeAt = wake && sendOrWait(row, wake, at)
    const creditsAt = creditLane.evaluate(row, verdict.credits)
    const next = Math.min(verdict.dueAt ?? Infinity, wakeAt ?? Infinity, creditsAt ?? Infinity, ...turns)
    clock.set(row, next === Infinity ? undefined : next)
  }

  function instanceGone(row: Row, gone: InstanceDigest): void {
    if (!isActive()) {
      goneOfLate.remember(row, gone)
      return
    }
    const at = now()
    const { outstanding } = row
    if (outstanding) effectSeen(outstanding.uid, outstanding, at)
    for (const name of laneNames) lanes[name].instanceGone(row, gone.uid)
    creditLane.instanceGone(row)
    heldNotices.clear(row)
    forgetSent(row)
    if (!isLastStepSent(row, gone, outstanding)) send(row, instanceGoneWake(row, gone), at)
  }

  return {
    evaluate,
    evaluateAnew(rows) {
      let count = 0
      for (const row of rows) {
        count += 1
        forgetSent(row)
        evaluate(row)
      }
      for (const { row, gone } of goneOfLate.take()) instanceGone(row, gone)
      return count
    },
    instanceGone,
    forget: row => clock.set(row, undefined),
    stop() {
      clock.clear()
      for (const name of laneNames) lanes[name].stop()
      creditLane.stop()
    },
  }
}

interface SendOptions {
  /** Default: the uid. */
  subject?: string
  before?: Outstanding | undefined
  as?: Repetition['as'] | undefined
}

function forgetSent(row: Row): void {
  row.outstanding = undefined
  for (const name of laneNames) row.turns[name].sent = undefined
  row.heldNotice = undefined
  row.delayedSince = undefined
}

function instanceGoneWake(row: Row, { uid, resourceVersion, children }: InstanceDigest): Wake {
  const mismatch = { kind: 'instance-gone' } as const
  const workloadNamespace = namespaceElsewhere(row, children)
  return {
    uid,
    cause: 'deleted',
    mismatch,
    readVersions: [],
    resourceVersion,
    delayMs: 0,
    workloadNamespace,
  }
}

const startingCauses: readonly Cause[] = ['changed', 'template', 'child', 'orphan']

function urgencyOf({ cause, mismatch }: Wake): Urgency {
  if (mismatch.kind === 'exposure') return mismatch.awaited ? 'first' : 'last'
  if (mismatch.kind === 'credits') return 'last'
  if (mismatch.kind === 'lockdown') return 'first'
  if (mismatch.kind === 'expired') return 'end'
  if (mismatch.kind === 'teardown-not-started') return 'teardown'
  return startingCauses.includes(cause) ? 'start' : 'first'
}

function isAbout(outstanding: Outstanding | undefined, { uid, cause, mismatch }: Wake): boolean {
  return outstanding?.uid === uid && outstanding.cause === cause && outstanding.key === mismatchKey(mismatch)
}

/**
 * Whether the message for the last step of the teardown was sent. Either its pass has removed the finalizer, or its
 * message is still to come and will find the instance gone. The DELETED event carries the object as it was *before* the
 * write that removed the last finalizer, so the event does not show that write. While a teardown waits for a namespace, a
 * timer stands for the message.
 */
function isLastStepSent(row: Row, gone: InstanceDigest, outstanding: Outstanding | undefined): boolean {
  const workloadExists = row.dependents.some(each => each.kind === 'Deployment')
  const isSent = outstanding?.cause === 'deleted' && outstanding.uid === gone.uid
  return !workloadExists && (isSent || waitsForNamespace(gone))
}

/** Whether nothing of the instance was left but the namespace that it had for itself. */
function waitsForNamespace({ deleting, phase, placedElsewhere, children }: InstanceDigest): boolean {
  return deleting && phase === 'Terminating' && placedElsewhere && children.length === 0
}
