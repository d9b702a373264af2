import { childKey } from '../../crd/reference.ts'

/** A difference between what is recorded of an instance and what the watches report. */
export type Mismatch =
  | { kind: 'generation'; generation: number }
  /** The pause annotation and the status differ, or a paused instance was edited: the status shows its new end. */
  | { kind: 'pause'; paused: boolean; generation: number }
  | { kind: 'finalizer-missing' }
  /** `wanted`: see `InstanceDigest.syncWanted`. */
  | { kind: 'force-sync'; wanted: string }
  | { kind: 'expired'; expiresAt: number }
  /** The end is near, and the platform was not warned of it. */
  | { kind: 'expiring'; expiresAt: number }
  /** The template has opened, and no pass has started the instance. */
  | { kind: 'opened'; availableFrom: number }
  /** A player came back to an idle instance, and no pass has woken it. */
  | { kind: 'activity'; at: number }
  /** The reported end does not include these credits, with which it is `end`, in epoch milliseconds. */
  | { kind: 'credits'; minutes: number; end: number }
  /** A policy of the instance's own is not closed, or not open again. */
  | { kind: 'lockdown'; lockdown: boolean }
  /** No pass has considered this template; undefined: the template is gone, and no pass has reported it. */
  | { kind: 'template'; template: { uid: string; generation: number } | undefined }
  /** The roll-out of this template has been held for a while, and the status does not say so. */
  | { kind: 'rollout-held'; template: { uid: string; generation: number } }
  /** The instance was built with other settings of the operator than these. */
  | { kind: 'settings'; settings: string }
  | { kind: 'children'; differing: readonly DifferingChild[]; unrecorded: readonly ChildReference[] }
  /** Nothing has changed a contested child for long. The status still says that something does. */
  | { kind: 'contest-over' }
  /** `servingPod`: set if the workload is ready. */
  | { kind: 'workload'; reason: string; failed: boolean; servingPod: string | undefined }
  /** The exposing object has another state than the status says. `awaited`: the first Ready waits for it. */
  | { kind: 'exposure'; state: string; awaited: boolean }
  /** Children whose instance is gone. */
  | { kind: 'orphans'; children: readonly ChildReference[] }
  /** The instance is marked for deletion, and no pass has started its teardown. */
  | { kind: 'teardown-not-started' }
  /** The Deployment of a terminating instance is gone. The next step of the teardown is due. */
  | { kind: 'teardown-workload-gone' }
  | { kind: 'instance-gone' }

interface ChildReference {
  kind: string
  namespace: string
  name: string
}

export interface DifferingChild {
  recorded: ChildReference
  /** Undefined: the child is absent. */
  seen: { version: string; resourceVersion: string } | undefined
}

/** Two mismatches of one instance are the same if their keys are equal. While a mismatch stays, one message is enough. */
export function mismatchKey(mismatch: Mismatch): string {
  const { kind } = mismatch
  switch (kind) {
    case 'generation':
      return `${kind} ${mismatch.generation}`
    case 'pause':
      return `${kind} ${mismatch.paused} ${mismatch.generation}`
    case 'force-sync':
      return `${kind} ${mismatch.wanted}`
    case 'expired':
      return `${kind} ${mismatch.expiresAt}`
    case 'expiring':
      return `${kind} ${mismatch.expiresAt}`
    case 'activity':
      return `${kind} ${mismatch.at}`
    case 'opened':
      return `${kind} ${mismatch.availableFrom}`
    case 'credits':
      return `${kind} ${mismatch.minutes}`
    case 'lockdown':
      return `${kind} ${mismatch.lockdown}`
    case 'template':
      return mismatch.template
        ? `${kind} ${mismatch.template.uid} ${mismatch.template.generation}`
        : `${kind} missing`
    case 'settings':
      return `${kind} ${mismatch.settings}`
    case 'rollout-held':
      return `${kind} ${mismatch.template.uid} ${mismatch.template.generation}`
    case 'workload':
      return `${kind} ${mismatch.reason} ${mismatch.failed} ${mismatch.servingPod ?? '-'}`
    case 'children':
      return [
        kind,
        ...mismatch.differing.map(({ recorded, seen }) => `${childKey(recorded)}@${seen?.version ?? '-'}`),
        ...mismatch.unrecorded.map(child => `+${childKey(child)}`),
      ].join(' ')
    case 'exposure':
      return `${kind} ${mismatch.state}`
    case 'orphans':
      return [kind, ...mismatch.children.map(childKey)].join(' ')
    case 'finalizer-missing':
    case 'contest-over':
    case 'teardown-not-started':
    case 'teardown-workload-gone':
    case 'instance-gone':
      return kind
  }
}

/** Whether the mismatch came at a date, so that nothing else will happen to the instance. */
export function isOfDate({ kind }: Mismatch): boolean {
  return kind === 'expired' || kind === 'expiring' || kind === 'opened'
}

/**
 * Whether the mismatch was judged by children or pods. A pass reads them later than the instance, and each of their watches
 * has a delay of its own. So a pass that was sent for the mismatch may have read a moment in which there was none.
 */
export function isOfDependents({ kind }: Mismatch): boolean {
  return kind === 'workload' || kind === 'children' || kind === 'exposure' || kind === 'orphans'
}
