import type { KubernetesObject, ObjectReference } from '../../crd/objects.ts'
import type { KubernetesClient } from '../client/http.ts'
import { objectPath } from '../client/paths.ts'
import type { Cluster } from '../cluster.ts'
import { apiError } from '../errors/api-error.ts'
import { contentHash, type Installed } from './manifests.ts'

const apiVersion = 'admissionregistration.k8s.io/v1'
const name = 'challenge-operator-finalizer'

/**
 * The objects of earlier releases that this one does without, in the order of their deletion. The policy refused every
 * new instance with 503 for up to 5 s after each start of an API server, because the API server does not know the
 * schema of a custom resource before that and `failurePolicy: Ignore` does not cover it.
 */
export const formerPolicies: readonly ObjectReference[] = [
  { apiVersion, kind: 'MutatingAdmissionPolicyBinding', name },
  { apiVersion, kind: 'MutatingAdmissionPolicy', name },
]

/**
 * Deletes the policies of earlier releases. A policy without our content hash was applied by another client, so it is
 * kept and named.
 */
export async function removeFormerPolicies(
  client: KubernetesClient,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<Installed[]> {
  const results: Installed[] = []
  for (const reference of formerPolicies) {
    const existing = await stored(client, reference, signal)
    if (existing !== undefined) results.push(await removed(cluster, reference, existing, signal))
  }
  return results
}

async function removed(
  cluster: Cluster,
  reference: ObjectReference,
  { metadata }: KubernetesObject,
  signal: AbortSignal,
): Promise<Installed> {
  const named = { name: `${reference.kind.toLowerCase()}/${reference.name}` }
  if (metadata.annotations?.[contentHash] === undefined)
    return {
      ...named,
      action: 'kept',
      remark: `it refuses new instances after each start of the API server; delete it: kubectl delete ${named.name}`,
    }
  await cluster.delete(reference, metadata.uid === undefined ? {} : { uid: metadata.uid }, signal)
  return { ...named, action: 'deleted', remark: 'an earlier release made it; reconcile adds the finalizer' }
}

/** @returns undefined also on a cluster that does not serve this kind, as before Kubernetes 1.36 */
async function stored(
  client: KubernetesClient,
  reference: ObjectReference,
  signal: AbortSignal,
): Promise<KubernetesObject | undefined> {
  const response = await client.request('GET', objectPath(reference), {}, signal)
  if (response.status === 404) return undefined
  if (response.status !== 200) throw apiError({ verb: 'get', ...reference }, response)
  return response.body as KubernetesObject
}
