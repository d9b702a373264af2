import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { group } from '../../crd/group.ts'
import type { KubernetesObject } from '../../crd/objects.ts'

/** The hash of an installed policy. It changes with the registries and the version of the policy. */
export const contentHash = `${group}/content-hash`

export interface Installed {
  /** Kind and name, as `kubectl get` takes them. */
  name: string
  /** `kept`: the cluster has a newer one, or one of a user. `deleted`: this release does without it. */
  action: 'created' | 'upgraded' | 'unchanged' | 'kept' | 'deleted'
  /** The reason of a deletion, or what the user has to do. */
  remark?: string
}

export interface ManifestOptions {
  /**
   * The registries, or folders in them (`registry.example.com/ctf`), that images may come from. None allows all. If
   * undefined, the cluster keeps its own.
   */
  allowedRegistries: readonly string[] | undefined
}

export interface Policy extends KubernetesObject {
  spec?: {
    variables?: { name: string; expression: string }[]
  }
}

/** The variable of a policy that belongs to the administrator. Everything else in a policy belongs to the release. */
const parameter = 'allowedRegistries'

/** An object of a manifest. The file is part of the release, so its name is there. */
export type Manifest = KubernetesObject & { metadata: { name: string } }

/** Reads the objects of a folder of `manifests/`. */
export async function readManifests(
  folder: 'crds' | 'admission' | 'rbac' | 'placements' | 'samples',
): Promise<Manifest[]> {
  // The parser is loaded on demand: the bundle of a function that never reads a manifest may contain this file.
  const { parseAllDocuments } = await import('yaml')
  const path = join(import.meta.dirname, '../../../manifests', folder)
  const files = (await readdir(path)).filter(file => file.endsWith('.yaml')).toSorted()
  const texts = await Promise.all(files.map(file => readFile(join(path, file), 'utf8')))
  return texts
    .flatMap(text => parseAllDocuments(text).map(document => document.toJS() as Manifest | null))
    .filter(object => object !== null)
}

/**
 * Returns a policy of `manifests/admission/` as this cluster gets it, with the hash of its content.
 * @param existing the cluster's own one, whose registries stay unless the options name others
 */
export function renderedPolicy(
  object: KubernetesObject,
  { allowedRegistries }: ManifestOptions,
  existing: Policy | undefined,
): Policy {
  const { metadata, spec, ...rest } = object as Policy
  const expression = allowedRegistries ? celList(allowedRegistries) : registriesOf(existing)
  const content = { ...rest, metadata, ...(spec && { spec: withRegistries(spec, expression) }) }
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 32)
  return {
    ...content,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [contentHash]: hash } },
  }
}

/** Returns whether the cluster has the policy as it was rendered, also if a person has changed the registries since. */
export function isUpToDate(existing: Policy, rendered: Policy): boolean {
  const hashOf = ({ metadata }: Policy) => metadata.annotations?.[contentHash]
  return hashOf(existing) === hashOf(rendered) && registriesOf(existing) === registriesOf(rendered)
}

/** Returns the CEL expression that lists the registries; undefined for a policy that does not check images. */
export function registriesOf(policy: Policy | undefined): string | undefined {
  return policy?.spec?.variables?.find(({ name }) => name === parameter)?.expression
}

function withRegistries(
  { variables, ...rest }: NonNullable<Policy['spec']>,
  expression: string | undefined,
): NonNullable<Policy['spec']> {
  if (variables === undefined || expression === undefined) return { ...rest, ...(variables && { variables }) }
  return {
    ...rest,
    variables: variables.map(each => (each.name === parameter ? { ...each, expression } : each)),
  }
}

/** Writes a list of strings in CEL. The escapes of JSON are valid in CEL. */
function celList(values: readonly string[]): string {
  return JSON.stringify(values.map(each => each.replace(/\/+$/, '')).toSorted())
}
