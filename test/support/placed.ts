import type { KubernetesObject, Namespace, StoredOfAnyScope } from '../../lib/crd/objects.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { waitUntil } from '../../local/process/wait.ts'
import type { TestOperator } from './operator.ts'

/** Reads a namespace. */
export function namespaceCalled(
  { cluster, signal }: TestOperator,
  name: string,
): Promise<StoredOfAnyScope<Namespace> | undefined> {
  return cluster.get<Namespace>({ apiVersion: 'v1', kind: 'Namespace', name }, signal)
}

/** Waits until a namespace is gone. */
export function untilNamespaceGone(operator: TestOperator, name: string, limitMs = 60_000): Promise<unknown> {
  const isGone = async () => (await namespaceCalled(operator, name)) === undefined
  return waitUntil(`the end of namespace ${name}`, limitMs, isGone, operator.signal)
}

/** Reads an object of a namespace, whose kind is one of ours. */
export function placedObject<T extends KubernetesObject>(
  { cluster, signal }: TestOperator,
  [apiVersion, kind]: readonly [apiVersion: string, kind: string],
  { namespace, name }: { namespace: string; name: string },
): Promise<T | undefined> {
  return cluster.get({ apiVersion, kind, namespace, name }, signal) as Promise<T | undefined>
}

/** Creates an object in a namespace as `kubectl create` does. @throws Error if it is refused */
export async function createIn(
  { client, signal }: TestOperator,
  namespace: string,
  object: KubernetesObject,
): Promise<void> {
  const response = await client.request('POST', collectionPath(object, namespace), { body: object }, signal)
  if (response.status !== 201) throw new Error(`${object.kind}: ${JSON.stringify(response.body)}`)
}
