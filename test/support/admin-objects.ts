import type { KubernetesObject } from '../../lib/crd/objects.ts'
import type { ApiResponse, KubernetesClient } from '../../lib/kubernetes/client/http.ts'

/** Collections of kinds that only an administrator writes. `paths.ts` has the kinds that the operator uses. */
const collections: Record<string, (namespace: string) => string> = {
  ClusterRole: () => '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: () => '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  Role: namespace => `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles`,
  RoleBinding: namespace => `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`,
  ServiceAccount: namespace => `/api/v1/namespaces/${namespace}/serviceaccounts`,
}

export const quotasIn = (namespace: string) => `/api/v1/namespaces/${namespace}/resourcequotas`

/** Creates an object of a kind that the operator does not use. An object that exists already stays as it is. */
export async function createAsAdmin(
  client: KubernetesClient,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<ApiResponse> {
  const response = await client.request('POST', collectionOf(object), { body: object }, signal)
  if (response.status !== 201 && response.status !== 409)
    throw new Error(`${object.kind} "${object.metadata.name}" was refused with ${response.status}`)
  return response
}

/** Deletes such an object. One that is gone already is no error. */
export async function deleteAsAdmin(
  client: KubernetesClient,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<void> {
  const { status } = await client.request(
    'DELETE',
    `${collectionOf(object)}/${object.metadata.name}`,
    {},
    signal,
  )
  if (status !== 200 && status !== 404)
    throw new Error(`the deletion of ${object.kind} "${object.metadata.name}" was refused with ${status}`)
}

function collectionOf({ kind, metadata }: KubernetesObject): string {
  const path = collections[kind]?.(metadata.namespace ?? 'default')
  if (path === undefined) throw new Error(`add the collection of ${kind} to admin-objects.ts`)
  return path
}
