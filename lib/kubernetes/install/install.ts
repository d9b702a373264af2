import type { KubernetesObject, StoredOfAnyScope } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { OperatorError } from '../../errors.ts'
import type { KubernetesClient } from '../client/http.ts'
import { collectionPath } from '../client/paths.ts'
import { createRetryingClient } from '../client/retrying-client.ts'
import type { Cluster } from '../cluster.ts'
import { openCluster } from '../open-cluster.ts'
import { removeFormerPolicies } from './former-policies.ts'
import {
  type FormerPolicy,
  type Guardrails,
  hasRegistries,
  installGuardrails,
  isGuardrails,
} from './guardrails.ts'
import { untilEstablished, untilSchemaInForce } from './in-force.ts'
import {
  hashedPolicy,
  type Installed,
  isUpToDate,
  type Manifest,
  type ManifestOptions,
  readManifests,
} from './manifests.ts'
import { type Definition, markOf } from './schema-check.ts'

/**
 * Installs CRDs and admission policies that are missing or older, and returns once they are in force.
 *
 * CRDs and policies that kubectl or an older operator created are taken over, and all stored objects are kept. On a cluster
 * that serves no policies they are left out, because the operator works without them. A policy of an earlier
 * release that this one does without is deleted. A call that the cluster refuses for a moment is repeated.
 *
 * The guardrails of the administrator stay, but for the registries if the options name some.
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
  const served = await policiesServed(client, signal)
  if (!served && options.allowedRegistries?.length) throw cannotEnforce()
  const policies: Installed[] = []
  for (const object of served ? await readManifests('admission') : [])
    policies.push(await installPolicy(cluster, { object, options, newer }, signal))
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
  object: Manifest
  options: ManifestOptions
  /** The CRDs of the cluster are those of a newer release. Its policies stay, too. */
  newer: boolean
}

async function installPolicy(
  cluster: Cluster,
  { object, options, newer }: PolicyOptions,
  signal: AbortSignal,
): Promise<Installed> {
  const existing = await cluster.get<KubernetesObject>(referenceTo(object), signal)
  if (isGuardrails(object)) {
    if (existing && newer) return keptGuardrails(object, existing, options)
    const former = await cluster.get<FormerPolicy>(templatePolicy, signal)
    return installGuardrails(cluster, { object, options, former }, signal)
  }
  const policy = hashedPolicy(object)
  if (existing && isUpToDate(existing, policy)) return installed(policy, 'unchanged')
  return !existing || !newer ? write(cluster, existing, policy, signal) : installed(policy, 'kept')
}

const templatePolicy = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  name: 'challenge-operator-templates',
}

function keptGuardrails(object: Manifest, existing: Guardrails, options: ManifestOptions): Installed {
  if (hasRegistries(existing, options)) return installed(object, 'unchanged')
  const remark = 'OPERATOR_ALLOWED_REGISTRIES is not in force; run crds of the release that installed it'
  return { ...installed(object, 'kept'), remark }
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

/** Clusters before Kubernetes 1.30 have no policies. */
async function policiesServed(client: KubernetesClient, signal: AbortSignal): Promise<boolean> {
  const response = await client.request(
    'GET',
    collectionPath(templatePolicy),
    { query: { limit: 1 } },
    signal,
  )
  return response.status !== 404
}

function installed({ kind, metadata }: KubernetesObject, action: Installed['action']): Installed {
  return { name: `${kind.toLowerCase()}/${metadata.name}`, action }
}

function changed({ action }: Installed): boolean {
  return action === 'created' || action === 'upgraded'
}
