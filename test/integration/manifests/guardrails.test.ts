import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersion, fieldManager, labels } from '../../../lib/crd/group.ts'
import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import { referenceTo } from '../../../lib/crd/reference.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath, objectPath } from '../../../lib/kubernetes/client/paths.ts'
import { installManifests } from '../../../lib/kubernetes/install/install.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { createAsAdmin } from '../../support/admin-objects.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'
import { templateSpec } from './inputs.ts'

const signal = AbortSignal.timeout(110_000)
const namespace = 'default'
/** A namespace in which Pod Security refuses what the standard `baseline` does. */
const enforced = 'enforced'
const enforce = 'pod-security.kubernetes.io/enforce'
let plane: ControlPlane
let client: KubernetesClient

beforeAll(async () => {
  // A user with every right, who is one of the operator's accounts besides.
  const users = [{ name: 'reconcile', groups: ['challenge-operator:reconcile', 'system:masters'] }]
  plane = await startTestControlPlane({ full: false, users })
  const connection = { kind: 'kubeconfig', path: plane.kubeconfig } as const
  client = openClient({ connection, userAgent: 'challenge-operator/test (guardrails)' })
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } }
  await createAsAdmin(client, account, signal)
  await openCluster(client).create(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: enforced, labels: { [enforce]: 'baseline' } } },
    signal,
  )
  await createAsAdmin(client, { ...account, metadata: { name: 'default', namespace: enforced } }, signal)
  const allowedRegistries = ['registry.example.com/ctf/', 'docker.io/library']
  await installManifests(client, { allowedRegistries }, signal)
  const inForce = async () =>
    (await template({ image: 'elsewhere.example.com/a' })).status === 422 &&
    (await deployment({ hostPID: true })).status === 422
  await waitUntil('the guardrails', 20_000, inForce, signal)
})
afterAll(async () => {
  await client?.close()
  await plane?.stop()
})

async function create(group: string, kind: string, object: object, { dryRun = true, into = namespace } = {}) {
  const body = { apiVersion: group, kind, ...object }
  const path = collectionPath({ apiVersion: group, kind }, into)
  const response = await client.request(
    'POST',
    path,
    { body, query: dryRun ? { dryRun: 'All' } : {} },
    signal,
  )
  return { status: response.status, message: String((response.body as { message?: string }).message ?? '') }
}

function template(change: object, name = 'guarded', dryRun = true) {
  const image = 'registry.example.com/ctf/a:1'
  return create(
    apiVersion,
    'ChallengeTemplate',
    { metadata: { name }, spec: { ...templateSpec, image, ...change } },
    { dryRun },
  )
}

function podOf(pod: object, container: object, own: boolean) {
  const podLabels = { app: 'a', ...(own && { [labels.managedBy]: fieldManager }) }
  const spec = { containers: [{ name: 'a', image: 'a', ...container }], ...pod }
  return { metadata: { name: 'guarded', labels: podLabels }, spec }
}

function deployment(pod: object, container: object = {}, { own = true, into = namespace } = {}) {
  const { metadata, spec } = podOf(pod, container, own)
  const selector = { matchLabels: { app: 'a' } }
  return create(
    'apps/v1',
    'Deployment',
    { metadata, spec: { selector, template: { metadata, spec } } },
    { into },
  )
}

describe('the policy for templates', () => {
  const db = { name: 'db', resources: templateSpec.resources }

  it.each([
    ['registry.example.com/ctf/web:1'],
    ['registry.example.com/ctf/deep/er@sha256:0123'],
    ['nginx:1'],
    ['docker.io/library/nginx'],
  ])('accepts the image %s', async image => {
    expect(await template({ image, containers: [{ ...db, image }] })).toMatchObject({ status: 201 })
  })

  it.each([
    ['registry.example.com/ctf-evil/web'],
    ['registry.example.com.evil.org/ctf/web'],
    ['someone/nginx'],
    ['localhost/ctf/a'],
    ['evil:5000/library/nginx'],
  ])('refuses the image %s and names the allowed registries', async image => {
    const refused = {
      status: 422,
      message: expect.stringContaining('use one from docker.io/library, registry.example.com/ctf'),
    }
    expect(await template({ image })).toEqual(refused)
    expect(await template({ containers: [{ ...db, image }] })).toEqual(refused)
  })
})

