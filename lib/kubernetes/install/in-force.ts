import { apiVersion, finalizer } from '../../crd/group.ts'
import { firstNamespace, type WatchedNamespaces } from '../../crd/namespaces.ts'
import type { KubernetesObject } from '../../crd/objects.ts'
import { OperatorError } from '../../errors.ts'
import { pollUntil } from '../../poll.ts'
import type { ApiResponse, KubernetesClient } from '../client/http.ts'
import { collectionPath } from '../client/paths.ts'
import type { Cluster } from '../cluster.ts'
import { crdKind, crdNames, type Definition } from './schema-check.ts'

const everyMs = 100

/** A CRD is established about a second after it was made; its names could be taken for ever. */
const establishedMs = 30_000

/** A schema or policy is in force within a second; afterwards the operator works without us having seen it. */
const inForceMs = 10_000

/** @throws OperatorError `SchemaOutdated` when the cluster does not establish them */
export async function untilEstablished(cluster: Cluster, signal: AbortSignal): Promise<void> {
  for (const name of crdNames) {
    const established = async () => {
      const crd = await cluster.get<KubernetesObject & Definition>({ ...crdKind, name }, signal)
      return (crd?.status?.conditions ?? []).some(
        ({ type, status }) => type === 'Established' && status === 'True',
      )
    }
    if (!(await pollUntil(established, { everyMs, limitMs: establishedMs }, signal)))
      throw new OperatorError(
        'SchemaOutdated',
        `The CRD ${name} is installed but not established; see its conditions: kubectl describe crd ${name}.`,
      )
  }
}

/** Established says nothing about which schema is served: the new one refuses a name that the old one takes. */
export async function untilSchemaInForce(client: KubernetesClient, signal: AbortSignal): Promise<void> {
  await pollUntil(
    async () => {
      const { status } = await dryRun(client, 'default', '0-is-no-first-letter', signal)
      // Not served yet is 404; what else is said (no right to create) will not change by waiting.
      return status !== 404 && status !== 201
    },
    { everyMs, limitMs: inForceMs },
    signal,
  )
}

export async function untilFinalizerInForce(
  client: KubernetesClient,
  namespaces: WatchedNamespaces,
  signal: AbortSignal,
): Promise<void> {
  const namespace = firstNamespace(namespaces)
  await pollUntil(
    async () => {
      const { status, body } = await dryRun(client, namespace, 'finalizer-in-force', signal)
      // The policy does not know our kind yet, and every creation is refused until it does.
      if (status === 503) return false
      if (status !== 201) return true
      return (body as KubernetesObject).metadata.finalizers?.includes(finalizer) ?? false
    },
    { everyMs, limitMs: inForceMs },
    signal,
  )
}

/** Goes through admission and validation and stores nothing. */
function dryRun(
  client: KubernetesClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<ApiResponse> {
  const kind = { apiVersion, kind: 'ChallengeInstance' }
  const spec = { templateRef: 'none', owner: { teamId: 1, eventId: 1 } }
  const body = { ...kind, metadata: { namespace, name }, spec }
  return client.request('POST', collectionPath(kind, namespace), { body, query: { dryRun: 'All' } }, signal)
}
