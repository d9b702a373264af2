import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { group } from '../../crd/group.ts'
import type { WatchedNamespaces } from '../../crd/namespaces.ts'
import type { KubernetesObject } from '../../crd/objects.ts'

/** Of what was installed: another one means other namespaces, other registries or another version of a policy. */
export const contentHash = `${group}/content-hash`

export interface ManifestOptions {
  namespaces: WatchedNamespaces
  /** Registries, or folders in them (`registry.example.com/ctf`), that images may come from; none allows all. */
  allowedRegistries: readonly string[]
}

interface Policy extends KubernetesObject {
  spec?: {
    matchConditions?: { name: string; expression: string }[]
    variables?: { name: string; expression: string }[]
  }
}

/** @param folder of `manifests/` */
export async function readManifests(folder: 'crds' | 'admission' | 'rbac'): Promise<KubernetesObject[]> {
  // Lazily, both: a bundled function may contain this file, but neither a parser it does not need nor a folder.
  const { parseAllDocuments } = await import('yaml')
  const path = join(import.meta.dirname, '../../../manifests', folder)
  const files = (await readdir(path)).filter(file => file.endsWith('.yaml')).toSorted()
  const texts = await Promise.all(files.map(file => readFile(join(path, file), 'utf8')))
  return texts
    .flatMap(text => parseAllDocuments(text).map(document => document.toJS() as KubernetesObject | null))
    .filter(object => object !== null)
}

/** A policy of `manifests/admission/` as it goes into this cluster, with the hash of its content. */
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
  { matchConditions, variables, ...rest }: NonNullable<Policy['spec']>,
  { namespaces, allowedRegistries }: ManifestOptions,
): NonNullable<Policy['spec']> {
  const conditions = matchConditions?.flatMap(condition => {
    if (condition.name !== 'watched-namespace') return [condition]
    if (namespaces === '*') return []
    return [{ ...condition, expression: `request.namespace in ${celList(namespaces)}` }]
  })
  const registries = allowedRegistries.map(each => each.replace(/\/+$/, ''))
  return {
    ...rest,
    ...(conditions && { matchConditions: conditions }),
    ...(variables && {
      variables: variables.map(variable =>
        variable.name === 'allowedRegistries' ? { ...variable, expression: celList(registries) } : variable,
      ),
    }),
  }
}

/** A JSON string is a CEL string too: the escapes are the same. */
function celList(values: readonly string[]): string {
  return JSON.stringify([...values].toSorted())
}
