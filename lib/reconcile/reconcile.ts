import { sleep } from '../abort.ts'
import { type ClockState, openClock } from '../clock/state.ts'
import type { OperatorConfig } from '../config/operator.ts'
import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { Stored } from '../crd/objects.ts'
import { childKey } from '../crd/reference.ts'
import { configurationOf, underLockdown } from '../desired/configuration.ts'
import { defaultDeny } from '../desired/objects/default-deny.ts'
import { OperatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { EventRecorder } from '../kubernetes/event-recorder.ts'
import { contestedFrom } from '../observed/repairs.ts'
import { reasons } from '../reasons.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import { act } from './act/act.ts'
import type { Acted } from './act/acted.ts'
import { createCopiedSecrets } from './act/copied-secrets.ts'
import { createDefaultDenyGuard } from './act/default-deny.ts'
import { keepFromEviction } from './act/keep-from-eviction.ts'
import { createWorkloadNamespaceGuard } from './act/workload-namespace.ts'
import { withAdmission } from './admission.ts'
import { createClockReader } from './clock/reader.ts'
import { type Decision, decide, endsInMs, keepsPodWith, overUnobserved } from './decide.ts'
import { createEndOnTime } from './ends/end-on-time.ts'
import { endReturned } from './ends/end-returned.ts'
import { expire } from './ends/expire.ts'
import { observe, observeEnd, readInstance } from './observe.ts'
import { expectsEnd, rechecksRow } from './pass/causes.ts'
import { withForceSync } from './pass/force-sync.ts'
import { judgingTime } from './pass/judging-time.ts'
import type { Observed, TemplateSource } from './pass/observation.ts'
import { type Outcome, type Pass, type PassResult, type Reconcile, waitOutcome } from './pass/outcome.ts'
import { createSharedPolicyGuard } from './policy/shared-policy-guard.ts'
import { conclude } from './report/conclude.ts'
import { reportFailedRead } from './report/failed-read.ts'
import { report } from './report/report.ts'
import type { Sync } from './report/status-facts.ts'
import { cleanUpDeleted } from './teardown/deleted-instances.ts'
import { ensureFinalizer } from './teardown/finalizer.ts'
import { tearDown } from './teardown/teardown.ts'
import { createExposureGround } from './template/exposure-ground.ts'
import { createRevisions } from './template/revisions.ts'
import { createReportTemplate } from './template/template-status.ts'

/**
 * How often a pass reads an instance anew that others change just before it is ended. A renewal that the API
 * server accepted before the deletion counts. A pass that waits for an end reads it twice more.
 */
const readLimit = 6

export interface ReconcileDependencies {
  cluster: Cluster
  store: Store
  recorder: EventRecorder
  config: OperatorConfig
  /** Epoch milliseconds. */
  now: () => number
  /** A time that the API server has reached for certain, in epoch milliseconds. Ends and openings are judged by it. */
  reached: () => number
  /** In [0, 1): jitter of waits. */
  random: () => number
  log: Log
}

/**
 * Creates the story of the reconcile function: one pass brings one instance closer to its desired state.
 *
 * Flow: marks an instance whose end has come, if that is what the message is about (`createEndOnTime`). Else cleans up
 * after predecessors under the same name; tears down an instance with a deletion mark; else makes sure of the finalizer,
 * observes, decides, acts, and reports to the row and then to the status. The outcome says when the instance is looked at
 * again.
 *
 * Guarantees: a pass depends on the cluster and not on its message, so a message may be lost, repeated, late or out of
 * order. What a message tells of an end holds only for the version that the deletion names. A pass that ends anywhere is
 * repeated without harm. The failure of one child, or of the database, keeps neither the other children nor the status from
 * being written. A pass that finds everything as reported writes nothing.
 *
 * Caveats: two passes of one instance must not run at the same time; the message group of changes.fifo sees to that.
 * If two overlap after all, the status of the one that read an older version is refused, and its pass comes back.
 *
 * Errors: a failure while acting or reading is reported in the status, logged, and becomes the outcome.
 * @throws OperatorError if the status could not be written: the cluster is away, the instance changed meanwhile, or the
 * signal aborted. `failureOutcome` turns the error into an outcome.
 */
export function createReconcile(deps: ReconcileDependencies): Reconcile {
  const { cluster, store, config, now, reached, random, log } = deps
  const ensureDefaultDeny = createDefaultDenyGuard(cluster, defaultDeny, now)
  const ensureCopiedSecret = createCopiedSecrets(cluster, now)
  const ensureNamespace = createWorkloadNamespaceGuard({
    cluster,
    config,
    ensureDefaultDeny,
    ensureCopiedSecret,
    now,
  })
  const open = configurationOf(config)
  const configurations = { open, closed: underLockdown(open) }
  const readClock = createClockReader({ cluster, namespace: config.leaseNamespace, now })
  const endOnTime = createEndOnTime({ ...deps, readClock })
  const revisions = createRevisions({ cluster, now, log })
  const exposureGround = createExposureGround(deps)
  const reportTemplate = createReportTemplate({ cluster, config, log })
  const ensureSharedPolicy = createSharedPolicyGuard(cluster, now)
  const actors = {
    ...{ cluster, ensureNamespace, ensureSharedPolicy, ensureCopiedSecret },
    ...{ revisions, reportTemplate, now },
  }

  async function tearDownAndReport(
    instance: Stored<ChallengeInstance>,
    pass: Pass,
    signal: AbortSignal,
  ): Promise<PassResult> {
    const ended = await tearDown(deps, instance, pass, signal)
    if (!('thrown' in ended)) return ended
    return reportFailedRead(deps, { instance, clock: openClock, pass, ...ended }, signal)
  }

  /** Without what was read, the end of an instance is carried out all the same; anything else is only reported. */
  async function endOrReport(
    known: { instance: Stored<ChallengeInstance>; clock: ClockState },
    thrown: unknown,
    pass: Pass,
    signal: AbortSignal,
  ): Promise<PassResult | 'again'> {
    const { instance, clock } = known
    const at = overUnobserved(known, config, reached())
    if (at === undefined) return reportFailedRead(deps, { ...known, thrown, pass }, signal)
    const ended = (await expire(cluster, instance, { at, credits: clock.credits }, signal)) === 'ended'
    return ended ? { outcome: { kind: 'settled' }, events: 0 } : 'again'
  }

  /** The workload does not matter to an end, so it is read only if the end has not come. */
  async function observeAndDecide(
    known: { instance: Stored<ChallengeInstance>; clock: ClockState },
    pass: Pass,
    signal: AbortSignal,
  ): Promise<{ observed: Observed; wanted: Decision; endsIn: number | undefined }> {
    const keepsPod = (observed: Observed, inUse: TemplateSource) => keepsPodWith(observed, inUse, config)
    const parts = { cluster, store, revisions, exposureGround, keepsPod, config }
    const judged = (observed: Observed) => {
      const wanted = decide(observed, config, reached())
      const times = { now: now(), reached: reached() }
      return { observed, wanted, endsIn: endsInMs(observed, wanted, pass, times) }
    }
    if (expectsEnd(pass)) {
      const atEnd = judged(await observeEnd(parts, known, pass, signal))
      if (atEnd.wanted.kind === 'expire' || atEnd.endsIn !== undefined) return atEnd
    }
    return judged(await observe(parts, known, pass, signal))
  }

  /** The pass over an instance that exists. @returns 'again' if the instance has to be read anew */
  async function passOver(
    found: Stored<ChallengeInstance>,
    pass: Pass,
    signal: AbortSignal,
  ): Promise<PassResult | 'again'> {
    if (found.metadata.deletionTimestamp !== undefined) return tearDownAndReport(found, pass, signal)
    const clock = await readClock(pass.clock, signal)
    const instance = clock.paused ? found : await ensureFinalizer(cluster, found, signal)
    const known = { instance, clock }
    const judged = await observeAndDecide(known, pass, signal).catch(thrown => ({ thrown }))
    if ('thrown' in judged) return endOrReport(known, judged.thrown, pass, signal)
    const { observed, wanted, endsIn } = judged
    if (endsIn !== undefined) {
      await sleep(endsIn, signal)
      signal.throwIfAborted()
      return 'again'
    }
    const { decision, wakes: admitted } = await withAdmission(deps, { observed, decision: wanted }, signal)
    const acted = await act(actors, { observed, decision, pass }, signal)
    if (acted.overtaken) return 'again'
    await keepFromEviction(deps, { observed, decision }, signal)
    logActed(log, pass, acted)
    const judgedAt = judgingTime(pass, now())
    const concluded = conclude({
      observed,
      decision,
      acted,
      pass,
      config,
      configurations,
      now: judgedAt,
      random: random(),
    })
    const { outcome, findings, flagHmac } = concluded
    if (findings === undefined) return { outcome, events: 0 }
    const recheckRow = rechecksRow(pass)
    const reporting = { ...deps, now: () => judgedAt }
    const {
      sync,
      events,
      wakes: freed,
      cameBack,
      readyAfterMs,
    } = await report(reporting, { findings, flagHmac, recheckRow, pass, writes: acted.writes }, signal)
    if (cameBack) await endReturned(deps, known, signal)
    const wakes = [...observed.sources.flatMap(source => source.wakes), ...admitted, ...freed]
    return { outcome: withSyncOutcome(outcome, sync, pass, random()), events, wakes, readyAfterMs }
  }

  return async (pass, signal) => {
    if ((await endOnTime(pass, signal)) === 'ended') return { outcome: { kind: 'settled' }, events: 0 }
    for (let reads = 0; reads < readLimit; reads++) {
      const found = await readInstance(cluster, pass, signal)
      const gone = pass.uids.filter(uid => uid !== found?.metadata.uid)
      const cleaned = await cleanUpDeleted(deps, pass, gone, signal)
      if (found === undefined) return cleaned
      const result = await passOver(found, withForceSync(pass, found), signal)
      if (result !== 'again') return joined(cleaned, gone, result)
    }
    const { namespace, name } = pass
    throw new OperatorError('Internal', `ChallengeInstance ${namespace}/${name} changed while it was ended.`)
  }
}

function logFailures(log: Log, { namespace, name }: Pass, errors: readonly OperatorError[]): void {
  if (errors.length > 0) log.warn('children not applied', { namespace, name, errors })
}

function logActed(log: Log, pass: Pass, { failures, writes }: Acted): void {
  const { namespace, name } = pass
  logFailures(log, pass, failures)
  for (const { child, repair } of writes)
    if (repair && child.repairs?.count === contestedFrom)
      log.warn('child is changed again and again', { namespace, name, child: childKey(child), by: repair.by })
}

/** A row that could not be written brings the instance back, unless only a change of the instance helps. */
function withSyncOutcome(outcome: Outcome, { ok, reason }: Sync, pass: Pass, random: number): Outcome {
  if (outcome.kind !== 'settled' && outcome.kind !== 'stalled') return outcome
  if (ok || reason === undefined || reasons[reason].recovery === 'on-change') return outcome
  return waitOutcome(reason, pass, random)
}

/** Unfinished work of predecessors comes back with their own uids, whatever becomes of the instance that exists. */
function joined(cleaned: PassResult, gone: readonly string[], living: PassResult): PassResult {
  const events = cleaned.events + living.events
  const wakes = [...(cleaned.wakes ?? []), ...(living.wakes ?? [])]
  if (cleaned.outcome.kind === 'settled') return { ...living, events, wakes }
  return { ...living, events, wakes, predecessors: { uids: gone, outcome: cleaned.outcome } }
}
