import type { ObjectReference } from '../../lib/crd/objects.ts'
import type { ApiResponse } from '../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { referenceTo, type TestOperator } from './operator.ts'

export function pathOf({ apiVersion, kind, namespace, name }: ObjectReference): string {
  return `${collectionPath({ apiVersion, kind }, namespace)}/${name}`
}

/** Sends a merge patch as `kubectl edit` does. Returns also the answer of a refused one. */
export function edit(operator: TestOperator, kind: string, name: string, body: object): Promise<ApiResponse> {
  const request = {
    body,
    contentType: 'application/merge-patch+json',
    query: { fieldManager: 'kubectl-edit' },
  }
  return operator.client.request('PATCH', pathOf(referenceTo(operator, kind, name)), request, operator.signal)
}

/** Creates an object as `kubectl create` does. Returns also the answer of a refused one. */
export function create(
  operator: TestOperator,
  object: { apiVersion: string; kind: string; metadata: object },
): Promise<ApiResponse> {
  const path = collectionPath(object, operator.namespace)
  return operator.client.request('POST', path, { body: object }, operator.signal)
}

export function remove(operator: TestOperator, kind: string, name: string): Promise<ApiResponse> {
  return operator.client.request('DELETE', pathOf(referenceTo(operator, kind, name)), {}, operator.signal)
}

export function messageOf({ body }: ApiResponse): string {
  return (body as { message?: string } | undefined)?.message ?? ''
}
