import { labels as labelNames } from '../../crd/group.ts'
import type { Deployment, Named } from '../../crd/objects.ts'
import { type PodInput, pod } from './pod.ts'

/** Seconds until Kubernetes reports that a pod does not start. Its default is ten minutes. */
export const progressDeadlineSeconds = 120

export interface DeploymentInput extends PodInput {
  /** 0 for a suspended instance. */
  replicas: 0 | 1
}

/** The selector equals that of the older operator's Deployments: the operator adopts them, and a selector cannot be changed. */
export function deployment({ replicas, ...input }: DeploymentInput): Named<Deployment> {
  const { name, namespace, labels, owners } = input.identity
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels, ownerReferences: owners },
    spec: {
      replicas,
      selector: { matchLabels: { [labelNames.app]: name } },
      strategy: { type: 'Recreate' },
      revisionHistoryLimit: 1,
      progressDeadlineSeconds,
      template: pod(input),
    },
  }
}
