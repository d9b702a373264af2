import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { abandonAfter } from '../../lib/abort.ts'
import type { DeadLetters, Redelivery, TimersQueue } from '../../lib/aws/queue-ports.ts'
import { redeliverSoon } from '../../lib/aws/redelivery.ts'
import { clockStamp } from '../../lib/clock/version.ts'
import { operatorError } from '../../lib/errors.ts'
import type { Ownership } from '../../lib/kubernetes/lease/ownership.ts'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import type { TakeUpClock } from '../../lib/reconcile/clock/take-up.ts'
import type { CollectUnused } from '../../lib/reconcile/collect-unused.ts'
import type { CollectNamespace } from '../../lib/reconcile/namespace/collect-namespace.ts'
import type { RepairNamespace } from '../../lib/reconcile/namespace/repair-namespace.ts'
import { followUpOfPass } from '../../lib/reconcile/pass/follow-up.ts'
import {
  failureOutcome,
  type Pass,
  type PassResult,
  type Reconcile,
} from '../../lib/reconcile/pass/outcome.ts'
import type { RepairPolicy } from '../../lib/reconcile/policy/repair-policy.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import { type Metrics, noMetrics } from '../../lib/telemetry/metrics.ts'
import { runInScope } from '../../lib/telemetry/scope.ts'
import type { Tracer } from '../../lib/telemetry/span.ts'
import { traceIdOf } from '../../lib/telemetry/traceparent.ts'
import {
  type Group,
  groupsOf,
  type PassStep,
  type PoisonStep,
  type SharedObjectStep,
  type Step,
} from './groups.ts'
import { logPass, passScope } from './log-pass.ts'
import { measurePass, measureReceipt, tracePass } from './measure.ts'

export interface ReconcileHandlerOptions {
  reconcile: Reconcile
  collectUnused: CollectUnused
  collectNamespace: CollectNamespace
  repairNamespace: RepairNamespace
  repairPolicy: RepairPolicy
  takeUpClock: TakeUpClock
  /** Tells whether this operator watches a namespace. Instances of other namespaces are not its business. */
  watches: (namespace: string) => boolean
  /** Whether the cluster is this installation's. Another one writes nothing. By default it is. */
  owns?: Ownership['owns']
  /** Checks that the cluster knows our schema. Throws `SchemaOutdated` until the CRDs are upgraded. */
  ready?: (signal: AbortSignal) => Promise<void>
  timers: TimersQueue
  deadLetters: DeadLetters
  changesRedelivery: Redelivery
  /** Sends outbox events at once, best effort. The publish function sends the events that are left. */
  publish?: (options: { limit: number; busMs: number }, signal: AbortSignal) => Promise<unknown>
  log: Log
  metrics?: Metrics
  tracer?: Tracer | undefined
  /** Epoch milliseconds. */
  clock?: () => number
  /** In [0, 1). */
  random?: () => number
}

/**
 * Time between the end of the passes and the end of the invocation: for the grace, a follow-up, the redelivery of what is
 * left (1.5 s) and the events.
 */
const reserveMs = 8_000
const graceMs = 1_000
const followUpMs = 2_500
const publishMs = 2_000
/** The rest is for the database, which marks what the bus accepted. */
const publishBusMs = 1_500

/**
 * Runs a batch of changes.fifo as passes. Groups run side by side, at most ten as a batch has at most ten messages; the
 * steps of a group run in order. Every pass ends in acknowledged messages, since a timer starts the next pass. If a
 * follow-up cannot be sent, or the invocation is about to end, the messages and the later ones of the group are delivered
 * again, after 2 s the first time.
 */
export function createHandler(options: ReconcileHandlerOptions) {
  const { metrics = noMetrics, log, tracer, clock = Date.now } = options
  const run = async (event: SQSEvent, context: DeadlineContext): Promise<SQSBatchResponse> => {
    measureReceipt(event.Records, clock(), metrics)
    const groups = groupsOf(event.Records)
    const runs = await Promise.all(groups.map(group => runGroup(group, options, context.signal)))
    const events = runs.reduce((sum, ran) => sum + ran.events, 0)
    if (events > 0) await publishNow(events, options)
    const left = runs.flatMap(ran => ran.left)
    return { batchItemFailures: left.map(record => ({ itemIdentifier: record.messageId })) }
  }
  return invocation(run, { log, metrics, tracer, reserveMs })
}

interface GroupRun {
  events: number
  /** The records to be delivered again, from the first that failed to the last of the group. */
  left: SQSRecord[]
}

async function runGroup(
  group: Group,
  options: ReconcileHandlerOptions,
  signal: AbortSignal,
): Promise<GroupRun> {
  let events = 0
  for (const step of group.steps) {
    try {
      // The invocation is about to end. A further step would not.
      signal.throwIfAborted()
      events += await runStep(step, group, options, signal)
    } catch (thrown) {
      return { events, left: await leave(step, group, options, thrown) }
    }
  }
  return { events, left: [] }
}

/** @returns the number of outbox events */
async function runStep(
  step: Step,
  group: Group,
  options: ReconcileHandlerOptions,
  signal: AbortSignal,
): Promise<number> {
  if (step.kind === 'poison') await bury(step, group, options)
  else if (step.kind === 'shared-object') await handleSharedObject(step, options, signal)
  else if (!options.watches(step.pass.namespace)) leaveAlone(step, options)
  else return runPass(step, group, options, signal)
  return 0
}

