import type { KubernetesObject, ObjectMeta, Stored, StoredOfAnyScope } from '../crd/objects.ts'
import { missingStoredField } from '../crd/stored-fields.ts'
import { OperatorError } from '../errors.ts'
import { type Attempt, attemptText } from './errors/api-error.ts'

/** @throws OperatorError for an answer that is no stored object, such as a proxy's own page */
export function provenStored<T extends KubernetesObject>(body: unknown, attempt: Attempt): Stored<T> {
  const field = missingStoredField(metadataOf(body))
  if (field !== undefined) throw notStored(attempt, field)
  return body as Stored<T>
}

/** @throws OperatorError; the namespace may be missing where the attempt named none */
export function provenStoredOfAnyScope<T extends KubernetesObject>(
  body: unknown,
  attempt: Attempt,
): StoredOfAnyScope<T> {
  const field = missingStoredField(metadataOf(body))
  if (field !== undefined && (field !== 'namespace' || attempt.namespace !== undefined))
    throw notStored(attempt, field)
  return body as StoredOfAnyScope<T>
}

/** One page of a list as the API server sends it. */
export interface ListBody {
  metadata: { resourceVersion: string; continue?: string }
  items?: unknown[] | null
}

/**
 * Proves that an answer is a list. Without the check, a page of a proxy would be read as an empty list, and every object
 * would seem to be gone.
 * @throws OperatorError
 */
export function provenList(body: unknown, attempt: Attempt): ListBody {
  const metadata = metadataOf(body)
  if (!metadata?.resourceVersion) throw unexpected(attempt, 'a list without metadata.resourceVersion')
  return body as ListBody
}

function metadataOf(body: unknown): ObjectMeta | undefined {
  return (body as Partial<KubernetesObject> | null | undefined)?.metadata
}

function notStored(attempt: Attempt, field: string): OperatorError {
  return unexpected(attempt, `an object without metadata.${field}`)
}

function unexpected(attempt: Attempt, answer: string): OperatorError {
  return new OperatorError(
    'ClusterUnavailable',
    `Cannot ${attemptText(attempt)}: the cluster answered with ${answer}; ` +
      'check what stands between the operator and the API server.',
  )
}
