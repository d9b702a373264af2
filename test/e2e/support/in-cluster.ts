import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import type { KubernetesObject, Pod, Stored } from '../../../lib/crd/objects.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { forwarderLease, holderOf, type Lease, leaseKind } from '../../../lib/kubernetes/lease/record.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { runKubectl } from '../../support/kubectl.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { untilRunning } from './probe-pod.ts'

/** The namespace of manifests/in-cluster, and the one whose instances its operator watches. */
export const operatorNamespace = 'challenge-operator'
export const watchedNamespace = 'default'

const root = resolve(import.meta.dirname, '../../..')
const manifests = join(root, 'manifests')
export const operatorContainer = 'operator'
/** Time in which two pods come up one after the other, each after its probes. */
const rolloutMs = 240_000

export interface InClusterOptions {
  kubeconfig: string
  cluster: Cluster
  images: { operator: string; parts: string }
  /** `OPERATOR_…` variables of the operator. */
  variables: Record<string, string>
  signal: AbortSignal
}

interface Deployment extends KubernetesObject {
  spec: { replicas: number }
  status?: {
    observedGeneration?: number
    replicas?: number
    updatedReplicas?: number
    availableReplicas?: number
  }
}

/** An operator of `manifests/in-cluster`, with its database and queues in a pod beside it. */
export interface InClusterOperator {
  /** Its pods that are not asked to end. */
  pods(): Promise<Stored<Pod>[]>
  /** The name of the pod that leads; undefined: nobody leads. */
  leader(): Promise<string | undefined>
  /** Whether every replica is of the present version and available. */
  isRolledOut(): Promise<boolean>
  untilRolledOut(): Promise<void>
  /** Replaces its pods, as a new version does. */
  restart(): Promise<void>
  remove(): Promise<void>
}

