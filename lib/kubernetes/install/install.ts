import type { KubernetesObject, StoredOfAnyScope } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { OperatorError } from '../../errors.ts'
import type { KubernetesClient } from '../client/http.ts'
import { collectionPath } from '../client/paths.ts'
import { createRetryingClient } from '../client/retrying-client.ts'
import type { Cluster } from '../cluster.ts'
import { openCluster } from '../open-cluster.ts'
import { removeFormerPolicies } from './former-policies.ts'
import { untilEstablished, untilSchemaInForce } from './in-force.ts'
import {
  type Installed,
  isUpToDate,
  type ManifestOptions,
  type Policy,
  readManifests,
  registriesOf,
  renderedPolicy,
} from './manifests.ts'
import { type Definition, markOf } from './schema-check.ts'

/**
 * Installs CRDs and admission policies that are missing or older, and returns once they are in force.
 *
 * CRDs and policies that kubectl or an older operator created are taken over, and all stored objects are kept. A kind of
 * policy that the cluster does not serve is left out, because the operator works without it. A policy of an earlier
 * release that this one does without is deleted. A call that the cluster refuses for a moment is repeated.
 *
 * The allowed registries of the cluster's policy stay, unless the options name some.
 * @throws OperatorError `Forbidden` if the user may not change CRDs or policies; `OperatorMisconfigured` if the
 * options name registries and the cluster has no policies that could enforce them
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
  for (const object of await readManifests('admission'))
    if (await kindServed(client, object, signal))
      policies.push(await installPolicy(cluster, { object, options, newer }, signal))
  if (policies.length === 0 && options.allowedRegistries?.length) throw cannotEnforce()
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

interface PolicyOptions {
  object: KubernetesObject
  options: ManifestOptions
  /** The CRDs of the cluster are those of a newer release. Its policies stay, too. */
  newer: boolean
}

async function installPolicy(
  cluster: Cluster,
  { object, options, newer }: PolicyOptions,
  signal: AbortSignal,
): Promise<Installed> {
  const existing = await cluster.get<Policy>(referenceTo(object), signal)
  const policy = renderedPolicy(object, options, existing)
  if (existing && isUpToDate(existing, policy)) return installed(policy, 'unchanged')
  if (!existing || !newer) return write(cluster, existing, policy, signal)
  const asWanted = registriesOf(existing) === registriesOf(policy)
  return {
    ...installed(policy, 'kept'),
    ...(!asWanted && {
      remark: 'OPERATOR_ALLOWED_REGISTRIES is not in force; run crds of the release that installed it',
    }),
  }
}

function cannotEnforce(): OperatorError {
  return new OperatorError(
    'OperatorMisconfigured',
    'OPERATOR_ALLOWED_REGISTRIES cannot be enforced: the cluster has no ValidatingAdmissionPolicy, which Kubernetes 1.30 ' +
      'brings; upgrade the cluster, or remove the variable.',
    { fate: 'permanent' },
  )
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
