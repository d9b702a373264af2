import { labels as labelNames } from '../../crd/group.ts'
import type { Deployment } from '../../crd/objects.ts'
import { type PodInput, pod } from './pod.ts'

/** Without it Kubernetes would wait ten minutes before it says that a pod does not come up. */
export const progressDeadlineSeconds = 120

export interface DeploymentInput extends PodInput {
  /** 0: hibernated. */
  replicas: 0 | 1
}

/** The selector is the one that the old operator's Deployments have: it cannot be changed, and they are adopted. */
export function deployment({ replicas, ...input }: DeploymentInput): Deployment {
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
