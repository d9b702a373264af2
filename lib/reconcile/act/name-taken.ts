import { fieldManager, labels } from '../../crd/group.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'
import { OperatorError } from '../../errors.ts'

/** The most characters that a status shows of a name that another client chose. */
const longestName = 100

/**
 * The failure of a child whose name is taken by an object of another owner. The message names the object and its likely
 * owner, and never advises to delete the object: it may be `Service kubernetes`.
 */
export function nameTaken(existing: Stored<KubernetesObject>): OperatorError {
  const { kind, metadata } = existing
  const owner = likelyOwner(existing)
  return new OperatorError(
    'NameTaken',
    `${kind} "${metadata.name}" in namespace "${metadata.namespace}" exists already` +
      `${owner === undefined ? '' : ` and seems to belong to ${owner}`}; the operator does not touch it. ` +
      'Create the instance under another name.',
    { fate: 'permanent' },
  )
}

function likelyOwner({ metadata }: Stored<KubernetesObject>): string | undefined {
  const { labels: own = {}, annotations = {}, ownerReferences = [] } = metadata
  const tool = own[labels.managedBy]
  if (tool === fieldManager) return instanceOf(own)
  const controller = ownerReferences.find(each => each.controller) ?? ownerReferences[0]
  if (controller) return `${controller.kind} ${quoted(controller.name)}`
  const release = annotations['meta.helm.sh/release-name']
  if (release) return `the Helm release ${quoted(release)}`
  if (tool) return quoted(tool)
  const writer = metadata.managedFields?.find(each => !each.subresource)?.manager
  if (writer === 'kube-apiserver') return 'Kubernetes itself'
  return writer && `the user of ${quoted(writer)}`
}

function instanceOf(own: Record<string, string>): string {
  const name = own[labels.instance]
  const namespace = own[labels.instanceNamespace]
  if (!name || !namespace) return 'the operator itself'
  return `ChallengeInstance ${quoted(name)} in namespace ${quoted(namespace)}`
}

function quoted(name: string): string {
  return `"${name.slice(0, longestName)}"`
}
