import { randomBytes } from 'node:crypto'
import { apiVersion, finalizer } from '../../../lib/crd/group.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../../lib/kubernetes/client/paths.ts'
import { waitUntil } from '../../../local/process/wait.ts'

/** The label of every namespace that the suite makes. docs/e2e.md says how to remove what a killed run leaves behind. */
export const suiteLabel = 'challenge-operator-e2e'

/** Time in which a namespace with its pods goes. */
const goneMs = 180_000

export interface TestNamespace {
  name: string
  /** Resolves when the namespace is gone. */
  remove(): Promise<void>
}

/** Makes a namespace in which pods can start. */
export async function makeNamespace(
  client: KubernetesClient,
  purpose: string,
  signal: AbortSignal,
): Promise<TestNamespace> {
  const name = `challenge-operator-e2e-${purpose}-${randomBytes(4).toString('hex')}`
  const path = `/api/v1/namespaces/${name}`
  const metadata = { name, labels: { [suiteLabel]: purpose } }
  const created = await client.request('POST', '/api/v1/namespaces', { body: { metadata } }, signal)
  if (created.status !== 201)
    throw new Error(`namespace ${name} cannot be made: ${JSON.stringify(created.body)}`)
  const exists = async (of: string) => (await client.request('GET', of, {}, signal)).status === 200
  const account = `${path}/serviceaccounts/default`
  await waitUntil(`the service account of ${name}`, 30_000, () => exists(account), signal)
  return {
    name,
    async remove() {
      await releaseInstances(client, name, signal)
      await client.request('DELETE', path, {}, signal)
      await waitUntil(`the end of namespace ${name}`, goneMs, async () => !(await exists(path)), signal)
    },
  }
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
