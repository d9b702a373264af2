import { sleep } from '../../abort.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import { apiVersion } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { epochMs } from '../../crd/time.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { Log } from '../../telemetry/log.ts'
import type { ReadClock } from '../clock/reader.ts'
import { expectsEnd, expectsOnlyEnd } from '../pass/causes.ts'
import type { Pass } from '../pass/outcome.ts'
import { hasFinalizer } from '../teardown/finalizer.ts'
import { type End, expire } from './expire.ts'
import { judgeEnd } from './judge-end.ts'
import { asksForPause, createPatientMarks } from './patient-marks.ts'
import { seenInstance } from './seen-instance.ts'
import { createSharedTemplates } from './shared-templates.ts'

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

/** A deletion that found another version than the one that was judged. */
type Overtaken = 'overtaken'

type Carry = (
  instance: Stored<ChallengeInstance>,
  end: End,
  signal: AbortSignal,
) => Promise<'ended' | 'open' | Overtaken>

/**
 * A clock that is ahead is waited for twice: until the likely end, and until the API server has reached it. Timers may be
 * early by a millisecond, which costs two looks more.
 */
const looksLimit = 5

/**
 * Creates the short way of a pass that was sent for an end. Many instances may end in one second, so it costs the API
 * server little: the deletion, and one read of the template for all that end together.
 *
 * Flow: takes what its message says of the instance, judges (`judgeEnd`), marks. Without that, or if the instance has
 * changed since, it reads the instance and judges again. The mark wakes the pass that tears the instance down, closes its row
 * and tells of its end, so nothing of that is done here, and nothing of it is lost if the function ends after the mark.
 *
 * Guarantees: the instance is deleted in the version that was judged, so a renewal that the API server accepted before
 * counts, and a message may be old. The read may come from the API server's cache. Template and clock are not taken from the
 * message, since their changes change no version of the instance.
 *
 * Errors: a failure, or an instance that is not plain, leaves everything to the whole pass, which reports it. Where the API
 * server asks for a pause, the deletion is repeated after it, and then the pass fails: more calls would not help.
 */
export function createEndOnTime({ cluster, config, readClock, now, reached, log }: Parts): EndOnTime {
  const readTemplate = createSharedTemplates(cluster, now)
  const mark = createPatientMarks(cluster)

  async function endAsRead(
    read: Cluster['get'],
    pass: Pass,
    signal: AbortSignal,
  ): Promise<'ended' | 'open' | Overtaken> {
    const { namespace, name } = pass
    const reference = { apiVersion, kind: 'ChallengeInstance', namespace, name }
    const instance = await read<ChallengeInstance>(reference, signal)
    if (instance === undefined || pass.uids.some(uid => uid !== instance.metadata.uid)) return 'open'
    if (instance.metadata.deletionTimestamp !== undefined) return expectsOnlyEnd(pass) ? 'ended' : 'open'
    // Without it the deletion would leave no instance to tear down.
    if (!hasFinalizer(instance)) return 'open'
    return judgeAndEnd(instance, pass, signal, (judged, end) => expire(marking, judged, end, signal))
  }

  const marking = { delete: mark, putStatus: cluster.putStatus }

  /** The object lacks all but what the end follows from, so it may be deleted and never written. */
  const markSeen: Carry = async (instance, { at }, signal) => {
    if (epochMs(instance.status?.expiresAt) !== at) return 'overtaken'
    const { uid, resourceVersion } = instance.metadata
    const result = await mark(referenceTo(instance), { uid, resourceVersion }, signal)
    if (result === 'gone') return 'open'
    return result === 'conflict' ? 'overtaken' : 'ended'
  }

  async function judgeAndEnd(
    instance: Stored<ChallengeInstance>,
    pass: Pass,
    signal: AbortSignal,
    carryOut: Carry,
  ): Promise<'ended' | 'open' | Overtaken> {
    const key = { namespace: instance.metadata.namespace, name: instance.spec.templateRef }
    for (let looks = 0; looks < looksLimit; looks++) {
      const [clock, template] = await Promise.all([readClock(pass.clock, signal), readTemplate(key, signal)])
      const verdict = judgeEnd({ instance, clock, template }, config, { now: now(), reached: reached() })
      if (verdict.kind === 'open') return 'open'
      if (verdict.kind === 'over')
        return carryOut(instance, { at: verdict.at, credits: clock.credits }, signal)
      // The version protects the instance, so it need not be read again after the wait.
      await sleep(verdict.inMs, signal)
      signal.throwIfAborted()
    }
    return 'open'
  }

  async function end(pass: Pass, signal: AbortSignal): Promise<'ended' | 'open'> {
    const seen = seenInstance(pass)
    const found =
      seen === undefined
        ? await endAsRead(cluster.getCached, pass, signal)
        : await judgeAndEnd(seen, pass, signal, markSeen)
    // The cache may be behind the write that overtook the message.
    const ended = seen && found === 'overtaken' ? await endAsRead(cluster.get, pass, signal) : found
    return ended === 'ended' ? 'ended' : 'open'
  }

  return async (pass, signal) => {
    if (!expectsEnd(pass)) return 'open'
    try {
      return await end(pass, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (asksForPause(error)) throw error
      const { namespace, name } = pass
      log.debug('end not carried out at once', { namespace, name, error })
      return 'open'
    }
  }
}
