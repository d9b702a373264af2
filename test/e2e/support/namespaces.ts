import { randomBytes } from 'node:crypto'
import { apiVersion, finalizer } from '../../../lib/crd/group.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../../lib/kubernetes/client/paths.ts'
import { waitUntil } from '../../../local/process/wait.ts'

/** The label of every namespace that the suite makes itself. */
export const suiteLabel = 'challenge-operator-e2e'

/**
 * Begins the name of every namespace that the suite or an operator of it makes. docs/e2e.md says how to remove those that
 * a killed run leaves behind.
 */
const suitePrefix = 'challenge-operator-e2e-'

/** Time in which a namespace with its pods goes. */
const goneMs = 180_000

export interface TestNamespace {
  name: string
  /** Resolves when the namespace is gone. */
  remove(): Promise<void>
}

/** A prefix for the namespaces that one operator makes. It has the 28 of at most 30 characters. */
export function placementPrefix(): string {
  return `${suitePrefix}${randomBytes(2).toString('hex')}-`
}

/** Makes a namespace in which pods can start. */
export async function makeNamespace(
  client: KubernetesClient,
  purpose: string,
  signal: AbortSignal,
): Promise<TestNamespace> {
  const name = `${suitePrefix}${purpose}-${randomBytes(4).toString('hex')}`
  const metadata = { name, labels: { [suiteLabel]: purpose } }
  const created = await client.request('POST', '/api/v1/namespaces', { body: { metadata } }, signal)
  if (created.status !== 201)
    throw new Error(`namespace ${name} cannot be made: ${JSON.stringify(created.body)}`)
  const account = `/api/v1/namespaces/${name}/serviceaccounts/default`
  const hasAccount = async () => (await client.request('GET', account, {}, signal)).status === 200
  await waitUntil(`the service account of ${name}`, 30_000, hasAccount, signal)
  return {
    name,
    async remove() {
      await releaseInstances(client, name, signal)
      await removeNamespace(client, name, signal)
    },
  }
}

/** Removes the namespaces that an operator has made and kept, for example those of events. No operator runs any more. */
export async function removeNamespacesWith(
  client: KubernetesClient,
  prefix: string,
  signal: AbortSignal,
): Promise<void> {
  const { body } = await client.request('GET', '/api/v1/namespaces', {}, signal)
  const names = (body as { items: { metadata: { name: string } }[] }).items.map(each => each.metadata.name)
  const made = names.filter(name => name.startsWith(prefix))
  await Promise.all(made.map(name => removeNamespace(client, name, signal)))
}

async function removeNamespace(client: KubernetesClient, name: string, signal: AbortSignal): Promise<void> {
  const path = `/api/v1/namespaces/${name}`
  await client.request('DELETE', path, {}, signal)
  await waitUntil(`the end of namespace ${name}`, goneMs, () => isNamespaceGone(client, name, signal), signal)
}

export async function isNamespaceGone(
  client: KubernetesClient,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  return (await client.request('GET', `/api/v1/namespaces/${name}`, {}, signal)).status === 404
}

/** Takes our finalizer off instances that a failed test left behind: no operator runs any more that would do it. */
async function releaseInstances(
  client: KubernetesClient,
  namespace: string,
  signal: AbortSignal,
): Promise<void> {
  const path = collectionPath({ apiVersion, kind: 'ChallengeInstance' }, namespace)
  const { body } = await client.request('GET', path, {}, signal)
  const { items = [] } = body as { items?: { metadata: { name: string; finalizers?: string[] } }[] }
  for (const { metadata } of items) {
    const finalizers = metadata.finalizers?.filter(each => each !== finalizer) ?? []
    const request = { body: { metadata: { finalizers } }, contentType: 'application/merge-patch+json' }
    await client.request('PATCH', `${path}/${metadata.name}`, request, signal)
  }
}