const unsafe: [what: string, message: string, pod: object, container?: object][] = [
  ['hostPath', 'remove the hostPath volume', { volumes: [{ name: 'a', hostPath: { path: '/' } }] }],
  ['hostNetwork', 'remove hostNetwork', { hostNetwork: true }],
  ['hostPID', 'remove hostNetwork, hostPID', { hostPID: true }],
  ['hostIPC', 'hostIPC', { hostIPC: true }],
  ['privileged', 'remove securityContext.privileged', {}, { securityContext: { privileged: true } }],
  ['hostPort', 'remove hostPort', {}, { ports: [{ containerPort: 80, hostPort: 80 }] }],
  [
    'a capability',
    'may not add this capability',
    {},
    { securityContext: { capabilities: { add: ['NET_ADMIN'] } } },
  ],
  [
    'a privileged init container',
    'remove securityContext.privileged',
    { initContainers: [{ name: 'i', image: 'i', securityContext: { privileged: true } }] },
  ],
]

describe('the policy for workloads', () => {
  it.each(unsafe)('refuses %s in our Deployments and Pods', async (_, message, pod, container) => {
    const refused = { status: 422, message: expect.stringContaining(message) }
    expect(await deployment(pod, container)).toEqual(refused)
    expect(await create('v1', 'Pod', podOf(pod, container ?? {}, true))).toEqual(refused)
  })

  it.each(unsafe)('accepts %s in objects of other owners', async (_, _message, pod, container) => {
    expect(await deployment(pod, container, { own: false })).toEqual({ status: 201, message: '' })
    expect(await create('v1', 'Pod', podOf(pod, container ?? {}, false))).toEqual({
      status: 201,
      message: '',
    })
  })

  it.each(unsafe)('leaves %s to Pod Security where that refuses it', async (_, _message, pod, container) => {
    expect((await deployment(pod, container, { into: enforced })).status).toBe(201)
    const refused = await create('v1', 'Pod', podOf(pod, container ?? {}, true), { into: enforced })
    expect(refused).toEqual({
      status: 403,
      message: expect.stringContaining('violates PodSecurity "baseline:latest"'),
    })
  })

  it('accepts a safe workload', async () => {
    const container = { securityContext: { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } } }
    expect(
      await deployment({ hostNetwork: false, volumes: [{ name: 'a', emptyDir: {} }] }, container),
    ).toEqual({
      status: 201,
      message: '',
    })
    expect((await create('v1', 'Pod', podOf({}, container, true))).status).toBe(201)
  })
})

const guardrails = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  namespace: 'kube-system',
  name: 'challenge-operator-guardrails',
}

/** Writes the ConfigMap whole, and waits until the API server goes by it. */
async function allow(data: Record<string, string>, isInForce: () => Promise<boolean>): Promise<void> {
  const { apiVersion: version, kind, ...metadata } = guardrails
  const body = { apiVersion: version, kind, metadata, data }
  expect((await client.request('PUT', objectPath(guardrails), { body }, signal)).status).toBe(200)
  await waitUntil('the changed guardrails', 20_000, isInForce, signal)
}

