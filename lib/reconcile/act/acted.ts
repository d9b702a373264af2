import type { Child } from '../../crd/challenge-instance.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'
import type { OperatorError } from '../../errors.ts'

/** `object`: as it is after the pass. `failure`: why it was not applied. */
export interface ExposingResult {
  object?: Stored<KubernetesObject> | undefined
  failure?: OperatorError | undefined
}

/** What a pass did. */
export interface Acted {
  children: Child[]
  writes: ChildWrite[]
  failures: OperatorError[]
  /**
   * When the repair of a child is due that differs from its record and that the forwarder does not watch, in epoch
   * milliseconds; undefined: there is none.
   */
  repairDueAt?: number | undefined
  /** What the workload may lack. It keeps no pod from starting, and matters only to one that does not serve. */
  lacks?: OperatorError | undefined
  /** What became of the child that exposes the instance; undefined: none is desired, or the pass did not come to it. */
  exposing?: ExposingResult | undefined
  /** The pass came to the children, so that the instance may have something of the desired state. */
  converged: boolean
  /** The instance was changed after it was read, so the pass has to read it again and to decide anew. */
  overtaken?: true
}

/** One write to a child. */
export interface ChildWrite {
  child: Pick<Child, 'kind' | 'namespace' | 'name' | 'repairs'>
  action: 'created' | 'configured' | 'adopted' | 'deleted'
  /** The write made a new pod necessary. */
  replacesPods: boolean
  /** It undid a change of another client. `by`: the field managers that had written since. */
  repair?: { by: readonly string[] }
}
