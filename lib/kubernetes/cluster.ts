import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import type { ServedKinds } from '../crd/child-kinds.ts'
import type {
  GoneObject,
  Kind,
  KubernetesObject,
  Named,
  NamespacedReference,
  ObjectReference,
  Stored,
  StoredOfAnyScope,
} from '../crd/objects.ts'

/** RFC 6902. */
export interface JsonPatchOperation {
  op: 'add' | 'remove' | 'replace' | 'test'
  path: string
  value?: unknown
}

export interface DeleteOptions {
  /** Deletes only the object with this uid. A successor under the same name is left alone. */
  uid?: string
  /** Deletes the object only in this version, so that a change after the read prevents the deletion. */
  resourceVersion?: string
  propagation?: 'Foreground' | 'Background'
}

export interface ListOptions {
  /** All namespaces if absent. */
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  /** Requests PartialObjectMetadata, which has a tenth of the bytes and no values of Secrets. */
  metadataOnly?: boolean
}

/**
 * The cluster as the stories use it.
 *
 * Guarantees: a returned object is `Stored`. It has name, namespace, uid and version, or the call throws. The signal
 * bounds the whole call. The second of two signatures is for cluster-scoped kinds.
 *
 * Errors: every method throws `OperatorError` and nothing else. 404, 409 and AlreadyExists are results wherever a caller
 * acts on them.
 */
export interface Cluster {
  /**
   * Returns what tells this cluster from every other one: the uid of its namespace kube-system. It is read once. Callers
   * at the same time share one read, and a read that failed is repeated by the next caller.
   */
  uid(signal: AbortSignal): Promise<string>
  /** Returns which optional kinds the cluster serves, and in which version. The answer is up to half a minute old. */
  servedKinds(signal: AbortSignal): Promise<ServedKinds>
  /** @returns undefined if there is no such object, or if the cluster does not serve an optional kind */
  get<T extends KubernetesObject>(
    reference: NamespacedReference,
    signal: AbortSignal,
  ): Promise<Stored<T> | undefined>
  get<T extends KubernetesObject>(
    reference: ObjectReference,
    signal: AbortSignal,
  ): Promise<StoredOfAnyScope<T> | undefined>
  /**
   * Like `get`, but the API server answers from its cache, which costs it less. The object may be older than the last
   * write. That is good for what is written next with its version as the precondition, and for nothing else.
   */
  getCached<T extends KubernetesObject>(
    reference: NamespacedReference,
    signal: AbortSignal,
  ): Promise<Stored<T> | undefined>
  /** Like `get`, but returns the metadata only. A comparison of versions needs no values. */
  getMetadata(
    reference: NamespacedReference,
    signal: AbortSignal,
  ): Promise<Stored<KubernetesObject> | undefined>
  getMetadata(
    reference: ObjectReference,
    signal: AbortSignal,
  ): Promise<StoredOfAnyScope<KubernetesObject> | undefined>
  /** Sends a POST with our field manager. @returns 'exists' if there is an object of that name */
  create<T extends Named<KubernetesObject>>(object: T, signal: AbortSignal): Promise<Stored<T> | 'exists'>
  create<T extends KubernetesObject>(object: T, signal: AbortSignal): Promise<StoredOfAnyScope<T> | 'exists'>
  /** Sends a forced server-side apply with our field manager. */
  apply<T extends Named<KubernetesObject>>(object: T, signal: AbortSignal): Promise<Stored<T>>
  apply<T extends KubernetesObject>(object: T, signal: AbortSignal): Promise<StoredOfAnyScope<T>>
  /**
   * Applies over an object that we created by POST, or that another client wrote to. The fields of other managers are
   * taken over first, so that exactly the desired state remains.
   * @param existing the whole object, with `managedFields`
   */
  applyOver<T extends Named<KubernetesObject>>(
    existing: StoredOfAnyScope<KubernetesObject>,
    object: T,
    signal: AbortSignal,
  ): Promise<Stored<T>>
  applyOver<T extends KubernetesObject>(
    existing: StoredOfAnyScope<KubernetesObject>,
    object: T,
    signal: AbortSignal,
  ): Promise<StoredOfAnyScope<T>>
  /** @returns 'conflict' if a `test` operation or precondition failed, undefined if the object is gone */
  patchJson<T extends KubernetesObject>(
    reference: NamespacedReference,
    operations: JsonPatchOperation[],
    signal: AbortSignal,
  ): Promise<Stored<T> | 'conflict' | undefined>
  patchJson<T extends KubernetesObject>(
    reference: ObjectReference,
    operations: JsonPatchOperation[],
    signal: AbortSignal,
  ): Promise<StoredOfAnyScope<T> | 'conflict' | undefined>
  /**
   * @returns 'deleting' while finalizers or foreground dependents keep the object; 'gone' also if the uid differs;
   * 'conflict' if the version differs from `resourceVersion`
   */
  delete(
    reference: ObjectReference,
    options: DeleteOptions,
    signal: AbortSignal,
  ): Promise<'deleting' | 'gone' | 'conflict'>
  /** Writes the status subresource, with `metadata.resourceVersion` as the precondition. */
  putStatus<T extends ChallengeInstance | ChallengeTemplate>(
    object: T,
    signal: AbortSignal,
  ): Promise<Stored<T> | 'conflict' | undefined>
  /**
   * Yields a namespaced kind in pages of at most 500. All pages are of one version of the list. A list that cannot be
   * read to its end throws, so that a partial list never looks whole.
   */
  list<T extends KubernetesObject>(
    kind: Kind,
    options: ListOptions,
    signal: AbortSignal,
  ): AsyncIterable<Stored<T>[]>
  /** Like `list`, for a kind whose objects lie in no namespace. */
  listClusterScoped<T extends KubernetesObject>(
    kind: Kind,
    options: Omit<ListOptions, 'namespace'>,
    signal: AbortSignal,
  ): AsyncIterable<StoredOfAnyScope<T>[]>
}

/** A collection to watch: a namespaced kind, optionally in one namespace and narrowed by selectors. */
export interface WatchTarget extends Kind {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  metadataOnly?: boolean
}

/** The first list of a watch, or one that was necessary because the watch was too far behind. */
export interface EndedList {
  repeated: boolean
  /** Changes and deletions that no event told. 0 for the first list. */
  found: number
}

export interface WatchHandlers<T extends KubernetesObject> {
  /** An object exists: it came in a list, or was added or modified since. */
  onObject(object: Stored<T>): void
  /** An object is gone. A predecessor under the same name may be reported after its successor exists. */
  onGone(object: GoneObject): void
  /** A list has ended: every object that exists has been reported. Called after every list, also after a repeated one. */
  onListed(list: EndedList): void
  /** The server said that nothing has changed since. */
  onBookmark?(): void
  /** Resolves when the handlers may be fed further; awaited before the next chunk is read (back-pressure). */
  drained?(): Promise<void>
}
