import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersion, fieldManager, labels } from '../../../lib/crd/group.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../../lib/kubernetes/client/paths.ts'
import { installManifests } from '../../../lib/kubernetes/install/install.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { createAsAdmin } from '../../support/admin-objects.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'
import { templateSpec } from './inputs.ts'

const signal = AbortSignal.timeout(110_000)
const namespace = 'default'
let plane: ControlPlane
let client: KubernetesClient

beforeAll(async () => {
  plane = await startTestControlPlane({ full: false })
  const connection = { kind: 'kubeconfig', path: plane.kubeconfig } as const
  client = openClient({ connection, userAgent: 'challenge-operator/test (guardrails)' })
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } }
  await createAsAdmin(client, account, signal)
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

async function create(group: string, kind: string, object: object, dryRun = true) {
  const body = { apiVersion: group, kind, ...object }
  const path = collectionPath({ apiVersion: group, kind }, namespace)
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
    dryRun,
  )
}

function podOf(pod: object, container: object, own: boolean) {
  const podLabels = { app: 'a', ...(own && { [labels.managedBy]: fieldManager }) }
  const spec = { containers: [{ name: 'a', image: 'a', ...container }], ...pod }
  return { metadata: { name: 'guarded', labels: podLabels }, spec }
}

function deployment(pod: object, container: object = {}, own = true) {
  const { metadata, spec } = podOf(pod, container, own)
  const selector = { matchLabels: { app: 'a' } }
  return create('apps/v1', 'Deployment', { metadata, spec: { selector, template: { metadata, spec } } })
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
    expect(await deployment(pod, container, false)).toEqual({ status: 201, message: '' })
    expect(await create('v1', 'Pod', podOf(pod, container ?? {}, false))).toEqual({
      status: 201,
      message: '',
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
