import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import { isOptionalKind } from '../crd/child-kinds.ts'
import { fieldManager } from '../crd/group.ts'
import type {
  Kind,
  KubernetesObject,
  NamespacedReference,
  ObjectReference,
  Stored,
  StoredOfAnyScope,
} from '../crd/objects.ts'
import { referenceTo } from '../crd/reference.ts'
import { OperatorError } from '../errors.ts'
import type { ApiRequest, ApiResponse, KubernetesClient } from './client/http.ts'
import { applyPatch, jsonPatch, metadataOf } from './client/media-types.ts'
import { collectionPath, objectPath } from './client/paths.ts'
import type { Cluster, DeleteOptions, JsonPatchOperation, ListOptions } from './cluster.ts'
import { clusterUid } from './cluster-uid.ts'
import { apiError, type Verb } from './errors/api-error.ts'
import { apiStatus, objectMissing, patchRefused } from './errors/api-status.ts'
import { fetchPage } from './list-pages.ts'
import { rememberServedKinds } from './served-kinds.ts'
import { provenStored, provenStoredOfAnyScope } from './stored.ts'
import { takenOver } from './take-over.ts'

/** Opens a cluster behind its port. Nothing is read or connected before the first call. */
export function openCluster(client: KubernetesClient): Cluster {
  const read = async <T extends KubernetesObject>(
    reference: ObjectReference,
    request: Pick<ApiRequest, 'accept' | 'query'>,
    signal: AbortSignal,
  ): Promise<StoredOfAnyScope<T> | undefined> => {
    const response = await client.request('GET', objectPath(reference), request, signal)
    if (isMissing(response, reference)) return undefined
    const { apiVersion, kind } = reference
    return { ...stored<T>('get', reference, response), apiVersion, kind }
  }

  const patch = async <T extends KubernetesObject>(
    reference: ObjectReference,
    operations: JsonPatchOperation[],
    signal: AbortSignal,
  ): Promise<StoredOfAnyScope<T> | 'conflict' | undefined> => {
    const request = { body: operations, contentType: jsonPatch, query: { fieldManager } }
    const response = await client.request('PATCH', objectPath(reference), request, signal)
    if (objectMissing(response, reference.name)) return undefined
    if (patchRefused(response)) return 'conflict'
    return stored<T>('patch', reference, response)
  }

  const apply = async <T extends KubernetesObject>(
    object: T,
    signal: AbortSignal,
  ): Promise<StoredOfAnyScope<T>> => {
    const reference = referenceTo(object)
    const request = { body: object, contentType: applyPatch, query: { fieldManager, force: true } }
    const response = await client.request('PATCH', objectPath(reference), request, signal)
    return stored<T>('apply', reference, response)
  }

  const applyOver = async <T extends KubernetesObject>(
    existing: StoredOfAnyScope<KubernetesObject>,
    object: T,
    signal: AbortSignal,
  ): Promise<StoredOfAnyScope<T>> => {
    const reference = referenceTo(object)
    let current: StoredOfAnyScope<KubernetesObject> | undefined = existing
    for (let tries = 0; current && tries < takeOverTries; tries++) {
      if (current.metadata.uid !== existing.metadata.uid) break
      const operations = takenOver(current)
      if (operations.length === 0) return apply(object, signal)
      const patched = await patch(reference, operations, signal)
      if (patched !== 'conflict') return apply(object, signal)
      current = await read(reference, {}, signal)
    }
    const what = `${reference.kind} "${reference.name}" in namespace "${reference.namespace}"`
    throw new OperatorError('ClusterUnavailable', `Cannot apply ${what} yet: other clients keep changing it.`)
  }

  const getMetadata = <T extends KubernetesObject>(reference: ObjectReference, signal: AbortSignal) =>
    read<T>(reference, { accept: metadataOf.object }, signal)

  async function* list<T extends KubernetesObject>(kind: Kind, options: ListOptions, signal: AbortSignal) {
    let next: string | undefined
    do {
      const page: Awaited<ReturnType<typeof fetchPage<T>>> = await fetchPage<T>(
        client,
        { ...options, apiVersion: kind.apiVersion, kind: kind.kind },
        { next },
        signal,
      )
      yield page.items
      next = page.next
    } while (next !== undefined)
  }

  return {
    uid: clusterUid(getMetadata),
    servedKinds: rememberServedKinds(client),

    get: (reference, signal) => read(reference, {}, signal),

    getCached: <T extends KubernetesObject>(reference: NamespacedReference, signal: AbortSignal) =>
      read<T>(reference, { query: { resourceVersion: '0' } }, signal) as Promise<Stored<T> | undefined>,

    getMetadata,

    async create<T extends KubernetesObject>(object: T, signal: AbortSignal) {
      const request = { body: object, query: { fieldManager } }
      const path = collectionPath(object, object.metadata.namespace)
      const response = await client.request('POST', path, request, signal)
      const exists = response.status === 409 && apiStatus(response.body, 409).reason === 'AlreadyExists'
      return exists ? 'exists' : stored<T>('create', referenceTo(object), response)
    },

    apply,
    applyOver,
    patchJson: patch,

    async delete(reference: ObjectReference, options: DeleteOptions, signal: AbortSignal) {
      const { uid, resourceVersion, propagation = 'Background' } = options
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: propagation,
        preconditions: { uid, resourceVersion },
      }
      const response = await client.request('DELETE', objectPath(reference), { body }, signal)
      if (isMissing(response, reference)) return 'gone'
      if (otherUid(response)) return 'gone'
      if (response.status === 409 && resourceVersion !== undefined) return 'conflict'
      // The server sends a Status if the object is gone, and the object itself while a finalizer keeps it.
      const answer = succeeded('delete', reference, response) as Partial<KubernetesObject>
      return answer.kind === 'Status' ? 'gone' : 'deleting'
    },

    async putStatus<T extends ChallengeInstance | ChallengeTemplate>(object: T, signal: AbortSignal) {
      const { apiVersion, kind, status } = object
      const { name, namespace, uid, resourceVersion } = object.metadata
      const reference = referenceTo(object)
      // The server takes only the status. The metadata name the object and the version that the status was computed from.
      const body = { apiVersion, kind, metadata: { name, namespace, uid, resourceVersion }, status }
      const request = { body, query: { fieldManager } }
      const response = await client.request('PUT', `${objectPath(reference)}/status`, request, signal)
      if (objectMissing(response, reference.name)) return undefined
      if (response.status === 409) return 'conflict'
      return provenStored<T>(succeeded('update', reference, response), {
        verb: 'update',
        ...reference,
      })
    },

    list,
    listClusterScoped: list,
  }
}

/** The number of tries. Each one fails only if another client writes between the read and the patch. */
const takeOverTries = 4

function succeeded(verb: Verb, reference: ObjectReference, { status, body, headers }: ApiResponse): object {
  if (status >= 200 && status < 300 && typeof body === 'object' && body !== null) return body
  throw apiError({ verb, ...reference }, { status, body, headers })
}

function stored<T extends KubernetesObject>(
  verb: Verb,
  reference: ObjectReference,
  response: ApiResponse,
): StoredOfAnyScope<T> {
  return provenStoredOfAnyScope<T>(succeeded(verb, reference, response), { verb, ...reference })
}

/** An optional kind that the cluster does not serve any more took its objects with it. */
function isMissing(response: ApiResponse, reference: ObjectReference): boolean {
  return objectMissing(response, reference.name) || (response.status === 404 && isOptionalKind(reference))
}

/** Returns whether the precondition failed, which means that the name belongs to a successor now. */
function otherUid({ status, body }: ApiResponse): boolean {
  return status === 409 && /UID in (the )?precondition/.test(apiStatus(body, 409).message)
}
