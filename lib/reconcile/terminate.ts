import type { ChallengeInstance, Child } from '../crd/challenge-instance.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { Cause } from '../messages.ts'
import type { Store } from '../store/store.ts'
import { closeRow, dismantle, findOwned, hasFinalizer, releaseFinalizer } from './finalize.ts'
import { childKey } from './observe.ts'
import { awayMs, type Outcome, type Pass } from './outcome.ts'
import { report } from './report.ts'
import type { Obstacle } from './status.ts'
import { unseen } from './unseen.ts'

interface Terminating {
  cluster: Cluster
  store: Store
  now: () => number
  random: () => number
}

/**
 * Teardown of an instance with a deletion mark: workload first, policy last, then the row, then our finalizer.
 * While the Deployment goes in the foreground the pass ends; its disappearance brings the next one.
 */
export async function terminate(
  deps: Terminating,
  instance: ChallengeInstance,
  pass: Pass,
  signal: AbortSignal,
): Promise<{ outcome: Outcome; events: number }> {
  if (!hasFinalizer(instance)) return { outcome: { kind: 'settled' }, events: 0 }
  let children: Child[] | undefined
  try {
    children = await childrenToRemove(deps.cluster, instance, signal)
    return await takeDown(deps, instance, children, pass, signal)
  } catch (thrown) {
    return await unseen(deps, instance, thrown, pass, signal, children && { children, terminating: true })
  }
}

async function takeDown(
  deps: Terminating,
  instance: ChallengeInstance,
  children: Child[],
  pass: Pass,
  signal: AbortSignal,
): Promise<{ outcome: Outcome; events: number }> {
  const { cluster, store } = deps
  const { uid = '' } = instance.metadata
  if ((await dismantle(cluster, children, signal)) === 'waiting') {
    const doubted = doubtingCauses.some(cause => pass.causes.has(cause))
    const obstacle = doubted ? await holder(cluster, children, signal) : undefined
    const facts = terminatingReport(instance, children, obstacle)
    const reported = await report(deps, facts, undefined, false, signal)
    return { outcome: { kind: 'settled' }, events: reported.events }
  }
  const closed = await closeRow(store, uid, expired(instance) ? 'expired' : 'deleted', signal)
  const released = await releaseFinalizer(cluster, instance, signal)
  const events = closed?.events ?? 0
  if (!released) return { outcome: comeBack(0, 'Terminating'), events }
  if (closed === undefined)
    return { outcome: comeBack(awayMs(pass.waits, deps.random()), 'DatabaseUnavailable'), events }
  return { outcome: { kind: 'settled' }, events }

  function comeBack(afterMs: number, reason: 'Terminating' | 'DatabaseUnavailable'): Outcome {
    return { kind: 'requeue', afterMs, reason, counted: false }
  }
}

/** Recorded ones, and where the last pass did not get as far as recording, those that carry our labels. */
async function childrenToRemove(
  cluster: Cluster,
  { metadata, status }: ChallengeInstance,
  signal: AbortSignal,
): Promise<Child[]> {
  const recorded = status?.children ?? []
  // A deletion mark is a new generation of its own.
  const dealtWith = status?.observedGeneration === (metadata.generation ?? 0) - 1
  if (dealtWith || status?.phase === 'Terminating') return recorded
  const { namespace = '', name = '', uid = '' } = metadata
  const found = await findOwned(cluster, { namespace, name, uid }, signal)
  const known = new Set(recorded.map(childKey))
  const unknown = found.filter(child => !known.has(childKey(child)))
  return [
    ...recorded,
    ...unknown.map(({ apiVersion, kind, ...at }) => ({
      apiVersion,
      kind,
      namespace: at.namespace,
      name: at.name,
      version: '',
      hash: '',
    })),
  ]
}

/** The sweep, or a person, wonders why it takes so long. */
const doubtingCauses: readonly Cause[] = ['drift', 'manual']

/** The garbage collector's own; whose any other is has to let the Deployment go. */
const foreground = 'foregroundDeletion'

async function holder(
  cluster: Cluster,
  children: readonly Child[],
  signal: AbortSignal,
): Promise<Obstacle | undefined> {
  const deployment = children.find(child => child.kind === 'Deployment')
  const seen = deployment && (await cluster.getMetadata(deployment, signal))
  const foreign = seen?.metadata.finalizers?.find(each => each !== foreground)
  if (foreign === undefined) return undefined
  const message =
    `Deployment "${seen?.metadata.name}" is being deleted, but the finalizer "${foreign.slice(0, 100)}" holds it back. ` +
    'Who put it there has to take it off.'
  return { reason: 'ForeignFinalizer', message, stalled: false }
}

function terminatingReport(instance: ChallengeInstance, children: Child[], obstacle: Obstacle | undefined) {
  return { instance, verdict: undefined, obstacle, children, observed: true, terminating: true }
}

/** The mark was set when the time was over: whoever set it, the instance expired. */
function expired({ metadata, status }: ChallengeInstance): boolean {
  const end = Date.parse(status?.expiresAt ?? '')
  return Date.parse(metadata.deletionTimestamp ?? '') >= end
}
