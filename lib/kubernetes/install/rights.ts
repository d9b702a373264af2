import { scopesOf, type WatchedNamespaces } from '../../crd/namespaces.ts'
import type { KubernetesObject } from '../../crd/objects.ts'
import type { ResourceAttributes } from '../../doctor/examination.ts'
import type { KubernetesClient } from '../client/http.ts'
import { type Right, rightOf, rightsRefused } from './access-review.ts'
import type { Account } from './accounts.ts'
import { readManifests } from './manifests.ts'

interface Role extends KubernetesObject {
  rules: { apiGroups: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[]
}

export interface RightsQuestion {
  namespaces: WatchedNamespaces
  /** Whether workloads may be placed in other namespaces, which needs the roles of `manifests/placements/` as well. */
  everywhere?: boolean
  /** Whose rights. Undefined: those of the client's own user. */
  account?: Account
  /** The function whose roles count. Undefined: those of all functions. */
  functionName?: string | undefined
}

export interface RightsAnswer {
  /** The number of rights that were asked for. */
  asked: number
  missing: Right[]
}

/**
 * Returns the rights that an account lacks, out of those in the roles of `manifests/rbac/`, and where workloads may be placed
 * anywhere, of `manifests/placements/`. A right that several roles have is asked for once.
 * @throws OperatorError if the question itself is refused: `Forbidden` if the user may not ask about other accounts
 */
export async function rightsMissing(
  client: KubernetesClient,
  { namespaces, everywhere = false, account, functionName }: RightsQuestion,
  signal: AbortSignal,
): Promise<RightsAnswer> {
  const questions = await rightsNeeded({ namespaces, everywhere, functionName })
  const refused = await rightsRefused(client, account, questions, signal)
  const missing = refused.map(rightOf).toSorted((a, b) => textOf(a).localeCompare(textOf(b)))
  return { asked: questions.length, missing }
}

/** Returns the rights that a function needs, or all functions together. A right that several roles have is there once. */
export async function rightsNeeded({
  namespaces,
  everywhere = false,
  functionName,
}: Omit<RightsQuestion, 'account'>): Promise<ResourceAttributes[]> {
  const prefix = `challenge-operator-${functionName ?? ''}`
  const scopes = scopesOf(namespaces)
  const scopedRights = attributesOf(await readRoles('rbac', prefix)).flatMap(each =>
    inNoNamespace(each) ? [each] : scopes.map(scope => scoped(each, scope.namespace)),
  )
  const rightsEverywhere = everywhere ? attributesOf(await readRoles('placements', prefix)) : []
  return [
    ...new Map([...scopedRights, ...rightsEverywhere].map(each => [JSON.stringify(each), each])).values(),
  ]
}

async function readRoles(folder: 'rbac' | 'placements', prefix: string): Promise<Role[]> {
  const roles = (await readManifests(folder)).filter(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name.startsWith(prefix),
  )
  return roles as unknown as Role[]
}

function attributesOf(roles: readonly Role[]): ResourceAttributes[] {
  return roles
    .flatMap(role => role.rules)
    .flatMap(({ apiGroups, resources, resourceNames = [undefined], verbs }) =>
      apiGroups.flatMap(group =>
        resources.flatMap(whole => {
          const [resource = '', subresource] = whole.split('/')
          return resourceNames.flatMap(name =>
            verbs.map(verb => ({
              verb,
              group,
              resource,
              ...(subresource !== undefined && { subresource }),
              ...(name !== undefined && { name }),
            })),
          )
        }),
      ),
    )
}

/** The rights that do not follow from the watched namespaces. A Namespace counts as an object in itself. */
function inNoNamespace({ resource, name }: ResourceAttributes): boolean {
  return resource === 'customresourcedefinitions' || (resource === 'namespaces' && name !== undefined)
}

/** Asks for a Namespace by its name, so that a RoleBinding in it suffices. */
function scoped(attributes: ResourceAttributes, namespace: string | undefined): ResourceAttributes {
  if (namespace === undefined) return attributes
  return { ...attributes, namespace, ...(attributes.resource === 'namespaces' && { name: namespace }) }
}

function textOf({ verb, resource, namespace = '' }: Right): string {
  return `${namespace} ${resource} ${verb}`
}
