import type { KubernetesObject, StoredOfAnyScope } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import type { KubernetesClient } from '../client/http.ts'
import { collectionPath } from '../client/paths.ts'
import { createRetryingClient } from '../client/retrying-client.ts'
import type { Cluster } from '../cluster.ts'
import { openCluster } from '../open-cluster.ts'
import { removeFormerPolicies } from './former-policies.ts'
import { untilEstablished, untilSchemaInForce } from './in-force.ts'
import {
  contentHash,
  type Installed,
  type ManifestOptions,
  readManifests,
  renderedPolicy,
} from './manifests.ts'
import { type Definition, markOf } from './schema-check.ts'

/**
 * Installs CRDs and admission policies that are missing or older, and returns once they are in force.
 *
 * CRDs and policies that kubectl or an older operator created are taken over, and all stored objects are kept. A kind of
 * policy that the cluster does not serve is left out, because the operator works without it. A policy of an earlier
 * release that this one does without is deleted. A call that the cluster refuses for a moment is repeated.
 * @throws OperatorError `Forbidden` if the user may not change CRDs or policies
 */
export async function installManifests(
  clusterClient: KubernetesClient,
  options: ManifestOptions,
  signal: AbortSignal,
): Promise<Installed[]> {
  const client = createRetryingClient(clusterClient)
  const cluster = openCluster(client)
  const crds: Installed[] = []
  for (const object of await readManifests('crds'))
    crds.push(await installDefinition(cluster, object as KubernetesObject & Definition, signal))
  await untilEstablished(cluster, signal)
  if (crds.some(changed)) await untilSchemaInForce(client, signal)

  const newer = crds.some(({ action }) => action === 'kept')
  const policies: Installed[] = []
  for (const object of await readManifests('admission')) {
    const policy = renderedPolicy(object, options)
    if (await kindServed(client, policy, signal))
      policies.push(await installPolicy(cluster, policy, newer, signal))
  }
  const former = newer ? [] : await removeFormerPolicies(client, cluster, signal)
  return [...crds, ...policies, ...former]
}

async function installDefinition(
  cluster: Cluster,
  object: KubernetesObject & Definition,
  signal: AbortSignal,
): Promise<Installed> {
  const existing = await cluster.get<KubernetesObject & Definition>(referenceTo(object), signal)
  const isOlder = existing && markOf(existing) < markOf(object)
  if (existing && !isOlder)
    return installed(object, markOf(existing) === markOf(object) ? 'unchanged' : 'kept')
  return write(cluster, existing, object, signal)
}

async function installPolicy(
  cluster: Cluster,
  object: KubernetesObject,
  newer: boolean,
  signal: AbortSignal,
): Promise<Installed> {
  const existing = await cluster.get<KubernetesObject>(referenceTo(object), signal)
  const same = existing?.metadata.annotations?.[contentHash] === object.metadata.annotations?.[contentHash]
  if (existing && same) return installed(object, 'unchanged')
  if (existing && newer) return installed(object, 'kept')
  return write(cluster, existing, object, signal)
}

async function write(
  cluster: Cluster,
  existing: StoredOfAnyScope<KubernetesObject> | undefined,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<Installed> {
  if (existing) await cluster.applyOver(existing, object, signal)
  else await cluster.apply(object, signal)
  return installed(object, existing ? 'upgraded' : 'created')
}

/** Returns whether the cluster serves a kind. Clusters before Kubernetes 1.30 have no policies. */
async function kindServed(
  client: KubernetesClient,
  { apiVersion, kind }: KubernetesObject,
  signal: AbortSignal,
): Promise<boolean> {
  const path = collectionPath({ apiVersion, kind })
  const response = await client.request('GET', path, { query: { limit: 1 } }, signal)
  return response.status !== 404
}

function installed({ kind, metadata }: KubernetesObject, action: Installed['action']): Installed {
  return { name: `${kind.toLowerCase()}/${metadata.name}`, action }
}

function changed({ action }: Installed): boolean {
  return action === 'created' || action === 'upgraded'
}
