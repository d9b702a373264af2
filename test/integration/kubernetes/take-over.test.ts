import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Deployment, Stored } from '../../../lib/crd/objects.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../../lib/kubernetes/client/paths.ts'
import type { Cluster, JsonPatchOperation } from '../../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { takenOver } from '../../../lib/kubernetes/take-over.ts'
import { sharedControlPlane, testNamespace } from '../../support/shared-parts.ts'

const signal = AbortSignal.timeout(110_000)
let client: KubernetesClient
let cluster: Cluster
let namespace: string

beforeAll(async () => {
  const { kubeconfig } = sharedControlPlane()
  client = openClient({
    connection: { kind: 'kubeconfig', path: kubeconfig },
    userAgent: 'challenge-operator/test',
  })
  cluster = openCluster(client)
  namespace = (await testNamespace('take-over', signal)).name
})

afterAll(() => client?.close())

const kind = { apiVersion: 'apps/v1', kind: 'Deployment' }
const reference = (name: string) => ({ ...kind, namespace, name })

function desired(name: string): Deployment {
  return {
    ...kind,
    metadata: {
      namespace,
      name,
      labels: { app: name, 'app.kubernetes.io/managed-by': 'challenge-operator' },
    },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      strategy: { type: 'Recreate' },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [{ name: 'challenge', image: 'example.com/web:2', env: [{ name: 'A', value: '1' }] }],
        },
      },
    },
  }
}

/** Creates an object as another client, which then owns the defaults too. */
async function createdBy(manager: string, object: Deployment): Promise<void> {
  const query = { fieldManager: manager }
  const response = await client.request(
    'POST',
    collectionPath(kind, namespace),
    { body: object, query },
    signal,
  )
  expect(response.status).toBe(201)
}

async function editedBy(manager: string, name: string, operations: JsonPatchOperation[]): Promise<void> {
  const request = {
    body: operations,
    contentType: 'application/json-patch+json',
    query: { fieldManager: manager },
  }
  const path = `${collectionPath(kind, namespace)}/${name}`
  expect((await client.request('PATCH', path, request, signal)).status).toBe(200)
}

/** Milliseconds without a write, after which the controller has noted what it wants to note about its pods. */
const quietMs = 200

/** Returns the Deployment after the deployment controller has written its revision. */
async function settled(name: string): Promise<Stored<Deployment>> {
  let before: string | undefined
  for (;;) {
    const found = await cluster.get<Deployment>(reference(name), signal)
    const noted = found?.metadata.annotations?.['deployment.kubernetes.io/revision'] !== undefined
    const observed = found?.status?.observedGeneration === found?.metadata.generation
    if (found && noted && observed && found.metadata.resourceVersion === before) return found
    before = found?.metadata.resourceVersion
    await sleep(quietMs)
  }
}

const writers = (object: Deployment) =>
  (object.metadata.managedFields ?? [])
    .filter(entry => !entry.subresource)
    .map(({ manager, operation }) => `${manager} ${operation}`)

function expectExactly(object: Deployment, name: string, foreignLabels: Record<string, string> = {}): void {
  const want = desired(name)
  expect(object.spec.strategy).toEqual({ type: 'Recreate' })
  expect(object.spec.template.spec.containers.map(each => [each.name, each.image, each.env])).toEqual(
    want.spec.template.spec.containers.map(each => [each.name, each.image, each.env]),
  )
  expect(object.metadata.labels).toEqual({ ...want.metadata.labels, ...foreignLabels })
  expect(object.metadata.ownerReferences).toBeUndefined()
}

