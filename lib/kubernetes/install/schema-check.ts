import { group } from '../../crd/group.ts'
import { OperatorError } from '../../errors.ts'
import type { KubernetesClient } from '../client/http.ts'
import { objectPath } from '../client/paths.ts'
import { apiError } from '../errors/api-error.ts'
import { objectMissing } from '../errors/api-status.ts'

/** An integer on each of our CRDs. One without it is from before us: the old operator's. */
export const versionMark = `${group}/crd-version`

/** The mark in `manifests/crds/` that this code needs. */
export const crdVersion = 2

export const crdKind = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
} as const

export const crdNames = [`challengetemplates.${group}`, `challengeinstances.${group}`] as const

/** The parts of a JSON schema that are looked at here. */
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

/** @returns 0 for one without our mark, or with one that is no number of ours */
export function markOf({ metadata }: Pick<Definition, 'metadata'>): number {
  const mark = metadata.annotations?.[versionMark] ?? ''
  return /^[1-9]\d{0,8}$/.test(mark) ? Number(mark) : 0
}

/**
 * Once per process: an older schema prunes what we write, silently. Who may not read the CRDs is answered by the
 * OpenAPI document, which shows the fields and not the mark; who may read neither passes, since the first status
 * write would be no worse than not to start at all.
 * @throws OperatorError `SchemaOutdated` (permanent): missing, or older than this code needs
 */
export async function checkSchema(client: KubernetesClient, signal: AbortSignal): Promise<void> {
  const checked = await Promise.all(crdNames.map(name => checkDefinition(client, name, signal)))
  if (checked.includes('unreadable')) await checkServed(client, signal)
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
  const mend = 'run "challenge-operator crds" as somebody who may change CRDs.'
  return new OperatorError('SchemaOutdated', `${what}; ${mend}`, { fate: 'permanent' })
}