describe('what an administrator allows', () => {
  const db = { name: 'db', image: 'nginx', resources: { cpu: '500m', memory: '64Mi' } }

  beforeAll(() =>
    allow(
      {
        allowedCapabilities: 'NET_BIND_SERVICE\nCHOWN',
        allowedPlacements: 'Shared,Event',
        allowedExposures: 'HTTPRoute, Ingress',
        maxCpu: '1',
        maxMemory: '1Gi',
        maxEphemeralStorage: '1Gi',
      },
      async () => (await template({ placement: 'Instance' })).status === 422,
    ),
  )

  it.each<[string, object]>([
    ['an image from anywhere, since no registries are named', { image: 'elsewhere.example.com/a' }],
    ['a capability that is named', { capabilities: ['NET_BIND_SERVICE', 'CHOWN'] }],
    ['a placement that is named', { placement: 'Event' }],
    ['the default of the operator for the placement', {}],
    ['an exposure that is named', { exposure: { type: 'HTTPRoute' } }],
    ['no exposure', { exposure: { type: 'None' } }],
    ['just as much as there may be', { resources: { cpu: '500m', memory: '960Mi' }, containers: [db] }],
    ['cores as a number', { resources: { cpu: 1, memory: '1Gi' } }],
    ['as much storage as there may be', { ephemeralStorage: '768Mi', containers: [db] }],
  ])('accepts %s', async (_, change) => {
    expect(await template(change)).toEqual({ status: 201, message: '' })
  })

  it.each<[string, object, string]>([
    [
      'another capability',
      { capabilities: ['CHOWN', 'SETUID'] },
      'has SETUID, which is not allowed here; use only NET_BIND_SERVICE, CHOWN',
    ],
    [
      'another capability of a second container',
      { containers: [{ ...db, capabilities: ['KILL'] }] },
      'has KILL, which',
    ],
    [
      'another placement',
      { placement: 'Instance' },
      'placement Instance is not allowed here; use Shared or Event, or leave it out',
    ],
    [
      'another exposure',
      { exposure: { type: 'NodePort' } },
      'exposure.type NodePort is not allowed here; use None or HTTPRoute or Ingress',
    ],
    ['more cores', { resources: { cpu: '501m', memory: '64Mi' }, containers: [db] }, 'more than maxCpu'],
    ['more cores as a number', { resources: { cpu: 1.5, memory: '64Mi' } }, 'which is 1; ask for less'],
    ['more memory', { resources: { cpu: '100m', memory: '961Mi' }, containers: [db] }, 'more than maxMemory'],
    ['more storage', { ephemeralStorage: '769Mi', containers: [db] }, 'more than maxEphemeralStorage'],
  ])('refuses %s, and says what is allowed', async (_, change, message) => {
    expect(await template(change)).toEqual({ status: 422, message: expect.stringContaining(message) })
  })

  it('is nothing where a list is empty', async () => {
    await allow(
      { allowedCapabilities: '', allowedRegistries: ' ' },
      async () => (await template({})).status === 422,
    )
    expect((await template({})).message).toContain('is not from an allowed registry')
    await allow({ allowedCapabilities: '' }, async () => (await template({})).status === 201)
    const refused = await template({ capabilities: ['CHOWN'] })
    expect(refused.message).toContain('has CHOWN, which is not allowed here; remove it')
  })

  it.each([
    [{ maxCpu: 'two' }, 'has maxCpu "two", which is no quantity; correct it'],
    [{ maxCPU: '2' }, 'has the key maxCPU, which limits nothing; correct or remove it'],
  ])('is not guessed where the ConfigMap is wrong: %o', async (data, message) => {
    await allow(data as never, async () => (await template({})).message.includes(message))
  })

  it('is anything within the fixed rules where the ConfigMap is empty', async () => {
    await allow(
      {},
      async () => (await template({ placement: 'Instance', image: 'a.example.com/b' })).status === 201,
    )
    expect((await template({ capabilities: ['NET_ADMIN'] })).status).toBe(422)
    expect((await template({ resources: { cpu: '65', memory: '64Mi' } })).message).toContain('at most 64')
  })

  it('is nothing without the ConfigMap, but templates can be deleted, and an installation brings it back', async () => {
    expect((await template({}, 'kept', false)).status).toBe(201)
    await client.request('DELETE', objectPath(guardrails), {}, signal)
    await waitUntil('the refusal', 20_000, async () => (await template({})).status !== 201, signal)
    expect((await template({})).message).toMatch(/challenge-operator-guardrails.*no params found/)
    const path = `${collectionPath({ apiVersion, kind: 'ChallengeTemplate' }, namespace)}/kept`
    const request = {
      body: { metadata: { labels: { a: 'b' } } },
      contentType: 'application/merge-patch+json',
    }
    expect((await client.request('PATCH', path, request, signal)).status).toBe(422)
    expect((await client.request('DELETE', path, {}, signal)).status).toBe(200)
    const installed = await installManifests(client, { allowedRegistries: undefined }, signal)
    expect(installed).toContainEqual({ name: 'configmap/challenge-operator-guardrails', action: 'created' })
    await waitUntil(
      'templates to be accepted',
      20_000,
      async () => (await template({})).status === 201,
      signal,
    )
  })
})