/** Installs it as docs/deploy-cluster.md does. Its tables are made by `migrate` in the first pod. */
export async function installInCluster(options: InClusterOptions): Promise<InClusterOperator> {
  const { kubeconfig, cluster, images, signal } = options
  const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, output } = await runKubectl(kubeconfig, args, input)
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output}`)
    return output
  }
  const remove = async () => {
    await kubectl(['delete', '--ignore-not-found', '--wait=false', '-k', join(manifests, 'in-cluster')])
    const reference = { apiVersion: 'v1', kind: 'Namespace', name: operatorNamespace }
    const isGone = async () => (await cluster.get(reference, signal)) === undefined
    await waitUntil('the end of the operator’s namespace', rolloutMs, isGone, signal)
  }
  await kubectl(['apply', '--server-side', '--force-conflicts', '-k', manifests])
  await kubectl(['apply', '-f', join(manifests, 'in-cluster/namespace.yaml')])
  await kubectl(['apply', '-f', '-'], JSON.stringify(partsOf(images.parts)))
  await untilRunning(cluster, { namespace: operatorNamespace, name: 'parts' }, 'parts', signal)
  const said = await kubectl(['logs', '-n', operatorNamespace, 'parts'])
  const line = said.split('\n').find(each => each.includes('"database"')) ?? '{}'
  const database = new URL((JSON.parse(line) as { database: string }).database)
  database.host = `parts.${operatorNamespace}.svc:5432`
  await kubectl(['apply', '-f', '-'], JSON.stringify(secretOf(database.href)))
  await applyOverlay(options, kubectl)

  const reference = {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment' },
    ...{ namespace: operatorNamespace, name: 'challenge-operator' },
  }
  const isRolledOut = async () => {
    const found = await cluster.get<Deployment>(reference, signal)
    const { observedGeneration, replicas, updatedReplicas, availableReplicas } = found?.status ?? {}
    const wanted = found?.spec.replicas
    const isSeen = observedGeneration === (found?.metadata as { generation?: number } | undefined)?.generation
    return isSeen && [replicas, updatedReplicas, availableReplicas].every(count => count === wanted)
  }
  const untilRolledOut = async () => {
    await waitUntil('the roll-out of the operator', rolloutMs, isRolledOut, signal).catch(async cause => {
      throw new Error(`${cause.message}\n${await describePods(kubectl)}`, { cause })
    })
  }
  await untilRolledOut()
  await kubectl([
    ...['exec', '-n', operatorNamespace, 'deploy/challenge-operator', '--'],
    ...['challenge-operator', 'migrate'],
  ])
  return {
    async pods() {
      const found: Stored<Pod>[] = []
      const selection = {
        namespace: operatorNamespace,
        labelSelector: 'app.kubernetes.io/name=challenge-operator',
      }
      for await (const page of cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, selection, signal))
        found.push(...page)
      return found.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    },
    async leader() {
      const lease = { ...leaseKind, namespace: watchedNamespace, name: forwarderLease }
      const holder = holderOf(await cluster.get<Lease>(lease, signal))
      // The name of a pod has no underscore.
      return holder === '' ? undefined : holder.split('_')[0]
    },
    isRolledOut,
    untilRolledOut,
    async restart() {
      await kubectl(['rollout', 'restart', '-n', operatorNamespace, 'deploy/challenge-operator'])
    },
    remove,
  }
}

async function describePods(kubectl: (args: readonly string[]) => Promise<string>): Promise<string> {
  const pods = await kubectl(['get', 'pods', '-n', operatorNamespace, '-o', 'wide'])
  const selection = ['-l', 'app.kubernetes.io/name=challenge-operator', '--tail=5', '--prefix']
  return `${pods}\n${await kubectl(['logs', '-n', operatorNamespace, ...selection])}`
}

/** Applies an overlay as docs/deploy-cluster.md shows it. */
async function applyOverlay(
  { images, variables }: InClusterOptions,
  kubectl: (args: readonly string[]) => Promise<string>,
): Promise<void> {
  const folder = await temporaryFolder('overlay')
  try {
    const place = join(folder.path, 'overlay')
    await mkdir(place)
    const queues = `http://parts.${operatorNamespace}.svc:9324`
    const colon = images.operator.lastIndexOf(':')
    const settings = {
      // A comparison of everything would make up for an event that was lost.
      OPERATOR_RESYNC_MINUTES: '60',
      OPERATOR_NAMESPACE: watchedNamespace,
      AWS_ENDPOINT_URL_SQS: queues,
      CHANGES_QUEUE_URL: `${queues}/000000000000/challenge-operator-changes.fifo`,
      TIMERS_QUEUE_URL: `${queues}/000000000000/challenge-operator-timers`,
      SWEEPS_QUEUE_URL: `${queues}/000000000000/challenge-operator-sweeps`,
      DEAD_LETTERS_QUEUE_URL: `${queues}/000000000000/challenge-operator-changes-dead-letters.fifo`,
      ...variables,
    }
    const overlay = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      resources: [relative(place, join(manifests, 'in-cluster'))],
      images: [
        {
          name: 'challenge-operator',
          newName: images.operator.slice(0, colon),
          newTag: images.operator.slice(colon + 1),
        },
      ],
      configMapGenerator: [
        {
          ...{ name: 'challenge-operator-settings', namespace: operatorNamespace, behavior: 'merge' },
          literals: Object.entries(settings).map(([name, value]) => `${name}=${value}`),
        },
      ],
    }
    await writeFile(join(place, 'kustomization.yaml'), JSON.stringify(overlay))
    await kubectl(['apply', '-k', place])
  } finally {
    await folder.remove()
  }
}

/** Postgres and the queues in one pod, under a name. */
function partsOf(image: string): KubernetesObject {
  const labels = { app: 'parts' }
  const metadata = { namespace: operatorNamespace, name: 'parts' }
  const ports = [5432, 9324]
  const security = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
  const pod = {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, labels } },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      securityContext: {
        ...{ runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532, fsGroup: 65_532 },
        seccompProfile: { type: 'RuntimeDefault' },
      },
      volumes: [
        { name: 'data', emptyDir: {} },
        { name: 'tmp', emptyDir: {} },
      ],
      containers: [
        {
          ...{ name: 'parts', image, securityContext: security },
          volumeMounts: [
            { name: 'data', mountPath: '/data' },
            { name: 'tmp', mountPath: '/tmp' },
          ],
          readinessProbe: { tcpSocket: { port: 9324 }, periodSeconds: 1 },
        },
      ],
    },
  }
  const service = {
    ...{ apiVersion: 'v1', kind: 'Service', metadata },
    spec: { selector: labels, ports: ports.map(port => ({ name: `tcp-${port}`, port })) },
  }
  return { apiVersion: 'v1', kind: 'List', items: [pod, service] } as unknown as KubernetesObject
}

function secretOf(databaseUrl: string): KubernetesObject {
  const keys = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' }
  const stringData = {
    ...{ DATABASE_URL: databaseUrl, FLAG_SECRET: 'e'.repeat(64), FLAG_HMAC_PEPPER: 'e2e' },
    ...keys,
  }
  const metadata = { namespace: operatorNamespace, name: 'challenge-operator' }
  return { apiVersion: 'v1', kind: 'Secret', metadata, stringData } as KubernetesObject
}
