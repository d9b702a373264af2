import { apiVersion } from '../../crd/group.ts'
import type { KubernetesObject } from '../../crd/objects.ts'
import { OperatorError } from '../../errors.ts'
import { pollUntil } from '../../poll.ts'
import type { ApiResponse, KubernetesClient } from '../client/http.ts'
import { collectionPath } from '../client/paths.ts'
import type { Cluster } from '../cluster.ts'
import { crdKind, crdNames, type Definition } from './schema-check.ts'

const everyMs = 100

/** A CRD is established about a second after its creation. If its names are taken, it never is. */
const establishedMs = 30_000

/** A schema is in force within a second. After this time the caller goes on without having seen it. */
const inForceMs = 10_000

/** Waits until both CRDs are established. @throws OperatorError `SchemaOutdated` if they are not in time */
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

/**
 * Waits until the new schema is in force, which `Established` does not say. The probe is a name that the new schema refuses
 * and the old one accepts.
 */
export async function untilSchemaInForce(client: KubernetesClient, signal: AbortSignal): Promise<void> {
  await pollUntil(
    async () => {
      const { status } = await dryRun(client, signal)
      // The kind is not served yet (404), or the old schema is in force (201). No other answer changes with time.
      return status !== 404 && status !== 201
    },
    { everyMs, limitMs: inForceMs },
    signal,
  )
}

/** Creates an instance with a bad name as a dry run, which passes admission and validation and is not stored. */
function dryRun(client: KubernetesClient, signal: AbortSignal): Promise<ApiResponse> {
  const kind = { apiVersion, kind: 'ChallengeInstance' }
  const namespace = 'default'
  const spec = { templateRef: 'none', owner: { teamId: 1, eventId: 1 } }
  const body = { ...kind, metadata: { namespace, name: '0-is-no-first-letter' }, spec }
  return client.request('POST', collectionPath(kind, namespace), { body, query: { dryRun: 'All' } }, signal)
}
