import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { Placement } from '../../crd/challenge-template.ts'
import type { Stored } from '../../crd/objects.ts'
import { isAdopting } from '../../observed/adopting.ts'
import type { Problem } from '../problem.ts'

/**
 * Finds an instance in a namespace whose name is the one that the operator would make for it. It cannot make that
 * namespace, and a workload there would lack what the placement promises. What runs already stays.
 */
export function placementProblem(
  { metadata, status }: Stored<ChallengeInstance>,
  placement: Placement,
  placementNamespace: string,
): Problem | undefined {
  const stays = (status?.children ?? []).length > 0 || isAdopting(status)
  if (placement === 'Shared' || placementNamespace !== metadata.namespace || stays) return undefined
  return {
    reason: 'NameTaken',
    message:
      `The placement ${placement} needs a namespace of the name "${placementNamespace}", and the instance itself is in ` +
      'the namespace of that name. Set another OPERATOR_NAMESPACE_PREFIX, or create the instance in another namespace.',
  }
}
