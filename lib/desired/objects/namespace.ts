import type { PlacementSettings } from '../../config/placement.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec, Placement } from '../../crd/challenge-template.ts'
import { annotations, fieldManager, labels } from '../../crd/group.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'
import { quotaText } from './resource-quota.ts'

const podSecurity = 'pod-security.kubernetes.io'

export interface NamespaceInput {
  name: string
  placement: Exclude<Placement, 'Shared'>
  instance: Stored<ChallengeInstance>
  spec: Pick<ChallengeTemplateSpec, 'podSecurity'>
  eventQuota?: PlacementSettings['eventQuota']
}

/**
 * Builds a namespace that the operator makes. Templates of an event may differ, so only the namespace of a single
 * instance is held to the level of its template.
 */
export function namespace({
  name,
  placement,
  instance,
  spec,
  eventQuota,
}: NamespaceInput): KubernetesObject & { metadata: { name: string } } {
  const quota = placement === 'Event' ? quotaText(eventQuota) : undefined
  const restricted = placement === 'Instance' && spec.podSecurity === 'restricted'
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: {
        [labels.managedBy]: fieldManager,
        [labels.placement]: placement,
        [labels.event]: String(instance.spec.owner.eventId),
        ...(placement === 'Instance' && {
          [labels.instance]: instance.metadata.name,
          [labels.instanceNamespace]: instance.metadata.namespace,
          [labels.instanceUid]: instance.metadata.uid,
        }),
        [`${podSecurity}/enforce`]: restricted ? 'restricted' : 'baseline',
        [`${podSecurity}/warn`]: 'restricted',
        [`${podSecurity}/audit`]: 'restricted',
      },
      ...(quota !== undefined && { annotations: { [annotations.eventQuota]: quota } }),
    },
  }
}
