import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import { fieldManager } from '../crd/group.ts'
import type { KubernetesObject, ObjectReference } from '../crd/objects.ts'
import { OperatorError } from '../errors.ts'
import type { ApiResponse, KubernetesClient } from './client/client.ts'
import { applyPatch, jsonPatch, metadataOf } from './client/media-types.ts'
import { collectionPath, objectPath } from './client/paths.ts'
import type { Cluster, DeleteOptions, JsonPatchOperation, Kind, ListOptions } from './cluster.ts'
import { type Attempt, apiError, type Verb } from './errors/api-error.ts'
import { apiStatus, objectMissing, patchRefused } from './errors/api-status.ts'
import { fetchPage } from './list-pages.ts'
import { takenOver } from './take-over.ts'

/** The real cluster. Cheap: `client` connects at its first request. */
export function openCluster(client: KubernetesClient): Cluster {
  const get = async <T extends KubernetesObject>(
    reference: ObjectReference,
    accept: string | undefined,
    signal: AbortSignal,
  ): Promise<T | undefined> => {
    const request = accept === undefined ? {} : { accept }
    const response = await client.request('GET', objectPath(reference), request, signal)
    if (objectMissing(response, reference.name)) return undefined
    const { apiVersion, kind } = reference
    return { ...succeeded<T>('get', reference, response), apiVersion, kind }
  }

  const apply = async <T extends KubernetesObject>(object: T, signal: AbortSignal): Promise<T> => {
    const reference = referenceOf(object)
    const request = { body: object, contentType: applyPatch, query: { fieldManager, force: true } }
    const response = await client.request('PATCH', objectPath(reference), request, signal)
    return succeeded<T>('apply', reference, response)
  }

  const patchJson = async <T extends KubernetesObject>(
    reference: ObjectReference,
    operations: JsonPatchOperation[],
    signal: AbortSignal,
  ): Promise<T | 'conflict' | undefined> => {
    const request = { body: operations, contentType: jsonPatch, query: { fieldManager } }
    const response = await client.request('PATCH', objectPath(reference), request, signal)
    if (objectMissing(response, reference.name)) return undefined
    if (patchRefused(response)) return 'conflict'
    return succeeded<T>('patch', reference, response)
  }

  return {
    get: (reference, signal) => get(reference, undefined, signal),

    getMetadata: (reference, signal) => get(reference, metadataOf.object, signal),

    async create<T extends KubernetesObject>(object: T, signal: AbortSignal): Promise<T | 'exists'> {
      const { namespace } = object.metadata
      const request = { body: object, query: { fieldManager } }
      const response = await client.request('POST', collectionPath(object, namespace), request, signal)
      const exists = response.status === 409 && apiStatus(response.body, 409).reason === 'AlreadyExists'
      return exists ? 'exists' : succeeded<T>('create', referenceOf(object), response)
    },

    apply,

    async applyOver<T extends KubernetesObject>(existing: KubernetesObject, object: T, signal: AbortSignal) {
      const reference = referenceOf(object)
      let current: KubernetesObject | undefined = existing
      for (let tries = 0; current && tries < takeOverTries; tries++) {
        if (current.metadata.uid !== existing.metadata.uid) break
        const operations = takenOver(current)
        if (operations.length === 0) return apply(object, signal)
        const patched = await patchJson(reference, operations, signal)
        if (patched !== 'conflict') return apply(object, signal)
        current = await get(reference, undefined, signal)
      }
      const what = `${reference.kind} "${reference.name}" in namespace "${reference.namespace}"`
      throw new OperatorError('ClusterUnavailable', `Cannot apply ${what} yet: it keeps being changed.`)
    },

    patchJson,

    async delete(reference: ObjectReference, options: DeleteOptions, signal: AbortSignal) {
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: options.propagation ?? 'Background',
        ...(options.uid === undefined ? {} : { preconditions: { uid: options.uid } }),
      }
      const response = await client.request('DELETE', objectPath(reference), { body }, signal)
      if (objectMissing(response, reference.name)) return 'gone'
      if (otherUid(response)) return 'gone'
      // The server sends a Status for what is gone, and the object itself while something holds it.
      return succeeded<KubernetesObject>('delete', reference, response).kind === 'Status'
        ? 'gone'
        : 'deleting'
    },

    async putStatus(instance: ChallengeInstance, signal: AbortSignal) {
      const { apiVersion, kind, status } = instance
      const { name, namespace, uid, resourceVersion } = instance.metadata
      const reference = referenceOf(instance)
      // The server takes nothing but the status from it; the rest names the object and the version we judged.
      const body = { apiVersion, kind, metadata: { name, namespace, uid, resourceVersion }, status }
      const request = { body, query: { fieldManager } }
      const response = await client.request('PUT', `${objectPath(reference)}/status`, request, signal)
      if (objectMissing(response, reference.name)) return undefined
      if (response.status === 409) return 'conflict'
      return succeeded<ChallengeInstance>('update', reference, response)
    },

    async *list<T extends KubernetesObject>(kind: Kind, options: ListOptions, signal: AbortSignal) {
      let next: string | undefined
      do {
        const page: Awaited<ReturnType<typeof fetchPage<T>>> = await fetchPage<T>(
          client,
          { ...options, apiVersion: kind.apiVersion, kind: kind.kind },
          next,
          signal,
        )
        yield page.items
        next = page.next
      } while (next !== undefined)
    },
  }
}

/** Somebody else would have to write between our read and our patch as often as this. */
const takeOverTries = 4

function succeeded<T>(verb: Verb, reference: ObjectReference, response: ApiResponse): T {
  const attempt: Attempt = { verb, ...reference }
  if (response.status >= 200 && response.status < 300 && typeof response.body === 'object')
    return response.body as T
  throw apiError(attempt, response)
}

/** The precondition failed: the name is a successor's now. */
function otherUid({ status, body }: ApiResponse): boolean {
  return status === 409 && /UID in (the )?precondition/.test(apiStatus(body, 409).message)
}

function referenceOf({ apiVersion, kind, metadata }: KubernetesObject): ObjectReference {
  const { namespace, name = '' } = metadata
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) }
}
