import { randomBytes } from 'node:crypto'
import type { KubernetesObject } from '../../lib/crd/objects.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { readManifests } from '../../lib/kubernetes/install/manifests.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { createAsAdmin } from './admin-objects.ts'

const clusterWideBindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings'

/** Installs the roles of `manifests/`, and what they bind in the whole cluster for every operator. */
export async function installRoles(client: KubernetesClient, signal: AbortSignal): Promise<void> {
  for (const object of await readManifests('rbac'))
    if (object.kind === 'ClusterRole' || object.kind === 'ClusterRoleBinding')
      await createAsAdmin(client, object, signal)
  for (const object of await readManifests('placements'))
    if (object.kind === 'ClusterRole') await createAsAdmin(client, object, signal)
}

export interface RightsOfOperator {
  /** The namespaces that the operator watches. */
  namespaces: readonly string[]
  /** Its workloads may run in other namespaces. */
  placesElsewhere: boolean
}

/**
 * Binds the roles as an administrator does for an operator, and waits until the API server goes by it.
 * @returns what removes the bindings that do not go with a namespace
 */
export async function bindRoles(
  client: KubernetesClient,
  { namespaces, placesElsewhere }: RightsOfOperator,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const bindings = (await readManifests('rbac')).filter(({ kind }) => kind === 'RoleBinding')
  for (const namespace of namespaces)
    for (const binding of bindings)
      await createAsAdmin(client, { ...binding, metadata: { ...binding.metadata, namespace } }, signal)
  const own = placesElsewhere ? await createBindings(client, 'placements', signal) : []
  const until = (group: string, attributes: object) => isAllowed(client, group, attributes, signal)
  // Bindings take effect in the order of their creation, so the last one suffices.
  const inForce = async () =>
    (await until(groupOf(bindings.at(-1)), {
      verb: 'list',
      resource: 'pods',
      namespace: namespaces.at(-1),
    })) &&
    (!placesElsewhere || (await until(groupOf(own.at(-1)), { verb: 'list', resource: 'pods' })))
  await waitUntil('the rights of the functions', 20_000, inForce, signal)
  return () => removeBindings(client, own)
}

/**
 * Binds the roles in all namespaces, as an administrator does for `OPERATOR_NAMESPACE=*`. @returns what takes them back
 */
export async function bindInAllNamespaces(
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const own = await createBindings(client, 'all-namespaces', signal)
  const inForce = () => isAllowed(client, groupOf(own.at(-1)), { verb: 'list', resource: 'secrets' }, signal)
  await waitUntil('the rights of the functions', 20_000, inForce, signal)
  return () => removeBindings(client, own)
}

/** Creates bindings for the whole cluster under names of this operator's own, so that its end takes no other's rights. */
async function createBindings(
  client: KubernetesClient,
  folder: 'all-namespaces' | 'placements',
  signal: AbortSignal,
): Promise<KubernetesObject[]> {
  const suffix = randomBytes(5).toString('hex')
  const bindings = (await readManifests(folder))
    .filter(({ kind }) => kind === 'ClusterRoleBinding')
    .map(each => ({ ...each, metadata: { ...each.metadata, name: `${each.metadata.name}-${suffix}` } }))
  for (const binding of bindings) await createAsAdmin(client, binding, signal)
  return bindings
}

async function removeBindings(
  client: KubernetesClient,
  bindings: readonly KubernetesObject[],
): Promise<void> {
  const { signal } = new AbortController()
  for (const { metadata } of bindings)
    await client.request('DELETE', `${clusterWideBindings}/${metadata.name}`, {}, signal)
}

function groupOf(binding: KubernetesObject | undefined): string {
  const { subjects = [] } = { ...binding } as { subjects?: { kind: string; name: string }[] }
  const group = subjects.find(({ kind }) => kind === 'Group')
  if (group === undefined) throw new Error(`${binding?.metadata.name} binds no group`)
  return group.name
}

async function isAllowed(
  client: KubernetesClient,
  group: string,
  resourceAttributes: object,
  signal: AbortSignal,
): Promise<boolean> {
  const kind = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' }
  const body = { ...kind, spec: { groups: [group], resourceAttributes } }
  const response = await client.request('POST', collectionPath(kind), { body }, signal)
  return (response.body as { status?: { allowed?: boolean } }).status?.allowed === true
}
