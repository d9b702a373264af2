import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fieldManager, labels } from '../../lib/crd/group.ts'
import type { KubernetesObject, Named } from '../../lib/crd/objects.ts'
import { referenceTo } from '../../lib/crd/reference.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { collectionPath, objectPath } from '../../lib/kubernetes/client/paths.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { isOfNamespace, keptBy, lookedFor } from '../../lib/reconcile/namespace/contents.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { sharedControlPlane, testNamespace } from '../support/shared-parts.ts'

let client: KubernetesClient
let cluster: Cluster
let namespace: Awaited<ReturnType<typeof testNamespace>>
const signal = AbortSignal.timeout(120_000)

beforeAll(async () => {
  const { kubeconfig } = sharedControlPlane()
  client = openClient({ connection: { kind: 'kubeconfig', path: kubeconfig }, userAgent: 'test' })
  cluster = openCluster(client)
  namespace = await testNamespace('contents')
})
afterAll(() => client?.close())

const kept = () => keptBy(cluster, namespace.name, isOfNamespace, signal)

const matchLabels = { app: 'theirs' }
const containers = [{ name: 'theirs', image: 'registry.example.com/theirs:1' }]
const pod = { metadata: { labels: matchLabels }, spec: { containers } }
const never = { metadata: pod.metadata, spec: { containers, restartPolicy: 'Never' } }
const scaled = { replicas: 0, selector: { matchLabels }, template: pod }
const onNoNode = { metadata: pod.metadata, spec: { containers, nodeSelector: { none: 'here' } } }
const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'theirs' }

/** What each kind needs to be accepted. None of it runs. */
const contents: Readonly<Record<string, object>> = {
  Pod: { spec: { containers, schedulingGates: [{ name: 'example.com/never' }] } },
  Service: { spec: { ports: [{ port: 80 }] } },
  Secret: {},
  ConfigMap: {},
  PersistentVolumeClaim: {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
  ServiceAccount: {},
  ReplicationController: { spec: { replicas: 0, selector: matchLabels, template: pod } },
  LimitRange: { spec: { limits: [] } },
  ResourceQuota: { spec: { hard: { pods: '100' } } },
  Deployment: { spec: scaled },
  ReplicaSet: { spec: scaled },
  StatefulSet: { spec: { ...scaled, serviceName: 'theirs' } },
  DaemonSet: { spec: { selector: { matchLabels }, template: onNoNode } },
  Job: { spec: { suspend: true, template: never } },
  CronJob: { spec: { schedule: '0 0 1 1 *', suspend: true, jobTemplate: { spec: { template: never } } } },
  HorizontalPodAutoscaler: {
    spec: { maxReplicas: 2, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' } },
  },
  PodDisruptionBudget: { spec: { minAvailable: 1, selector: { matchLabels } } },
  NetworkPolicy: { spec: { podSelector: {} } },
  Ingress: { spec: { defaultBackend: { service: { name: 'theirs', port: { number: 80 } } } } },
  Role: { rules: [] },
  RoleBinding: { roleRef: role, subjects: [] },
}

function somebodys(apiVersion: string, kind: string, own = {}): Named<KubernetesObject> {
  const metadata = { name: `theirs-${randomBytes(3).toString('hex')}`, namespace: namespace.name, ...own }
  return { apiVersion, kind, metadata, ...contents[kind] }
}

async function made(object: Named<KubernetesObject>): Promise<void> {
  const path = collectionPath(object, object.metadata.namespace)
  const { status, body } = await client.request('POST', path, { body: object }, signal)
  expect({ kind: object.kind, status, body }).toMatchObject({ status: 201 })
}

async function untilGone(object: Named<KubernetesObject>): Promise<void> {
  const path = objectPath(referenceTo(object))
  const body = { gracePeriodSeconds: 0, propagationPolicy: 'Background' }
  await client.request('DELETE', path, { body }, signal)
  const isGone = async () => (await client.request('GET', path, {}, signal)).status === 404
  await waitUntil(`the end of ${object.kind} ${object.metadata.name}`, 20_000, isGone, signal)
}

describe('a namespace', () => {
  it('is not kept by what Kubernetes puts into it', async () => {
    const roots = { apiVersion: 'v1', kind: 'ConfigMap', namespace: namespace.name, name: 'kube-root-ca.crt' }
    const hasRoots = async () => (await cluster.getMetadata(roots, signal)) !== undefined
    await waitUntil('kube-root-ca.crt', 20_000, hasRoots, signal)
    expect(await kept()).toBeUndefined()
  })

  it.each(lookedFor.map(({ apiVersion, kind }) => [kind, apiVersion]))(
    'is kept by a %s that is not ours',
    async (kind, apiVersion) => {
      const object = somebodys(apiVersion, kind)
      await made(object)
      expect(await kept()).toBe(`${kind} "${object.metadata.name}"`)
      await untilGone(object)
    },
  )

  it('is not kept by what the operator makes for it, and by a child of an instance only if that may not go', async () => {
    const ours = { [labels.managedBy]: fieldManager }
    const objects = [
      somebodys('v1', 'ConfigMap', { labels: ours }),
      somebodys('v1', 'Secret', { labels: { ...ours, [labels.instanceUid]: 'some-uid' } }),
    ]
    for (const object of objects) await made(object)
    expect(await kept()).toBe(`Secret "${objects[1]?.metadata.name}"`)
    expect(await keptBy(cluster, namespace.name, () => true, signal)).toBeUndefined()
    for (const object of objects) await untilGone(object)
  })
})