describe('applyOver', () => {
  it('leaves exactly the applied fields over our own POST, and its patch makes no new generation', async () => {
    const first = desired('own')
    first.spec.template.spec.containers[0]?.env?.push({ name: 'B', value: '2' })
    first.metadata.labels = { ...first.metadata.labels, extra: 'x' }
    await cluster.create(first, signal)
    let existing = await settled('own')
    let patched: Deployment | 'conflict' | undefined = 'conflict'
    // The deployment controller may write the status between the two calls.
    for (let tries = 0; patched === 'conflict' && tries < 5; tries++) {
      existing = await settled('own')
      patched = await cluster.patchJson<Deployment>(reference('own'), takenOver(existing), signal)
    }
    if (patched === undefined || patched === 'conflict') throw new Error(`patch: ${patched}`)
    expect(patched.metadata.generation).toBe(existing.metadata.generation)
    expect(writers(patched)).toEqual(['challenge-operator Apply'])
    expect(patched.metadata.managedFields?.some(entry => entry.subresource === 'status')).toBe(true)
    expect(takenOver(patched)).toEqual([])
    expectExactly(await cluster.apply(desired('own'), signal), 'own')
  })

  it("leaves exactly the applied fields over the older operator's Deployment", async () => {
    const old = desired('old')
    old.metadata.labels = { app: 'old' }
    delete old.spec.strategy
    old.spec.template.spec.containers = [
      {
        name: 'old',
        image: 'example.com/web:1',
        env: [{ name: 'TEAM_ID', value: '1' }],
        ports: [{ containerPort: 8080 }],
      },
    ]
    await createdBy('OpenAPI-Generator', old)
    const existing = await settled('old')
    expect(existing.spec.strategy?.rollingUpdate).toBeDefined()
    const applied = await cluster.applyOver<Deployment>(existing, desired('old'), signal)
    expectExactly(applied, 'old')
    expect(applied.metadata.uid).toBe(existing.metadata.uid)
  })

  it('leaves exactly the applied fields over edits of other clients, beside the metadata that are theirs', async () => {
    await cluster.create(desired('edited'), signal)
    const applied = await cluster.applyOver<Deployment>(await settled('edited'), desired('edited'), signal)
    expect(takenOver(applied)).toEqual([])
    const containers = '/spec/template/spec/containers'
    await editedBy('kubectl-edit', 'edited', [
      { op: 'add', path: `${containers}/0/env/-`, value: { name: 'LD_PRELOAD', value: 'x' } },
      { op: 'add', path: `${containers}/-`, value: { name: 'miner', image: 'example.com/miner' } },
      { op: 'add', path: '/metadata/labels/note', value: 'x' },
      { op: 'add', path: '/metadata/finalizers', value: ['example.com/hold'] },
      { op: 'replace', path: '/spec/strategy', value: { type: 'RollingUpdate' } },
    ])
    await editedBy('another-controller', 'edited', [{ op: 'replace', path: '/spec/replicas', value: 3 }])
    // A missing owner would make the garbage collector delete the object. So the owner is the namespace.
    await editedBy('kubectl-patch', 'edited', [
      {
        op: 'add',
        path: '/metadata/ownerReferences',
        value: [{ apiVersion: 'v1', kind: 'Namespace', name: namespace, uid: await uidOf(namespace) }],
      },
    ])
    const repaired = await cluster.applyOver<Deployment>(await settled('edited'), desired('edited'), signal)
    expectExactly(repaired, 'edited', { note: 'x' })
    expect(repaired.metadata.finalizers).toEqual(['example.com/hold'])
    expect(repaired.spec.replicas).toBe(1)
  })

  it('leaves the revision with the deployment controller', async () => {
    await cluster.create(desired('revision'), signal)
    const existing = await settled('revision')
    const applied = await cluster.applyOver<Deployment>(existing, desired('revision'), signal)
    expect(applied.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('1')
    const owner = existing.metadata.managedFields?.find(entry =>
      JSON.stringify(entry.fieldsV1).includes('deployment.kubernetes.io/revision'),
    )
    expect([owner?.manager, owner?.subresource]).toEqual(['kube-controller-manager', 'status'])
  })

  it('leaves exactly the applied fields over a write between our read and our patch', async () => {
    await cluster.create(desired('raced'), signal)
    const outdated = await settled('raced')
    const env = '/spec/template/spec/containers/0/env/-'
    await editedBy('kubectl-edit', 'raced', [{ op: 'add', path: env, value: { name: 'RACED', value: 'x' } }])
    expectExactly(await cluster.applyOver<Deployment>(outdated, desired('raced'), signal), 'raced')
  })
})

async function uidOf(name: string): Promise<string | undefined> {
  const found = await cluster.get({ apiVersion: 'v1', kind: 'Namespace', name }, signal)
  return found?.metadata.uid
}
