import type { Deployment } from '../crd/objects.ts'

/** What judging a Deployment needs of it. */
export interface DeploymentDigest {
  available: boolean
  /** Message of `ReplicaFailure=True`: admission and quota refusals make no pod, so they show only here. */
  replicaFailure: string | undefined
  /** `Progressing=False` with `ProgressDeadlineExceeded`. */
  deadlineExceeded: boolean
  /** `spec.replicas` is 0. */
  hibernated: boolean
}

/** Enough of a refusal to classify and explain it. */
const messageLimit = 300

export function deploymentDigest(deployment: Deployment): DeploymentDigest {
  const { metadata, spec, status } = deployment
  const condition = (type: string) => status?.conditions?.find(each => each.type === type)
  const current = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0)
  const failure = condition('ReplicaFailure')
  const progressing = condition('Progressing')
  return {
    available: current && (status?.availableReplicas ?? 0) >= 1 && (status?.updatedReplicas ?? 0) >= 1,
    replicaFailure: failure?.status === 'True' ? (failure.message ?? '').slice(0, messageLimit) : undefined,
    deadlineExceeded:
      current && progressing?.status === 'False' && progressing.reason === 'ProgressDeadlineExceeded',
    hibernated: spec?.replicas === 0,
  }
}
