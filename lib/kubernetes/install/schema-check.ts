import { group } from '../../crd/group.ts'
import { OperatorError } from '../../errors.ts'
import type { KubernetesClient } from '../client/http.ts'
import { objectPath } from '../client/paths.ts'
import { apiError } from '../errors/api-error.ts'
import { objectMissing } from '../errors/api-status.ts'

/** The annotation with the version of a CRD, an integer. The CRDs of the older operator lack it. */
export const versionMark = `${group}/crd-version`

/** The version that this code needs. It is the version in `manifests/crds/`. */
export const crdVersion = 8

export const crdKind = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
} as const

export const crdNames = [`challengetemplates.${group}`, `challengeinstances.${group}`] as const

/** The part of a JSON schema that is read here. */
interface Schema {
  properties?: Record<string, Schema>
}

export interface Definition {
  apiVersion: string
  kind: string
  metadata: { name: string; annotations?: Record<string, string> }
  spec: { versions: { name: string; served?: boolean; schema?: { openAPIV3Schema?: Schema } }[] }
  status?: { conditions?: { type: string; status: string }[] }
}

/** @returns the version of a CRD; 0 if its annotation is missing or no positive integer */
export function markOf({ metadata }: Pick<Definition, 'metadata'>): number {
  const mark = metadata.annotations?.[versionMark] ?? ''
  return /^[1-9]\d{0,8}$/.test(mark) ? Number(mark) : 0
}

/**
 * Checks that the installed schemas are not older than this code, since an older schema drops fields of the status
 * silently. A process checks once.
 *
 * A user without the right to read CRDs is checked by the OpenAPI document, which shows the fields but no version. A user
 * without the right to that either passes: a first status write that loses fields is no worse than a function that never
 * starts.
 * @returns what was compared: the versions, or at most the fields because the user may not read CRDs
 * @throws OperatorError `SchemaOutdated` (permanent) if a CRD is missing or too old
 */
export async function checkSchema(
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<'versions' | 'fields'> {
  const checked = await Promise.all(crdNames.map(name => checkDefinition(client, name, signal)))
  if (!checked.includes('unreadable')) return 'versions'
  await checkServed(client, signal)
  return 'fields'
}

async function checkDefinition(
  client: KubernetesClient,
  name: string,
  signal: AbortSignal,
): Promise<'fine' | 'unreadable'> {
  const reference = { ...crdKind, name }
  const response = await client.request('GET', objectPath(reference), {}, signal)
  if (response.status === 403) return 'unreadable'
  if (objectMissing(response, name)) throw outdated(`The CRD ${name} is not installed`)
  if (response.status !== 200) throw apiError({ verb: 'get', ...reference }, response)
  const definition = response.body as Definition
  const mark = markOf(definition)
  if (mark < crdVersion)
    throw outdated(
      mark === 0
        ? `The CRD ${name} is an older operator's (no annotation ${versionMark})`
        : `The CRD ${name} has version ${mark}, this operator needs ${crdVersion}`,
    )
  const served = definition.spec.versions.find(version => version.name === 'v1alpha1' && version.served)
  if (!served) throw outdated(`The CRD ${name} does not serve v1alpha1`)
  if (name === crdNames[1] && !keepsStatus(served.schema?.openAPIV3Schema))
    throw outdated(`The CRD ${name} lacks status.observedGeneration`)
  return 'fine'
}

async function checkServed(client: KubernetesClient, signal: AbortSignal): Promise<void> {
  const path = `/openapi/v3/apis/${group}/v1alpha1`
  const response = await client.request('GET', path, {}, signal)
  if (response.status === 404) throw outdated(`The cluster does not serve ${group}/v1alpha1`)
  if (response.status !== 200) return
  const { components } = response.body as { components?: { schemas?: Record<string, Schema> } }
  const [, instance] =
    Object.entries(components?.schemas ?? {}).find(([name]) => name.endsWith('.ChallengeInstance')) ?? []
  if (!keepsStatus(instance))
    throw outdated('The ChallengeInstance that the cluster serves lacks status.observedGeneration')
}

function keepsStatus(schema: Schema | undefined): boolean {
  return schema?.properties?.status?.properties?.observedGeneration !== undefined
}

function outdated(what: string): OperatorError {
  const remedy = 'run "challenge-operator crds" as a user who may change CRDs.'
  return new OperatorError('SchemaOutdated', `${what}; ${remedy}`, { fate: 'permanent' })
}
