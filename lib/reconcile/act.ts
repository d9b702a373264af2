import type { Child } from '../crd/challenge-instance.ts'
import { type OperatorError, operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import { type Change, converge } from './converge.ts'
import type { Decision } from './decide.ts'
import type { EnsureIsolation } from './isolation.ts'
import type { Observed } from './observe.ts'
import type { Pass } from './outcome.ts'

/** What came of a decision. */
export interface Acted {
  children: Child[]
  changes: Change[]
  failures: OperatorError[]
}

/** Carries a decision out. Failures of single children are data; only a failure that leaves nothing to report throws. */
export async function act(
  { cluster, ensureIsolation }: { cluster: Cluster; ensureIsolation: EnsureIsolation },
  observed: Observed,
  decision: Decision,
  pass: Pass,
  signal: AbortSignal,
): Promise<Acted> {
  const { instance } = observed
  const recorded = instance.status?.children ?? []
  const nothing: Acted = { children: recorded, changes: [], failures: [] }
  switch (decision.kind) {
    case 'look':
    case 'hold':
      return nothing
    case 'expire': {
      const { namespace = '', name = '', uid = '' } = instance.metadata
      const reference = { apiVersion: instance.apiVersion, kind: instance.kind, namespace, name }
      await cluster.delete(reference, { uid, propagation: 'Background' }, signal)
      return nothing
    }
    case 'converge': {
      const { desired, keep } = decision
      try {
        await ensureIsolation(desired.namespace, pass.causes.has('drift'), signal)
      } catch (thrown) {
        // Without the standing policy no workload starts; what runs already is left as it is.
        return { ...nothing, failures: [operatorError(thrown)] }
      }
      signal.throwIfAborted()
      return converge(cluster, observed, { children: desired.children, keep }, signal)
    }
  }
}