describe('the policy for the accounts of the operator', () => {
  const own = { [labels.managedBy]: fieldManager }
  const marked = { ...own, [labels.instanceUid]: 'u' }
  const secret = (name: string, given: Record<string, string>) =>
    ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace, labels: given } }) as KubernetesObject
  const space = (name: string, given: Record<string, string>) =>
    ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: given } }) as KubernetesObject

  /** The status of a call, as one of the operator's accounts, on an object that an administrator made. */
  async function call(
    verb: 'POST' | 'PATCH' | 'DELETE',
    object: KubernetesObject,
    body?: object,
  ): Promise<number> {
    const path =
      verb === 'POST' ? collectionPath(object, object.metadata.namespace) : objectPath(referenceTo(object))
    const contentType = verb === 'PATCH' ? { contentType: 'application/merge-patch+json' } : {}
    const request = { ...(body && { body }), ...contentType, query: { dryRun: 'All' } }
    return (await account.request(verb, path, request, signal)).status
  }

  let account: KubernetesClient
  beforeAll(async () => {
    const connection = { kind: 'kubeconfig', path: await plane.kubeconfigOf('reconcile') } as const
    account = openClient({ connection, userAgent: 'challenge-operator/test (guardrails)' })
    const cluster = openCluster(client)
    for (const object of [
      secret('ours', own),
      secret('theirs', {}),
      secret('stripped', { [labels.instanceUid]: 'u' }),
      space('ours', own),
      space('theirs', {}),
    ])
      await cluster.create(object, signal)
    const inForce = async () => (await call('DELETE', secret('theirs', {}))) === 422
    await waitUntil('the policy', 20_000, inForce, signal)
  })
  afterAll(() => account?.close())

  it('lets them write and delete Secrets and namespaces with our label', async () => {
    for (const object of [secret('new', marked), space('new', own)])
      expect(await call('POST', object, object)).toBe(201)
    for (const object of [secret('ours', own), space('ours', own)]) {
      expect(await call('PATCH', object, { metadata: { annotations: { a: 'b' } } })).toBe(200)
      expect(await call('DELETE', object)).toBe(200)
    }
  })

  it('lets them put our label back on a Secret of an instance', async () => {
    expect(await call('PATCH', secret('stripped', {}), { metadata: { labels: marked } })).toBe(200)
  })

  it('refuses them any other Secret and namespace, also one that would get our label', async () => {
    for (const object of [secret('new', {}), space('new', {})])
      expect(await call('POST', object, object)).toBe(422)
    for (const object of [secret('theirs', {}), space('theirs', {})]) {
      expect(await call('PATCH', object, { metadata: { labels: own } })).toBe(422)
      expect(await call('DELETE', object)).toBe(422)
    }
    expect(await call('DELETE', secret('stripped', {}))).toBe(422)
  })

  it('leaves everybody else alone', async () => {
    expect((await create('v1', 'Secret', { metadata: { name: 'anyone' } })).status).toBe(201)
  })
})

it('a stored template with a refused image can still be patched and deleted', async () => {
  expect((await template({}, 'stored', false)).status).toBe(201)
  await installManifests(client, { allowedRegistries: ['other.example.com'] }, signal)
  await waitUntil('the new registries', 20_000, async () => (await template({})).status === 422, signal)
  const path = `${collectionPath({ apiVersion, kind: 'ChallengeTemplate' }, namespace)}/stored`
  const contentType = 'application/merge-patch+json'
  const patch = (body: object) => client.request('PATCH', path, { body, contentType }, signal)
  expect((await patch({ metadata: { labels: { a: 'b' } } })).status).toBe(200)
  expect((await patch({ spec: { ttlMinutes: 5 } })).status).toBe(422)
  expect((await client.request('DELETE', path, {}, signal)).status).toBe(200)
})
