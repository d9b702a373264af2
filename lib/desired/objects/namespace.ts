import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec, Placement } from '../../crd/challenge-template.ts'
import { fieldManager, labels } from '../../crd/group.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'

const podSecurity = 'pod-security.kubernetes.io'

export interface NamespaceInput {
  name: string
  placement: Exclude<Placement, 'Shared'>
  instance: Stored<ChallengeInstance>
  spec: Pick<ChallengeTemplateSpec, 'podSecurity'>
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
}: NamespaceInput): KubernetesObject & { metadata: { name: string } } {
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
    },
  }
}
