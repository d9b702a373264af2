import { join } from 'node:path'
import { apiVersion } from '../../lib/crd/group.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { installManifests } from '../../lib/kubernetes/install/install.ts'
import type { ControlPlane } from '../../local/control-plane/start.ts'
import type { PartAddresses } from '../../local/parts/part-addresses.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { startTestControlPlane } from '../support/control-plane.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { type AuditLog, openAuditLog } from './audit-log.ts'
import { type BareClient, openBareClient } from './bare-client.ts'
import { type Child, startChild } from './child.ts'
import { pinControlPlane } from './pinned.ts'
import { floor, operated, type Sample } from './sample.ts'

/** A cluster with CRDs, policies and templates, and queues. The operator does not run in it yet. */
export interface BenchCluster {
  plane: ControlPlane
  /** Makes the bench's own calls, five at once. Two cores answer fastest with five. */
  bare: BareClient
  /** Makes the bench's watches. */
  client: KubernetesClient
  audit: AuditLog
  /** The process of the SQS and EventBridge servers. */
  queues: Child
  addresses: Omit<PartAddresses, 'clientFor' | 'databaseUrl'>
  /** Ends everything in reverse order. Whatever is started later adds itself. */
  stack: AsyncDisposableStack
  /** Aborts when the cluster ends. */
  signal: AbortSignal
}

export const sideBySide = 5

export interface BenchClusterOptions {
  /** Starts the controllers too: then pods start, and garbage is collected. */
  full: boolean
  /** API server and etcd run on a core of their own. */
  pinned: boolean
  sample: Sample
}

export async function openBenchCluster(
  { full, pinned, sample }: BenchClusterOptions,
  signal: AbortSignal,
): Promise<BenchCluster> {
  const stack = new AsyncDisposableStack()
  const ended = new AbortController()
  try {
    const folder = await temporaryFolder('bench')
    stack.defer(() => folder.remove())
    const auditLog = join(folder.path, 'audit.log')
    const plane = await startTestControlPlane({ full, auditLog }, signal)
    stack.defer(() => plane.stop())
    if (pinned) await pinControlPlane(plane)
    const queues = startChild('queues-process.ts')
    stack.defer(() => queues.stop())
    const bare = openBareClient(plane, sideBySide, 'bench')
    stack.defer(() => bare.close())
    const connection = { kind: 'kubeconfig', path: plane.kubeconfig } as const
    const client = openClient({ connection, userAgent: 'bench-watch' })
    stack.defer(() => client.close())
    stack.defer(() => ended.abort())
    await furnish({ bare, client, full, sample }, signal)
    const audit = openAuditLog(auditLog, bare)
    const addresses = await queues.ask<BenchCluster['addresses']>('addresses')
    const lifetime = AbortSignal.any([signal, ended.signal])
    return { plane, bare, client, audit, queues, addresses, stack, signal: lifetime }
  } catch (thrown) {
    await stack.disposeAsync()
    throw thrown
  }
}

/** Creates two namespaces, CRDs, policies, and a template in each namespace. */
async function furnish(
  {
    bare,
    client,
    full,
    sample,
  }: Pick<BenchCluster, 'bare' | 'client'> & Pick<BenchClusterOptions, 'full' | 'sample'>,
  signal: AbortSignal,
): Promise<void> {
  const namespaces = [operated, floor]
  for (const name of namespaces)
    await bare.call('POST', '/api/v1/namespaces', JSON.stringify({ metadata: { name } }), signal)
  await installManifests(client, { allowedRegistries: [] }, signal)
  for (const name of namespaces) {
    const path = collectionPath({ apiVersion, kind: 'ChallengeTemplate' }, name)
    await bare.call('POST', path, JSON.stringify(sample.template(name)), signal)
    if (full) await accountMade(client, name, signal)
  }
}

/** Waits for the account without which the API server refuses pods. */
async function accountMade(client: KubernetesClient, namespace: string, signal: AbortSignal): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`
  const isMade = async () => (await client.request('GET', path, {}, signal)).status === 200
  await waitUntil(`the service account of ${namespace}`, 30_000, isMade, signal)
}
