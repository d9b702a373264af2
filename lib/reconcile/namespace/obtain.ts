import { annotations } from '../../crd/group.ts'
import type { KubernetesObject, Namespace, StoredOfAnyScope } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster, JsonPatchOperation } from '../../kubernetes/cluster.ts'
import { beingDeleted, isMadeFor, unusedSinceMs } from '../../observed/namespace.ts'
import { removeAnnotation, sameVersion, setLabel } from '../json-patch.ts'

/** Each try fails only if another client makes, changes or deletes the namespace between the read and the write. */
const tries = 4

export interface ToObtain {
  wanted: KubernetesObject & { metadata: { name: string } }
  /** The namespace most likely does not exist, so it is created before it is read. */
  isNew: boolean
}

/**
 * Makes a namespace, or takes one that the operator made before for the same use: it gets the labels that it should have,
 * and loses its mark as unused.
 * @returns `made`: it did not exist
 * @throws OperatorError `NameTaken` for a namespace of somebody else, `NamespaceStuck` while it is being deleted
 */
export async function obtainNamespace(
  cluster: Cluster,
  { wanted, isNew }: ToObtain,
  signal: AbortSignal,
): Promise<{ uid: string; made: boolean }> {
  const reference = referenceTo(wanted)
  let found: StoredOfAnyScope<Namespace> | undefined
  for (let tried = 0; tried < tries; tried++) {
    if (tried > 0 || !isNew) found = await cluster.get<Namespace>(reference, signal)
    if (found === undefined) {
      const created = await cluster.create(wanted, signal)
      if (created !== 'exists') return { uid: created.metadata.uid, made: true }
      continue
    }
    if (!isMadeFor(found, wanted)) throw namespaceTaken(wanted.metadata.name)
    if (found.metadata.deletionTimestamp !== undefined)
      throw new OperatorError('NamespaceStuck', beingDeleted(found))
    const corrections = correctionsOf(found, wanted)
    if (corrections.length === 0) return { uid: found.metadata.uid, made: false }
    const patched = await cluster.patchJson(reference, [sameVersion(found), ...corrections], signal)
    if (patched !== 'conflict' && patched !== undefined) return { uid: found.metadata.uid, made: false }
  }
  const message = `Namespace "${wanted.metadata.name}" keeps changing, so nothing is placed in it yet.`
  throw new OperatorError('ClusterUnavailable', message)
}

function correctionsOf(found: KubernetesObject, wanted: KubernetesObject): JsonPatchOperation[] {
  const differing = Object.entries(wanted.metadata.labels ?? {}).filter(
    ([name, value]) => found.metadata.labels?.[name] !== value,
  )
  return [
    ...differing.map(([name, value]) => setLabel(name, value)),
    ...(unusedSinceMs(found) === undefined ? [] : [removeAnnotation(annotations.unusedSince)]),
  ]
}

/** It may be cured where nobody watches, so the instance comes back. */
function namespaceTaken(name: string): OperatorError {
  return new OperatorError(
    'NameTaken',
    `Namespace "${name}" exists already, and the operator did not make it for this instance; it does not touch it. ` +
      'Remove the namespace if nobody needs it, or set another OPERATOR_NAMESPACE_PREFIX.',
  )
}
