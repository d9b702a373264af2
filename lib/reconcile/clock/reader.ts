import { keptState } from '../../clock/kept.ts'
import { type ClockState, clockName, clockStateName, openClock } from '../../clock/state.ts'
import { type ClockStamp, isNewerClock, noClock } from '../../clock/version.ts'
import type { ConfigMap } from '../../crd/objects.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

/** Returns the state of the organiser's clock. @param stamp of the message that is handled; undefined: it has none */
export type ReadClock = (stamp: ClockStamp | undefined, signal: AbortSignal) => Promise<ClockState>

interface Held {
  version: string
  state: ClockState
  /** Up to when nothing newer is known, in epoch milliseconds. */
  knownAt: number
  /** The number of the read that brought it. */
  read: number
}

/** How long a state is trusted without a message that confirms its version, in milliseconds. */
const trustMs = 5_000

interface Parts {
  cluster: Pick<Cluster, 'get' | 'getMetadata'>
  namespace: string
  /** Epoch milliseconds. */
  now: () => number
}

/**
 * Creates the reader of the clock's state, for a function that remembers no more than its sandbox does.
 *
 * A fresh message says by its stamp which version is the newest, so a sandbox that holds that version makes no call. For a
 * message without a stamp, or with one that is older than the trust, it reads at most once in that time. Passes that want to
 * read at the same time share one read. A cold sandbox believes a fresh message that there is no clock.
 *
 * Errors: throws `ClusterUnavailable` while the state cannot be known: somebody has deleted it or made it unreadable, and it
 * is written anew. So no instance ends on a date that a credit has moved.
 */
export function createClockReader({ cluster, namespace, now }: Parts): ReadClock {
  let held: Held | undefined
  let underWay: { version: string; done: Promise<void> } | undefined

  let reads = 0

  /** The answer of a later read counts, also if its version is lower, as after a restore of etcd. */
  async function read(version: string, signal: AbortSignal): Promise<void> {
    const at = now()
    reads += 1
    const number = reads
    const found = await readState({ cluster, namespace }, { expected: version !== noClock }, signal)
    if (held === undefined || held.read < number) held = { ...found, knownAt: at, read: number }
  }

  /** Shares a read that is under way, unless a newer version is known of now: the read may have missed it. */
  function readTogether(version: string, signal: AbortSignal): Promise<void> {
    if (underWay !== undefined && !isNewerClock(version, underWay.version)) return underWay.done
    const done = read(version, signal).finally(() => {
      if (underWay === started) underWay = undefined
    })
    const started = { version, done }
    underWay = started
    return done
  }

  return async (stamp, signal) => {
    const at = now()
    const sentAt = stamp ? Date.parse(stamp.at) : Number.NEGATIVE_INFINITY
    const isFresh = at - sentAt < trustMs
    if (held === undefined && isFresh && stamp?.version === noClock)
      held = { version: noClock, state: openClock, knownAt: sentAt, read: 0 }
    if (held !== undefined && !(stamp && isNewerClock(stamp.version, held.version))) {
      if (isFresh && stamp?.version === held.version) held.knownAt = Math.max(held.knownAt, sentAt)
      if (at - held.knownAt < trustMs) return held.state
    }
    await readTogether(stamp?.version ?? noClock, signal)
    return (held as Held).state
  }
}

/** @param options `expected`: somebody has seen a state */
async function readState(
  { cluster, namespace }: Omit<Parts, 'now'>,
  { expected }: { expected: boolean },
  signal: AbortSignal,
): Promise<Pick<Held, 'version' | 'state'>> {
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', namespace }
  const kept = await cluster.get<ConfigMap>({ ...configMap, name: clockStateName }, signal)
  if (kept === undefined) {
    const source = expected || (await cluster.getMetadata({ ...configMap, name: clockName }, signal))
    if (source) throw unknownState(namespace, 'is gone')
    return { version: noClock, state: openClock }
  }
  const state = keptState(kept)
  if (state === undefined) throw unknownState(namespace, 'cannot be read')
  return { version: kept.metadata.resourceVersion, state }
}

function unknownState(namespace: string, problem: string): OperatorError {
  return new OperatorError(
    'ClusterUnavailable',
    `ConfigMap ${namespace}/${clockStateName} ${problem}, so the state of the organiser's clock is not known. It is written ` +
      `anew from ConfigMap ${namespace}/${clockName}, if that one says which credits there are.`,
  )
}
