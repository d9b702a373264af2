import { safeToEvict } from '../../crd/group.ts'
import type { Pod, Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { operatorError } from '../../errors.ts'
import type { Cluster, JsonPatchOperation } from '../../kubernetes/cluster.ts'
import { isKeptByUs, isKeptFromEviction } from '../../observed/eviction.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Decision } from '../decide.ts'
import { removeAnnotation, sameVersion, setAnnotation } from '../json-patch.ts'
import type { Observed } from '../pass/observation.ts'

/** The kubelet writes to a pod too. One that changes more often than that is left to the next resync. */
const tries = 3

/**
 * Keeps the pod of an instance from the cluster autoscaler while players use the instance, and no longer. The running pod is
 * patched: in the Deployment the annotation would make a new pod. Only what this operator has set is taken off. Does nothing in a pass that did not ask who uses it.
 *
 * Errors: a failure is logged, and matters for nothing else. The next resync finds a pod that is not as it should be.
 */
export async function keepFromEviction(
  { cluster, log }: { cluster: Cluster; log: Log },
  { observed, decision }: { observed: Observed; decision: Decision },
  signal: AbortSignal,
): Promise<void> {
  if (decision.kind !== 'converge' || decision.use.inUse === undefined) return
  const { inUse } = decision.use
  const running = observed.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  try {
    await Promise.all(running.map(pod => keepPod(cluster, pod, inUse, signal)))
  } catch (thrown) {
    signal.throwIfAborted()
    const { namespace, name } = observed.instance.metadata
    log.warn('eviction of the pod not changed', { namespace, name, inUse, error: operatorError(thrown) })
  }
}

async function keepPod(
  cluster: Cluster,
  found: Stored<Pod>,
  isKept: boolean,
  signal: AbortSignal,
): Promise<void> {
  let pod: Stored<Pod> | undefined = found
  for (let tried = 0; pod && isWrong(pod, isKept) && tried < tries; tried++) {
    const written = await cluster.patchJson(referenceTo(pod), evictionPatch(pod, isKept), signal)
    if (written !== 'conflict') return
    pod = await cluster.get<Pod>(referenceTo(pod), signal)
  }
}

function isWrong(pod: Stored<Pod>, isKept: boolean): boolean {
  return isKept ? !isKeptFromEviction(pod) : isKeptByUs(pod)
}

function evictionPatch(pod: Stored<Pod>, isKept: boolean): JsonPatchOperation[] {
  const change = isKept ? setAnnotation(pod.metadata, safeToEvict, 'false') : removeAnnotation(safeToEvict)
  return [sameVersion(pod), change]
}
