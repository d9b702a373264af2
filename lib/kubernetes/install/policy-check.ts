import type { KubernetesObject } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import type { KubernetesClient } from '../client/http.ts'
import { objectPath } from '../client/paths.ts'
import { apiError } from '../errors/api-error.ts'
import { formerPolicies } from './former-policies.ts'
import { type Guardrails, hasRegistries, isGuardrails } from './guardrails.ts'
import { hashedPolicy, isUpToDate, type Manifest, type ManifestOptions, readManifests } from './manifests.ts'

export interface PolicyReport {
  /** The policies and bindings that are not as this release installs them, each with what is wrong. */
  wrong: string[]
  /** The cluster serves no kind of policy, as before Kubernetes 1.30. */
  unserved: boolean
  /** The user may not read policies. */
  unreadable: boolean
}

/**
 * Compares the policies of the cluster with those of this release.
 * @throws OperatorError if the cluster does not answer
 */
export async function checkPolicies(
  client: KubernetesClient,
  options: ManifestOptions,
  signal: AbortSignal,
): Promise<PolicyReport> {
  const report: PolicyReport = { wrong: [], unserved: false, unreadable: false }
  // The ConfigMap comes last: without policies it has no use, and is not missed.
  const objects = (await readManifests('admission')).toSorted(
    (a, b) => Number(isGuardrails(a)) - Number(isGuardrails(b)),
  )
  for (const object of objects) {
    if (isGuardrails(object) && report.unserved) continue
    const found = await read(client, object, signal)
    if (found === 'unserved') report.unserved = true
    else if (found === 'unreadable') report.unreadable = true
    else report.wrong.push(...differences(object, found, options))
  }
  for (const reference of formerPolicies) {
    const response = await client.request('GET', objectPath(reference), {}, signal)
    if (response.status === 200)
      report.wrong.push(`${label(reference.kind, reference.name)} of an earlier build refuses new instances`)
  }
  return report
}

async function read(
  client: KubernetesClient,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<Policy | undefined | 'unserved' | 'unreadable'> {
  const reference = referenceTo(object)
  const response = await client.request('GET', objectPath(reference), {}, signal)
  if (response.status === 403) return 'unreadable'
  if (response.status === 404) {
    const { details } = response.body as { details?: { name?: string } }
    // The Status of a missing object names it; that of an unknown kind does not.
    return details?.name === undefined ? 'unserved' : undefined
  }
  if (response.status !== 200) throw apiError({ verb: 'get', ...reference }, response)
  return response.body as Policy
}

type Policy = Guardrails & { spec?: unknown }

function differences(object: Manifest, found: Policy | undefined, options: ManifestOptions): string[] {
  const name = label(object.kind, object.metadata.name)
  if (isGuardrails(object)) {
    if (found === undefined)
      return [`${name} is missing in ${object.metadata.namespace}, so no template is accepted`]
    return hasRegistries(found, options)
      ? []
      : [`${name} has other registries than OPERATOR_ALLOWED_REGISTRIES`]
  }
  if (found === undefined) return [`${name} is missing`]
  if (!isUpToDate(found, hashedPolicy(object))) return [`${name} is of another version`]
  return holds(found.spec, (object as Policy).spec) ? [] : [`${name} was changed by hand`]
}

/** Whether everything that is wanted is there. The server adds fields with its defaults. */
function holds(found: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((each, index) => holds(found[index], each))
    )
  if (typeof wanted !== 'object' || wanted === null) return found === wanted
  if (typeof found !== 'object' || found === null) return false
  return Object.entries(wanted).every(([key, value]) => holds((found as Record<string, unknown>)[key], value))
}

function label(kind: string, name: string | undefined): string {
  return `${kind.toLowerCase()}/${name}`
}
