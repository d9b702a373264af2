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
  /** The registries, or folders in them (`registry.example.com/ctf`), that images may come from. None allows all. */
  allowedRegistries: readonly string[]
}

interface Policy extends KubernetesObject {
  spec?: {
    variables?: { name: string; expression: string }[]
  }
}

/** An object of a manifest. The file is part of the release, so its name is there. */
export type Manifest = KubernetesObject & { metadata: { name: string } }

/** Reads the objects of a folder of `manifests/`. */
export async function readManifests(folder: 'crds' | 'admission' | 'rbac' | 'samples'): Promise<Manifest[]> {
  // The parser is loaded on demand: the bundle of a function that never reads a manifest may contain this file.
  const { parseAllDocuments } = await import('yaml')
  const path = join(import.meta.dirname, '../../../manifests', folder)
  const files = (await readdir(path)).filter(file => file.endsWith('.yaml')).toSorted()
  const texts = await Promise.all(files.map(file => readFile(join(path, file), 'utf8')))
  return texts
    .flatMap(text => parseAllDocuments(text).map(document => document.toJS() as Manifest | null))
    .filter(object => object !== null)
}

/** Returns a policy of `manifests/admission/` as this cluster gets it, with the hash of its content. */
export function renderedPolicy(object: KubernetesObject, options: ManifestOptions): KubernetesObject {
  const { metadata, spec, ...rest } = object as Policy
  const content = { ...rest, metadata, ...(spec && { spec: renderedSpec(spec, options) }) }
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 32)
  return {
    ...content,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [contentHash]: hash } },
  }
}

function renderedSpec(
  { variables, ...rest }: NonNullable<Policy['spec']>,
  { allowedRegistries }: ManifestOptions,
): NonNullable<Policy['spec']> {
  const registries = allowedRegistries.map(each => each.replace(/\/+$/, ''))
  return {
    ...rest,
    ...(variables && {
      variables: variables.map(variable =>
        variable.name === 'allowedRegistries' ? { ...variable, expression: celList(registries) } : variable,
      ),
    }),
  }
}

/** Writes a list of strings in CEL. The escapes of JSON are valid in CEL. */
function celList(values: readonly string[]): string {
  return JSON.stringify([...values].toSorted())
}
