import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { KubernetesObject, ObjectMeta, ObjectReference } from '../crd/objects.ts'

/** RFC 6902. */
export interface JsonPatchOperation {
  op: 'add' | 'remove' | 'replace' | 'test'
  path: string
  value?: unknown
}

export interface DeleteOptions {
  /** Delete only the object with this uid: a successor under the same name is left alone. */
  uid?: string
  propagation?: 'Foreground' | 'Background'
}

export interface ListOptions {
  /** Absent: all namespaces. */
  namespace?: string
  labelSelector?: string
  /** Ask for PartialObjectMetadata: a tenth of the bytes, and no values of Secrets. */
  metadataOnly?: boolean
}

export interface Kind {
  apiVersion: string
  kind: string
}

/**
 * The cluster as the stories see it. Every method throws `OperatorError` and nothing else: 404, 409 and
 * AlreadyExists are results where a caller acts on them. The signal bounds the whole call.
 */
export interface Cluster {
  /** @returns undefined when there is no such object */
  get<T extends KubernetesObject>(reference: ObjectReference, signal: AbortSignal): Promise<T | undefined>
  /** Like `get`, metadata only: the right to read values is not needed to compare versions. */
  getMetadata(reference: ObjectReference, signal: AbortSignal): Promise<KubernetesObject | undefined>
  /** POST with our field manager. @returns 'exists' on AlreadyExists */
  create<T extends KubernetesObject>(object: T, signal: AbortSignal): Promise<T | 'exists'>
  /** Server-side apply, forced, with our field manager. */
  apply<T extends KubernetesObject>(object: T, signal: AbortSignal): Promise<T>
  /**
   * Applies over an object that we created by POST, or that somebody else wrote to: their fields are taken over first,
   * so that exactly the desired state remains. `existing` must be whole, with `managedFields`.
   */
  applyOver<T extends KubernetesObject>(
    existing: KubernetesObject,
    object: T,
    signal: AbortSignal,
  ): Promise<T>
  /** @returns 'conflict' when a `test` operation or precondition failed, undefined when the object is gone */
  patchJson<T extends KubernetesObject>(
    reference: ObjectReference,
    operations: JsonPatchOperation[],
    signal: AbortSignal,
  ): Promise<T | 'conflict' | undefined>
  /** @returns 'deleting' while finalizers or foreground dependents hold it; 'gone' also when the uid differs */
  delete(
    reference: ObjectReference,
    options: DeleteOptions,
    signal: AbortSignal,
  ): Promise<'deleting' | 'gone'>
  /** PUT of the status subresource, with `metadata.resourceVersion` as precondition. */
  putStatus(
    instance: ChallengeInstance,
    signal: AbortSignal,
  ): Promise<ChallengeInstance | 'conflict' | undefined>
  /** Pages of at most 500, oldest list version throughout. Ends early only by throwing: no partial list looks whole. */
  list<T extends KubernetesObject>(kind: Kind, options: ListOptions, signal: AbortSignal): AsyncIterable<T[]>
}

/** What to watch: one collection, optionally one namespace of it and a selection. */
export interface WatchTarget extends Kind {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  metadataOnly?: boolean
}

export interface WatchHandlers<T extends KubernetesObject> {
  /** An object that is there: from a list, or added or modified since. */
  onObject(object: T): void
  /** An object that is gone. After a list it may be only a key and a uid: `{metadata: {namespace, name, uid}}`. */
  onGone(object: { metadata: ObjectMeta }): void
  /** A list has ended: everything there is has been told. Called after every (re)list. */
  onListed(): void
  /** Resolves when the handlers may be fed further; awaited before the next chunk is read (back-pressure). */
  drained?(): Promise<void>
}
