import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { group } from '../../crd/group.ts'
import type { KubernetesObject } from '../../crd/objects.ts'

/** The hash of an installed policy. It changes with the version of the policy. */
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

/** An object of a manifest. The file is part of the release, so its name is there. */
export type Manifest = KubernetesObject & { metadata: { name: string } }

/** Reads the objects of a folder of `manifests/`. */
export async function readManifests(
  folder: 'crds' | 'admission' | 'rbac' | 'all-namespaces' | 'placements' | 'samples',
): Promise<Manifest[]> {
  // The parser is loaded on demand: the bundle of a function that never reads a manifest may contain this file.
  const { parseAllDocuments } = await import('yaml')
  const path = join(import.meta.dirname, '../../../manifests', folder)
  const files = (await readdir(path))
    .filter(file => file.endsWith('.yaml') && file !== 'kustomization.yaml')
    .toSorted()
  const texts = await Promise.all(files.map(file => readFile(join(path, file), 'utf8')))
  return texts
    .flatMap(text => parseAllDocuments(text).map(document => document.toJS() as Manifest | null))
    .filter(object => object !== null)
}

/** Returns a policy of `manifests/admission/` as a cluster gets it: with the hash of its content. */
export function hashedPolicy(object: Manifest): Manifest {
  const { metadata } = object
  const hash = createHash('sha256').update(JSON.stringify(object)).digest('hex').slice(0, 32)
  const annotations = { ...metadata.annotations, [contentHash]: hash }
  return { ...object, metadata: { ...metadata, annotations } }
}

/** Whether the cluster has the policy of this release. */
export function isUpToDate(existing: KubernetesObject, hashed: Manifest): boolean {
  return existing.metadata.annotations?.[contentHash] === hashed.metadata.annotations?.[contentHash]
}
