import type { Kind, KubernetesObject, Stored } from '../crd/objects.ts'
import type { KubernetesClient, Query } from './client/http.ts'
import { json, metadataOf } from './client/media-types.ts'
import { collectionPath, isClusterScoped } from './client/paths.ts'
import type { ListOptions } from './cluster.ts'
import { apiError } from './errors/api-error.ts'
import { provenList, provenStored, provenStoredOfAnyScope } from './stored.ts'

/** The page size of client-go. */
export const pageSize = 500

/** The API server ends a call after 60 s. Whole objects of a full page take seconds on a busy one. */
const pageMs = 60_000

export interface Page<T extends KubernetesObject> {
  items: Stored<T>[]
  /** The version of the whole list. It is the same on every page. */
  resourceVersion: string
  /** Undefined on the last page. */
  next: string | undefined
}

export interface ListTarget extends Kind, ListOptions {}

/** Returns the newest version of the server. One object is read for it, without its content. @throws OperatorError */
export async function newestVersion(
  client: KubernetesClient,
  { apiVersion, kind, namespace, labelSelector, fieldSelector }: ListTarget,
  signal: AbortSignal,
): Promise<string> {
  const attempt = { verb: 'list', apiVersion, kind, namespace } as const
  const request = { query: { limit: 1, labelSelector, fieldSelector }, accept: metadataOf.list }
  const path = collectionPath({ apiVersion, kind }, namespace)
  const response = await client.request('GET', path, request, signal)
  if (response.status !== 200) throw apiError(attempt, response)
  return provenList(response.body, attempt).metadata.resourceVersion
}

/**
 * Fetches one page of a list.
 * @param page `next` of the page before; undefined for the first one
 * @throws OperatorError, also if the version of a half-read list has expired (410)
 */
export async function fetchPage<T extends KubernetesObject>(
  client: KubernetesClient,
  target: ListTarget,
  page: { next: string | undefined },
  signal: AbortSignal,
): Promise<Page<T>> {
  const { apiVersion, kind, namespace, labelSelector, fieldSelector } = target
  const attempt = { verb: 'list', apiVersion, kind, namespace } as const
  const query: Query = { limit: pageSize, labelSelector, fieldSelector, continue: page.next }
  const accept = target.metadataOnly ? metadataOf.list : json
  const request = { query, accept, limitMs: pageMs }
  const response = await client.request('GET', collectionPath(target, namespace), request, signal)
  if (response.status !== 200) throw apiError(attempt, response)
  const { metadata, items } = provenList(response.body, attempt)
  // Only the callers of `listClusterScoped` list such a kind, and they read no namespace.
  const proven = isClusterScoped(target) ? (provenStoredOfAnyScope as typeof provenStored) : provenStored
  return {
    // The items of a list carry no kind, and metadata alone carries the kind PartialObjectMetadata.
    items: (items ?? []).map(item => ({ ...proven<T>(item, attempt), apiVersion, kind })),
    resourceVersion: metadata.resourceVersion,
    next: metadata.continue || undefined,
  }
}
