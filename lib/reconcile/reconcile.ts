import type { OperatorConfig } from '../config.ts'
import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { defaultDeny } from '../desired/default-deny.ts'
import { OperatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { Store } from '../store/store.ts'
import { act } from './act.ts'
import { conclude } from './conclude.ts'
import { decide } from './decide.ts'
import { addFinalizer, hasFinalizer } from './finalize.ts'
import { clearGone } from './gone.ts'
import { isolationKeeper } from './isolation.ts'
import { observe, readInstance } from './observe.ts'
import type { Outcome, Reconcile } from './outcome.ts'
import { report } from './report.ts'
import { terminate } from './terminate.ts'

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
  const { cluster, config, now } = deps
  const ensureIsolation = isolationKeeper(cluster, defaultDeny, now)

  return async (pass, signal) => {
    const instance = await readInstance(cluster, pass, signal)
    const gone = pass.uids.filter(uid => uid !== instance?.metadata.uid)
    const cleared = await clearGone(deps, pass, gone, signal)
    if (instance === undefined) return cleared
    if (instance.metadata.deletionTimestamp !== undefined)
      return joined(cleared, await terminate(deps, instance, pass, signal))

    const held = hasFinalizer(instance) ? instance : await addFinalizer(cluster, instance, signal)
    if (held === undefined) throw changedMeanwhile(instance)
    const observed = await observe(cluster, held, pass, signal)
    const decision = await decide(observed, config, now())
    const acted = await act({ cluster, ensureIsolation }, observed, decision, pass, signal)
    const concluded = conclude(observed, decision, acted, pass, now())
    if (concluded.report === undefined) return joined(cleared, { outcome: concluded.outcome, events: 0 })
    const reported = await report(deps, concluded.report, concluded.flagHmac, pass, signal)
    return joined(cleared, {
      outcome: concluded.outcome.kind === 'settled' ? reported.outcome : concluded.outcome,
      events: reported.events,
    })
  }
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
