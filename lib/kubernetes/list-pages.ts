import type { Kind, KubernetesObject, Stored } from '../crd/objects.ts'
import type { KubernetesClient, Query } from './client/http.ts'
import { json, metadataOf } from './client/media-types.ts'
import { collectionPath } from './client/paths.ts'
import type { ListOptions } from './cluster.ts'
import { apiError } from './errors/api-error.ts'
import { provenStored } from './stored.ts'

/** client-go's chunk: small enough for the server's memory, large enough to be few. */
export const pageSize = 500

export interface Page<T extends KubernetesObject> {
  items: Stored<T>[]
  /** Version of the whole list, the same on every page. */
  resourceVersion: string
  /** Undefined on the last page. */
  next: string | undefined
}

export interface ListTarget extends Kind, ListOptions {
  fieldSelector?: string
}

interface ListBody {
  metadata?: { continue?: string; resourceVersion?: string }
  items?: KubernetesObject[] | null
}

/** @throws OperatorError, also when the version of a half-read list has expired (410) */
export async function fetchPage<T extends KubernetesObject>(
  client: KubernetesClient,
  target: ListTarget,
  next: string | undefined,
  signal: AbortSignal,
): Promise<Page<T>> {
  const { apiVersion, kind, namespace, labelSelector, fieldSelector } = target
  const attempt = { verb: 'list', apiVersion, kind, namespace } as const
  const query: Query = { limit: pageSize, labelSelector, fieldSelector, continue: next }
  const accept = target.metadataOnly ? metadataOf.list : json
  const response = await client.request('GET', collectionPath(target, namespace), { query, accept }, signal)
  if (response.status !== 200) throw apiError(attempt, response)
  const { metadata, items } = response.body as ListBody
  return {
    // A list's items do not say what they are, and bare metadata says it is metadata.
    items: (items ?? []).map(item => ({ ...provenStored<T>(item, attempt), apiVersion, kind })),
    resourceVersion: metadata?.resourceVersion ?? '',
    next: metadata?.continue || undefined,
  }
}
