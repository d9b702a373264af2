import type { ChallengeTemplateSpec, TemplateContainer } from '../../crd/challenge-template.ts'
import { labels as labelNames } from '../../crd/group.ts'
import type { Deployment, Named } from '../../crd/objects.ts'
import { type PodInput, pod, podLabels } from './pod.ts'

/** Seconds until Kubernetes reports that a pod does not start. Its default is ten minutes. */
export const usualDeadlineSeconds = 120

/** Seconds for the image and the node, beside those that the containers ask for. */
const deadlineReserveSeconds = 60

/** The defaults of Kubernetes for a probe: the period in seconds, and the failures in a row that count. */
const probeDefaults = { periodSeconds: 10, failureThreshold: 3 }

export interface DeploymentInput extends PodInput {
  /** 0 for a suspended instance. */
  replicas: 0 | 1
}

/** The selector equals that of the older operator's Deployments: the operator adopts them, and a selector cannot be changed. */
export function deployment({ replicas, ...input }: DeploymentInput): Named<Deployment> {
  const { name, namespace, owners } = input.identity
  const labels = podLabels(input)
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels, ownerReferences: owners },
    spec: {
      replicas,
      selector: { matchLabels: { [labelNames.app]: name } },
      strategy: { type: 'Recreate' },
      revisionHistoryLimit: 1,
      progressDeadlineSeconds: progressDeadlineSeconds(input.spec),
      template: pod(input),
    },
  }
}

/** A template that says nothing about its start has the usual deadline. */
export function progressDeadlineSeconds(spec: ChallengeTemplateSpec): number {
  const asked = [spec, ...(spec.containers ?? [])].map(startSeconds).filter(each => each !== undefined)
  return asked.length === 0
    ? usualDeadlineSeconds
    : Math.max(usualDeadlineSeconds, ...asked) + deadlineReserveSeconds
}

/** The seconds after which a container has started at the latest; undefined: its template does not say. */
function startSeconds({ readinessProbe: probe, startupSeconds }: TemplateContainer): number | undefined {
  const { initialDelaySeconds, periodSeconds = probeDefaults.periodSeconds } = probe ?? {}
  const untilProbed = (initialDelaySeconds ?? 0) + periodSeconds * probeDefaults.failureThreshold
  const slowlyProbed = initialDelaySeconds !== undefined || untilProbed > usualDeadlineSeconds
  if (!slowlyProbed && startupSeconds === undefined) return undefined
  return Math.max(slowlyProbed ? untilProbed : 0, startupSeconds ?? 0)
}
