import { sleep } from '../../abort.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import { apiVersion } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { Log } from '../../telemetry/log.ts'
import type { ReadClock } from '../clock/reader.ts'
import { expectsEnd, expectsOnlyEnd } from '../pass/causes.ts'
import type { Pass } from '../pass/outcome.ts'
import { hasFinalizer } from '../teardown/finalizer.ts'
import { expire } from './expire.ts'
import { judgeEnd } from './judge-end.ts'
import { createSharedTemplates, sharedMs } from './shared-templates.ts'

interface Parts {
  cluster: Pick<Cluster, 'get' | 'getCached' | 'delete' | 'putStatus'>
  config: Pick<OperatorConfig, 'defaultTtlMinutes'>
  readClock: ReadClock
  /** Epoch milliseconds. */
  now: () => number
  /** See `ReconcileDependencies`. */
  reached: () => number
  log: Log
}

/** @returns 'ended' if nothing is left for this pass to do; 'open' if a whole pass has to look */
export type EndOnTime = (pass: Pass, signal: AbortSignal) => Promise<'ended' | 'open'>

/** A clock that is ahead is waited for twice: until the likely end, and until the API server has reached it. */
const looksLimit = 3

/**
 * Creates the short way of a pass that was sent for an end. Many instances may end in one second, so it costs the API
 * server little: one read of the instance, one of the template for all that end together, and the deletion.
 *
 * Flow: reads, judges (`judgeEnd`), marks. The mark wakes the pass that tears the instance down, closes its row and
 * tells of its end, so nothing of that is done here, and nothing of it is lost if the function ends after the mark.
 *
 * Guarantees: the instance is deleted in the version that was judged, so a renewal that the API server accepted before
 * counts. The read may therefore come from the API server's cache.
 *
 * Errors: a failure, or an instance that is not plain, leaves everything to the whole pass, which reports it.
 */
export function createEndOnTime({ cluster, config, readClock, now, reached, log }: Parts): EndOnTime {
  const readTemplate = createSharedTemplates(cluster, now)

  async function look(pass: Pass, signal: AbortSignal): Promise<'ended' | 'open' | 'again'> {
    const { namespace, name } = pass
    const reference = { apiVersion, kind: 'ChallengeInstance', namespace, name }
    const instance = await cluster.getCached<ChallengeInstance>(reference, signal)
    if (instance === undefined || pass.uids.some(uid => uid !== instance.metadata.uid)) return 'open'
    if (instance.metadata.deletionTimestamp !== undefined) return expectsOnlyEnd(pass) ? 'ended' : 'open'
    // Without it the deletion would leave no instance to tear down.
    if (!hasFinalizer(instance)) return 'open'
    return judgeAndEnd(instance, pass, signal)
  }

  async function judgeAndEnd(
    instance: Stored<ChallengeInstance>,
    pass: Pass,
    signal: AbortSignal,
  ): Promise<'ended' | 'open' | 'again'> {
    const key = { namespace: instance.metadata.namespace, name: instance.spec.templateRef }
    const [clock, template] = await Promise.all([readClock(pass.clock, signal), readTemplate(key, signal)])
    const judged = () => judgeEnd({ instance, clock, template }, config, { now: now(), reached: reached() })
    const verdict = judged()
    if (verdict.kind === 'soon') {
      await sleep(verdict.inMs, signal)
      signal.throwIfAborted()
      if (verdict.inMs > sharedMs || judged().kind !== 'over') return 'again'
    }
    if (verdict.kind === 'open') return 'open'
    const end = { at: verdict.at, credits: clock.credits }
    return (await expire(cluster, instance, end, signal)) === 'ended' ? 'ended' : 'open'
  }

  return async (pass, signal) => {
    if (!expectsEnd(pass)) return 'open'
    try {
      for (let looks = 0; looks < looksLimit; looks++) {
        const found = await look(pass, signal)
        if (found !== 'again') return found
      }
    } catch (error) {
      signal.throwIfAborted()
      const { namespace, name } = pass
      log.debug('end not carried out at once', { namespace, name, error })
    }
    return 'open'
  }
}
