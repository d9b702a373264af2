import { firstNamespace, type WatchedNamespaces } from '../../crd/namespaces.ts'
import type { KubernetesClient } from '../client/http.ts'
import { collectionPath } from '../client/paths.ts'

/** A user of the cluster, as a SubjectAccessReview names it. */
export interface Account {
  /** The account in a sentence. */
  label: string
  user?: string
  groups: string[]
}

/** The functions that call the cluster. Each one has a file in `manifests/rbac/`. */
export const functionsWithRights = ['watch-forwarder', 'reconcile', 'sweep'] as const

/** Every user who is logged in belongs to this group. */
const everybody = 'system:authenticated'

/**
 * Returns the accounts to which `manifests/rbac/` binds the roles of a function: the group of an IAM role's access entry,
 * and the ServiceAccount of a pod, in the namespace of the manifests or in the first watched one.
 */
export function accountsOf(functionName: string, namespaces: WatchedNamespaces): Account[] {
  const group = `challenge-operator:${functionName}`
  const name = `challenge-operator-${functionName}`
  const homes = [...new Set(['default', firstNamespace(namespaces)])]
  return [
    { label: `the group ${group}`, groups: [group, everybody] },
    ...homes.map(namespace => ({
      label: `the ServiceAccount ${namespace}/${name}`,
      user: `system:serviceaccount:${namespace}:${name}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, everybody],
    })),
  ]
}

/**
 * Asks the cluster who the client's user is.
 * @returns undefined if the cluster does not say, as before Kubernetes 1.28
 */
export async function ownName(client: KubernetesClient, signal: AbortSignal): Promise<string | undefined> {
  const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const response = await client.request('POST', collectionPath(kind), { body: kind }, signal)
  if (response.status !== 201) return undefined
  const { status } = response.body as { status?: { userInfo?: { username?: string } } }
  return status?.userInfo?.username
}
