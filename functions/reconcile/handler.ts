import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { abandonAfter } from '../../lib/abort.ts'
import type { DeadLetters, TimersQueue } from '../../lib/aws/queue-ports.ts'
import { runLimited } from '../../lib/concurrency.ts'
import { operatorError } from '../../lib/errors.ts'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import {
  failed,
  followUp,
  type Outcome,
  type Pass,
  type Reconcile,
  waitMs,
} from '../../lib/reconcile/outcome.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import type { Metrics } from '../../lib/telemetry/metrics.ts'
import { type Group, groupsOf, type PassStep, type PoisonStep } from './groups.ts'
import { reportPass } from './report.ts'

export interface ReconcileHandlerOptions {
  reconcile: Reconcile
  /** Whether the cluster knows our schema. `SchemaOutdated` is thrown until somebody has upgraded it. */
  ready?: (signal: AbortSignal) => Promise<void>
  timers: TimersQueue
  deadLetters: DeadLetters
  /** Sends outbox events at once, best effort: what it leaves, the publish function finds. */
  publish?: (options: { limit: number }, signal: AbortSignal) => Promise<unknown>
  log: Log
  metrics?: Metrics
  /** Epoch milliseconds. */
  clock?: () => number
  /** In [0, 1). */
  random?: () => number
  /** Groups side by side; a batch has at most ten. */
  concurrency?: number
}

/** Between the end of the passes and the end of the invocation: a pass's last words, its timers, the events. */
const reserveMs = 6_000
const graceMs = 1_000
const followUpMs = 2_500
const publishMs = 2_000

/**
 * changes.fifo → passes. Groups run side by side, one group in order. Every pass ends in an acknowledged message, what is
 * to come comes by timer; only a follow-up that could not be sent leaves its messages (and the later ones of the
 * group) to be delivered again.
 */
export function createHandler(options: ReconcileHandlerOptions) {
  const { metrics, log, concurrency = 10 } = options
  const run = async (event: SQSEvent, context: DeadlineContext): Promise<SQSBatchResponse> => {
    const runs = await runLimited(groupsOf(event.Records), concurrency, group =>
      runGroup(group, options, context.signal),
    )
    const events = runs.reduce((sum, ran) => sum + ran.events, 0)
    if (events > 0) await publishNow(events, options)
    const left = runs.flatMap(ran => ran.left)
    return { batchItemFailures: left.map(record => ({ itemIdentifier: record.messageId })) }
  }
  return invocation(run, { log, metrics, reserveMs })
}

/** @returns the records that must come again: from the first one that failed, all of the group */
async function runGroup(group: Group, options: ReconcileHandlerOptions, signal: AbortSignal) {
  let events = 0
  for (const step of group.steps) {
    try {
      if (step.kind === 'poison') await bury(step, group, options)
      else events += await runPass(step, group, options, signal)
    } catch (thrown) {
      options.log.error('messages left for redelivery', { group: group.id, error: thrown })
      return { events, left: recordsFrom(group, step.records[0]) }
    }
  }
  return { events, left: [] }
}

async function runPass(
  step: PassStep,
  group: Group,
  options: ReconcileHandlerOptions,
  signal: AbortSignal,
): Promise<number> {
  const { clock = Date.now, random = Math.random } = options
  const started = clock()
  const { outcome, events } = await attemptPass(step.pass, options, signal)
  reportPass({ pass: step.pass, outcome, events, milliseconds: clock() - started }, options)
  const { timers, deadLetter } = followUp(outcome, step.pass, clock(), random())
  const soon = AbortSignal.timeout(followUpMs)
  await Promise.all(timers.map(timer => options.timers.send(timer, soon)))
  const newest = step.records.at(-1)
  if (deadLetter && newest) {
    await options.deadLetters.send(newest.body, group.id, deadLetter.reason, soon)
    options.metrics?.count('DeadLetters')
  }
  return events
}

/** Never throws: what a story throws is a retry; what an upgrade will cure is waited for, however long it takes. */
async function attemptPass(
  pass: Pass,
  { reconcile, ready, random = Math.random }: ReconcileHandlerOptions,
  signal: AbortSignal,
): Promise<{ outcome: Outcome; events: number }> {
  const work = async () => {
    await ready?.(signal)
    return reconcile(pass, signal)
  }
  try {
    return await abandonAfter(work(), signal, graceMs)
  } catch (thrown) {
    const error = operatorError(thrown)
    if (error.reason !== 'SchemaOutdated') return { outcome: failed(error, pass.attempt), events: 0 }
    const afterMs = waitMs(pass.waits, random())
    return { outcome: { kind: 'requeue', afterMs, reason: error.reason, counted: false }, events: 0 }
  }
}

async function bury(step: PoisonStep, group: Group, options: ReconcileHandlerOptions): Promise<void> {
  const [record] = step.records
  await options.deadLetters.send(record.body, group.id, step.reason, AbortSignal.timeout(followUpMs))
  options.log.error('message sent to the dead letters', { group: group.id, reason: step.reason })
  options.metrics?.count('DeadLetters')
}

async function publishNow(limit: number, options: ReconcileHandlerOptions): Promise<void> {
  try {
    await options.publish?.({ limit }, AbortSignal.timeout(publishMs))
  } catch (thrown) {
    options.log.warn('events left for the publish function', { events: limit, error: thrown })
  }
}

function recordsFrom(group: Group, first: SQSRecord | undefined): SQSRecord[] {
  return group.records.slice(Math.max(0, first ? group.records.indexOf(first) : 0))
}
