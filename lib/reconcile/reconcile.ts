import type { OperatorConfig } from '../config/operator.ts'
import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { defaultDeny } from '../desired/objects/default-deny.ts'
import { OperatorError, operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { Cause } from '../messages.ts'
import { reasons, waitsForTimer } from '../reasons.ts'
import type { Store } from '../store/store.ts'
import { act } from './act.ts'
import { conclude } from './conclude.ts'
import { decide } from './decide.ts'
import { addFinalizer, hasFinalizer } from './finalize.ts'
import { clearGone } from './gone.ts'
import { isolationKeeper } from './isolation.ts'
import { type Observed, observe, readInstance } from './observe.ts'
import { awayMs, type Outcome, type Pass, type Reconcile, waitMs } from './outcome.ts'
import { report } from './report.ts'
import type { Sync } from './status.ts'
import { terminate } from './terminate.ts'
import { unseen } from './unseen.ts'

export interface ReconcileDependencies {
  cluster: Cluster
  store: Store
  config: OperatorConfig
  /** Epoch milliseconds. */
  now: () => number
  /** In [0, 1): jitter of waits. */
  random: () => number
}

/**
 * Brings one instance to its desired state and says so in its status and row: observe, decide, act, report.
 * Any message may be lost, doubled, late or out of order; a pass that is cut anywhere is repeated harmlessly.
 * @throws OperatorError where nothing could be reported; the caller makes a retry of it
 */
export function createReconcile(deps: ReconcileDependencies): Reconcile {
  const { cluster, config, now, random } = deps
  const ensureIsolation = isolationKeeper(cluster, defaultDeny, now)

  return async (pass, signal) => {
    try {
      return await reconcile(pass, signal)
    } catch (thrown) {
      const error = operatorError(thrown)
      if (!waitsForTimer(error.reason)) throw error
      const afterMs = waitMs(pass.waits, random())
      return { outcome: { kind: 'requeue', afterMs, reason: error.reason, counted: false }, events: 0 }
    }
  }

  async function reconcile(pass: Pass, signal: AbortSignal): Promise<Result> {
    const instance = await readInstance(cluster, pass, signal)
    const gone = pass.uids.filter(uid => uid !== instance?.metadata.uid)
    const cleared = await clearGone(deps, pass, gone, signal)
    if (instance === undefined) return cleared
    if (instance.metadata.deletionTimestamp !== undefined)
      return joined(cleared, await terminate(deps, instance, pass, signal))

    const held = hasFinalizer(instance) ? instance : await addFinalizer(cluster, instance, signal)
    if (held === undefined) throw changedMeanwhile(instance)
    let observed: Observed
    try {
      observed = await observe(cluster, held, pass, signal)
    } catch (thrown) {
      return joined(cleared, await unseen(deps, held, thrown, pass, signal))
    }
    const decision = decide(observed, config, now())
    const acted = await act({ cluster, ensureIsolation }, observed, decision, pass, signal)
    const { outcome, report: facts, flagHmac } = conclude(observed, decision, acted, pass, now(), random())
    if (facts === undefined) return joined(cleared, { outcome, events: 0 })
    const doubted = doubtingCauses.some(cause => pass.causes.has(cause))
    const { sync, events } = await report(deps, facts, flagHmac, doubted, signal)
    return joined(cleared, {
      outcome: outcome.kind === 'settled' ? synced(sync, pass, random()) : outcome,
      events,
    })
  }
}

/**
 * Somebody compared the row with the cluster, or asks us to; or an earlier pass was cut between row and status, or
 * overtaken by another one there, and what the status says need not be what the row says.
 */
const doubtingCauses: readonly Cause[] = ['drift', 'manual', 'retry']

/** A row that could not be written comes back by itself: sooner when only the database was away. */
function synced(sync: Sync, pass: Pass, random: number): Outcome {
  if (sync.ok || sync.reason === undefined) return { kind: 'settled' }
  const { recovery } = reasons[sync.reason]
  if (recovery === 'on-change') return { kind: 'settled' }
  const afterMs = recovery === 'outage' ? awayMs(pass.waits, random) : waitMs(pass.waits, random)
  return { kind: 'requeue', afterMs, reason: sync.reason, counted: false }
}

type Result = { outcome: Outcome; events: number }

/** What a predecessor left to do comes back with its own uid; the living instance's outcome counts. */
function joined(cleared: Result, living: Result): Result {
  const outcome = living.outcome.kind === 'settled' ? cleared.outcome : living.outcome
  return { outcome, events: cleared.events + living.events }
}

function changedMeanwhile({ metadata }: ChallengeInstance): OperatorError {
  return new OperatorError(
    'Internal',
    `ChallengeInstance ${metadata.namespace}/${metadata.name} changed while it was read.`,
  )
}
