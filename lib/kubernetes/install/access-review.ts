import { runLimited } from '../../concurrency.ts'
import type { ResourceAttributes } from '../../doctor/examination.ts'
import type { KubernetesClient } from '../client/http.ts'
import { collectionPath } from '../client/paths.ts'
import { apiError } from '../errors/api-error.ts'
import type { Account } from './accounts.ts'

export interface Right {
  verb: string
  /** The resource with its group, and a name if the right is for one object: `deployments.apps`, `leases.coordination.k8s.io/x`. */
  resource: string
  /** Undefined for a right in the whole cluster. */
  namespace: string | undefined
}

const apiVersion = 'authorization.k8s.io/v1'
const aboutSelf = { apiVersion, kind: 'SelfSubjectAccessReview' }
const aboutOther = { apiVersion, kind: 'SubjectAccessReview' }

/** The number of questions at the same time. The API server answers about a hundred a second. */
const sideBySide = 5

/**
 * Asks for rights one by one.
 * @param account undefined: the client's own user
 * @returns those that are refused
 * @throws OperatorError if the question itself is refused: `Forbidden` if the user may not ask about other accounts
 */
export async function rightsRefused(
  client: KubernetesClient,
  account: Account | undefined,
  rights: readonly ResourceAttributes[],
  signal: AbortSignal,
): Promise<ResourceAttributes[]> {
  const answers = await runLimited(rights, sideBySide, each => allowed(client, account, each, signal))
  return rights.filter((_, index) => !answers[index])
}

async function allowed(
  client: KubernetesClient,
  account: Account | undefined,
  resourceAttributes: ResourceAttributes,
  signal: AbortSignal,
): Promise<boolean> {
  const kind = account ? aboutOther : aboutSelf
  const { user, groups } = account ?? {}
  const body = { ...kind, spec: { resourceAttributes, ...(user && { user }), ...(groups && { groups }) } }
  const response = await client.request('POST', collectionPath(kind), { body }, signal)
  if (response.status !== 201) throw apiError({ verb: 'create', ...kind }, response)
  return (response.body as { status?: { allowed?: boolean } }).status?.allowed === true
}

export function rightOf({ verb, group, resource, subresource, name, namespace }: ResourceAttributes): Right {
  const whole = [group === '' ? resource : `${resource}.${group}`, subresource, name]
  return { verb, resource: whole.filter(part => part !== undefined).join('/'), namespace }
}

/** Returns rights as a sentence lists them. */
export function listedRights(rights: readonly Right[]): string {
  return rights
    .map(({ verb, resource, namespace }) => `${verb} ${resource}${namespace ? ` in ${namespace}` : ''}`)
    .join(', ')
}
