import type { Child } from '../../crd/challenge-instance.ts'
import { annotations } from '../../crd/group.ts'
import type { Deployment, KubernetesObject, Stored } from '../../crd/objects.ts'
import { childKey, referenceTo } from '../../crd/reference.ts'
import { operatorError } from '../../errors.ts'
import type { Cluster, JsonPatchOperation } from '../../kubernetes/cluster.ts'
import { childVersion, isSameVersion } from '../../observed/child-version.ts'
import { deploymentDigest } from '../../observed/deployment.ts'
import { sameVersion, setAnnotation } from '../json-patch.ts'
import { triesRefusedAgain } from '../pass/causes.ts'
import type { Pass } from '../pass/outcome.ts'
import type { Converged } from './converge.ts'

interface ToTryAgain {
  deployment: Stored<Deployment> | undefined
  pass: Pass
  converged: Converged
}

/**
 * Has the pods of a Deployment tried again that the cluster refused. The ReplicaSet controller waits up to 16 minutes
 * after its last try, but tries at once when the ReplicaSet changes: the Deployment controller copies our annotation to
 * it. The pod template stays as it is, so nothing restarts. The write is a new generation of the Deployment, and its
 * record says so, or it would be taken for a change by hand.
 *
 * A pass that comes back for something does so; each has another time.
 */
export async function tryRefusedPodsAgain(
  cluster: Cluster,
  { deployment, pass, converged }: ToTryAgain,
  signal: AbortSignal,
): Promise<Converged> {
  if (!triesRefusedAgain(pass) || deployment === undefined) return converged
  if (deploymentDigest(deployment).replicaFailure === undefined) return converged
  try {
    const tried = await cluster.patchJson(referenceTo(deployment), operations(deployment, pass.at), signal)
    if (tried === undefined || tried === 'conflict') return converged
    return { ...converged, children: recordedAsTried(converged.children, tried) }
  } catch (thrown) {
    return { ...converged, failures: [...converged.failures, operatorError(thrown)] }
  }
}

/**
 * Returns the records of the children after the write of the annotation. A change of another client that is still to be
 * undone stays different from its record.
 */
export function recordedAsTried(children: readonly Child[], tried: Stored<KubernetesObject>): Child[] {
  const key = childKey(referenceTo(tried))
  const version = childVersion(tried)
  const isOurs = (child: Child) => childKey(child) === key && isSameVersion(child.version, version)
  return children.map(child => (isOurs(child) ? { ...child, version } : child))
}

function operations(deployment: Stored<Deployment>, at: string): JsonPatchOperation[] {
  const set = setAnnotation(deployment.metadata, annotations.triedAgain, at)
  return deployment.metadata.annotations === undefined ? [sameVersion(deployment), set] : [set]
}
