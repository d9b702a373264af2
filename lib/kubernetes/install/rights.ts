import { runLimited } from '../../concurrency.ts'
import { scopesOf, type WatchedNamespaces } from '../../crd/namespaces.ts'
import type { KubernetesObject } from '../../crd/objects.ts'
import type { KubernetesClient } from '../client/http.ts'
import { collectionPath } from '../client/paths.ts'
import { apiError } from '../errors/api-error.ts'
import type { Account } from './accounts.ts'
import { readManifests } from './manifests.ts'

export interface Right {
  verb: string
  /** The resource with its group, and a name if the right is for one object: `deployments.apps`, `leases.coordination.k8s.io/x`. */
  resource: string
  /** Undefined for a right in the whole cluster. */
  namespace: string | undefined
}

interface Role extends KubernetesObject {
  rules: { apiGroups: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[]
}

/** ResourceAttributes of a SubjectAccessReview. */
interface Attributes {
  verb: string
  group: string
  resource: string
  subresource?: string
  name?: string
  namespace?: string
}

const apiVersion = 'authorization.k8s.io/v1'
const aboutSelf = { apiVersion, kind: 'SelfSubjectAccessReview' }
const aboutOther = { apiVersion, kind: 'SubjectAccessReview' }

/** The number of questions at the same time. The API server answers about a hundred a second. */
const sideBySide = 5

export interface RightsQuestion {
  namespaces: WatchedNamespaces
  /** Whether workloads may be placed in other namespaces, which needs the roles of `manifests/placements/` as well. */
  everywhere?: boolean
  /** Whose rights. Undefined: those of the client's own user. */
  account?: Account
  /** The function whose roles count. Undefined: those of all functions. */
  functionName?: string
}

export interface RightsAnswer {
  /** The number of rights that were asked for. */
  asked: number
  missing: Right[]
}

/**
 * Returns the rights that an account lacks, out of those in the roles of `manifests/rbac/`, and where workloads may be placed anywhere, of `manifests/placements/`. A right that several roles have
 * is asked for once.
 * @throws OperatorError if the question itself is refused: `Forbidden` if the user may not ask about other accounts
 */
export async function rightsMissing(
  client: KubernetesClient,
  { namespaces, everywhere = false, account, functionName }: RightsQuestion,
  signal: AbortSignal,
): Promise<RightsAnswer> {
  const prefix = `challenge-operator-${functionName ?? ''}`
  const scopes = scopesOf(namespaces)
  const scopedRights = attributesOf(await readRoles('rbac', prefix)).flatMap(each =>
    inNoNamespace(each) ? [each] : scopes.map(scope => scoped(each, scope.namespace)),
  )
  const rightsEverywhere = everywhere ? attributesOf(await readRoles('placements', prefix)) : []
  const asked = new Map([...scopedRights, ...rightsEverywhere].map(each => [JSON.stringify(each), each]))
  const questions = [...asked.values()]
  const answers = await runLimited(questions, sideBySide, each => allowed(client, account, each, signal))
  const missing = questions
    .filter((_, index) => !answers[index])
    .map(rightOf)
    .toSorted((a, b) => textOf(a).localeCompare(textOf(b)))
  return { asked: questions.length, missing }
}

async function readRoles(folder: 'rbac' | 'placements', prefix: string): Promise<Role[]> {
  const roles = (await readManifests(folder)).filter(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name.startsWith(prefix),
  )
  return roles as unknown as Role[]
}

function attributesOf(roles: readonly Role[]): Attributes[] {
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
function inNoNamespace({ resource, name }: Attributes): boolean {
  return resource === 'customresourcedefinitions' || (resource === 'namespaces' && name !== undefined)
}

/** Asks for a Namespace by its name, so that a RoleBinding in it suffices. */
function scoped(attributes: Attributes, namespace: string | undefined): Attributes {
  if (namespace === undefined) return attributes
  return { ...attributes, namespace, ...(attributes.resource === 'namespaces' && { name: namespace }) }
}

async function allowed(
  client: KubernetesClient,
  account: Account | undefined,
  resourceAttributes: Attributes,
  signal: AbortSignal,
): Promise<boolean> {
  const kind = account ? aboutOther : aboutSelf
  const { user, groups } = account ?? {}
  const body = { ...kind, spec: { resourceAttributes, ...(user && { user }), ...(groups && { groups }) } }
  const response = await client.request('POST', collectionPath(kind), { body }, signal)
  if (response.status !== 201) throw apiError({ verb: 'create', ...kind }, response)
  return (response.body as { status?: { allowed?: boolean } }).status?.allowed === true
}

function rightOf({ verb, group, resource, subresource, name, namespace }: Attributes): Right {
  const whole = [group === '' ? resource : `${resource}.${group}`, subresource, name]
  return { verb, resource: whole.filter(part => part !== undefined).join('/'), namespace }
}

function textOf({ verb, resource, namespace = '' }: Right): string {
  return `${namespace} ${resource} ${verb}`
}