/** Leaves a step and the rest of its group. They become visible at the same time, so they stay in order. */
async function leave(
  step: Step,
  group: Group,
  { changesRedelivery: redelivery, log }: ReconcileHandlerOptions,
  error: unknown,
): Promise<SQSRecord[]> {
  const [first] = step.records
  const left = recordsFrom(group, first)
  const receives = Number(first?.attributes.ApproximateReceiveCount)
  log.error('messages left for redelivery', { group: group.id, messages: left.length, receives, error })
  await redeliverSoon(left, { redelivery, log, receives })
  return left
}

async function runPass(
  step: PassStep,
  group: Group,
  options: ReconcileHandlerOptions,
  signal: AbortSignal,
): Promise<number> {
  const { clock = Date.now, random = Math.random, log, metrics = noMetrics } = options
  const started = clock()
  const scope = passScope(step.pass)
  const result = await runInScope(scope, () => attemptPass(step.pass, options, signal))
  const { events } = result
  const ended = { pass: step.pass, result, started, milliseconds: clock() - started, ...scope }
  logPass(ended, log)
  measurePass(ended, metrics)
  tracePass(ended, options.tracer)
  const { timers, deadLetter } = followUpOfPass(result, step.pass, clock(), random())
  const soon = AbortSignal.timeout(followUpMs)
  await Promise.all(timers.map(timer => options.timers.send(timer, soon)))
  const newest = step.records.at(-1)
  if (deadLetter && newest) {
    await options.deadLetters.send(newest.body, group.id, deadLetter.reason, soon)
    metrics.count('DeadLetters', 1)
  }
  return events
}

/** The owner of the cluster does what is to be done. */
const notOwned: PassResult = { outcome: { kind: 'settled' }, events: 0 }

/** Runs a pass and never throws: an error becomes an outcome. */
async function attemptPass(
  pass: Pass,
  { reconcile, ready, owns, log, random = Math.random }: ReconcileHandlerOptions,
  signal: AbortSignal,
): Promise<PassResult> {
  const work = async () => {
    await ready?.(signal)
    if (owns && !(await owns(pass.clock?.at, signal))) return notOwned
    return reconcile(pass, signal)
  }
  try {
    return await abandonAfter(work(), signal, graceMs)
  } catch (thrown) {
    const error = operatorError(thrown)
    const outcome = failureOutcome(error, pass, random())
    // The line of a pass that ends in a retry has the error.
    if (outcome.kind !== 'retry')
      log.warn('pass not reported', { namespace: pass.namespace, name: pass.name, error })
    return { outcome, events: 0 }
  }
}

/** Collects or repairs an object that instances share. Its sender finds it again if that fails, so no timer is set. */
async function handleSharedObject(
  { change }: SharedObjectStep,
  options: ReconcileHandlerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { kind, namespace, name, cause, trace } = change
  const scope = { fields: { kind, namespace, name, trace: traceIdOf(trace) }, calls: 0 }
  try {
    const work = runInScope(scope, () => sharedObjectWork(change, options, signal))
    await abandonAfter(work, signal, graceMs)
  } catch (thrown) {
    options.log.warn('shared object not handled', {
      kind,
      namespace,
      name,
      causes: [cause],
      error: operatorError(thrown),
    })
  }
}

/** Workloads, and what they share, may be in other namespaces than the instances that this operator watches. */
async function sharedObjectWork(
  change: SharedObjectStep['change'],
  {
    collectUnused,
    collectNamespace,
    repairNamespace,
    repairPolicy,
    takeUpClock,
    watches,
    owns,
  }: ReconcileHandlerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { kind, namespace, cause, neededBy } = change
  if (owns && !(await owns(clockStamp(change)?.at, signal))) return
  switch (kind) {
    case 'Clock':
      return takeUpClock(signal)
    case 'Namespace':
      return cause === 'drift' ? repairNamespace(change, signal) : collectNamespace(change, signal)
    case 'Policy':
      if (cause !== 'drift') return collectUnused({ ...change, kind }, signal)
      return neededBy && !watches(neededBy.namespace) ? undefined : repairPolicy(change, signal)
    case 'Certificate':
      return collectUnused({ ...change, kind }, signal)
    case 'Revision':
      return watches(namespace) ? collectUnused({ ...change, kind }, signal) : undefined
  }
}

/** Acknowledges messages for an instance of another operator, or of a namespace that is not watched any more. */
function leaveAlone({ pass, records }: PassStep, { log, metrics }: ReconcileHandlerOptions): void {
  const { namespace, name, causes } = pass
  log.warn('message for a namespace that is not watched', { namespace, name, causes })
  metrics?.count('UnwatchedMessages', records.length)
}

async function bury(step: PoisonStep, group: Group, options: ReconcileHandlerOptions): Promise<void> {
  const [record] = step.records
  await options.deadLetters.send(record.body, group.id, step.reason, AbortSignal.timeout(followUpMs))
  options.log.error('message sent to the dead letters', { group: group.id, reason: step.reason })
  options.metrics?.count('DeadLetters', 1)
}

async function publishNow(limit: number, options: ReconcileHandlerOptions): Promise<void> {
  try {
    await options.publish?.({ limit, busMs: publishBusMs }, AbortSignal.timeout(publishMs))
  } catch (thrown) {
    options.log.warn('events left for the publish function', { events: limit, error: thrown })
  }
}

function recordsFrom(group: Group, first: SQSRecord | undefined): SQSRecord[] {
  return group.records.slice(Math.max(0, first ? group.records.indexOf(first) : 0))
}
