import type { Deployment, KubernetesObject } from '../crd/objects.ts'
import { canonicalJson } from '../desired/canonical.ts'

/** The fields of a Deployment from which its verdict follows. */
export interface DeploymentDigest {
  available: boolean
  /** When the Deployment was made, in epoch milliseconds. */
  createdAt: number
  /** Message of `ReplicaFailure=True`. A refusal by admission or quota creates no pod, so it shows only here. */
  replicaFailure: string | undefined
  /** The condition is `Progressing=False` with the reason `ProgressDeadlineExceeded`. */
  deadlineExceeded: boolean
  /** `spec.replicas` is 0. */
  hibernated: boolean
  /** The time that a pod has to become ready, in milliseconds. */
  progressDeadlineMs: number
}

/** The number of characters that suffice to classify and explain a refusal. */
const messageLimit = 500

/** Kubernetes' default, for a Deployment of the older operator. Ours state their deadline. */
const defaultDeadlineSeconds = 600

export function deploymentDigest(deployment: Deployment): DeploymentDigest {
  const { metadata, spec, status } = deployment
  const condition = (type: string) => status?.conditions?.find(each => each.type === type)
  const current = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0)
  const failure = condition('ReplicaFailure')
  const progressing = condition('Progressing')
  return {
    available: current && (status?.availableReplicas ?? 0) >= 1 && (status?.updatedReplicas ?? 0) >= 1,
    createdAt: Date.parse(metadata.creationTimestamp ?? '') || 0,
    replicaFailure: failure?.status === 'True' ? (failure.message ?? '').slice(0, messageLimit) : undefined,
    deadlineExceeded:
      current && progressing?.status === 'False' && progressing.reason === 'ProgressDeadlineExceeded',
    hibernated: spec?.replicas === 0,
    progressDeadlineMs: (spec?.progressDeadlineSeconds ?? defaultDeadlineSeconds) * 1_000,
  }
}

/** Returns whether a change of an object leaves its pods as they are. Both must be whole, as the API server returns them. */
export function keepsPods(before: KubernetesObject | undefined, after: KubernetesObject): boolean {
  const [one, other] = [before, after].map(each => {
    const { replicas, template } = (each as Deployment | undefined)?.spec ?? {}
    return canonicalJson({ replicas, template })
  })
  return one === other
}
