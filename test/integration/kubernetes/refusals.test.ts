import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { quotasIn } from '../../support/admin-objects.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'

const signal = AbortSignal.timeout(110_000)
let plane: ControlPlane
let client: KubernetesClient
let cluster: Cluster

// Without controllers, nothing but the test counts a quota, finishes a namespace or creates a pod.
beforeAll(async () => {
  plane = await startTestControlPlane({ full: false })
  const connection = { kind: 'kubeconfig', path: plane.kubeconfig } as const
  client = openClient({ connection, userAgent: 'challenge-operator/test (refusals)' })
  cluster = openCluster(client)
})

afterAll(async () => {
  await client?.close()
  await plane?.stop()
})

async function create(object: Record<string, unknown>): Promise<void> {
  await cluster.create(object as unknown as KubernetesObject, signal)
}

const namespaceNamed = (name: string, labels: Record<string, string> = {}) =>
  create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
const secret = (namespace: string, name = 'x') => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace, name },
})

/** Creates objects until the server refuses one. It learns of quotas and policies with a delay. */
async function refusal(namespace: string): Promise<unknown> {
  for (let tries = 0; tries < 200; tries++) {
    const thrown: unknown = await create(secret(namespace, `x-${tries}`)).catch(reason => reason)
    if (thrown !== undefined) return thrown
    await sleep(50)
  }
  throw new Error(`nothing was refused in namespace ${namespace}`)
}

describe('the error for a refusal of a real server', () => {
  it('is QuotaExceeded for a quota that is used up', async () => {
    await namespaceNamed('quota')
    const hard = { secrets: '1' }
    const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'event' }, spec: { hard } }
    const created = await client.request('POST', quotasIn('quota'), { body: quota }, signal)
    const counted = { ...(created.body as object), status: { hard, used: { secrets: '1' } } }
    const path = `${quotasIn('quota')}/event/status`
    expect((await client.request('PUT', path, { body: counted }, signal)).status).toBe(200)
    const refused = await refusal('quota')
    expect(refused).toMatchObject({
      reason: 'QuotaExceeded',
      fate: 'retryable',
      message: expect.stringContaining('exceeded quota: event, requested: secrets=1'),
    })
  })

  it('is NamespaceStuck for a namespace that is being deleted', async () => {
    await namespaceNamed('leaving')
    const reference = { apiVersion: 'v1', kind: 'Namespace', name: 'leaving' }
    expect(await cluster.delete(reference, {}, signal)).toBe('deleting')
    await expect(create(secret('leaving'))).rejects.toMatchObject({
      reason: 'NamespaceStuck',
      message: 'Cannot create Secret "x" in namespace "leaving": its namespace is being deleted.',
    })
  })

  it('is PodSecurityRefused for a violation of Pod Security', async () => {
    await namespaceNamed('secure', { 'pod-security.kubernetes.io/enforce': 'baseline' })
    const containers = [{ name: 'a', image: 'b', securityContext: { privileged: true } }]
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'secure', name: 'p' },
      spec: { containers },
    }
    await expect(create(pod)).rejects.toMatchObject({
      reason: 'PodSecurityRefused',
      message: expect.stringContaining('privileged'),
    })
  })

  it('is AdmissionRefused with the message of an admission policy', async () => {
    await namespaceNamed('policed')
    const admission = 'admissionregistration.k8s.io/v1'
    await create({
      apiVersion: admission,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'no-secrets' },
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'policed' } },
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] },
          ],
        },
        validations: [{ expression: 'false', message: 'no secrets here' }],
      },
    })
    await create({
      apiVersion: admission,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: 'no-secrets' },
      spec: { policyName: 'no-secrets', validationActions: ['Deny'] },
    })
    const refused = await refusal('policed')
    expect(refused).toMatchObject({
      reason: 'AdmissionRefused',
      message: expect.stringContaining('no secrets here'),
    })
  })

  it('is TemplateInvalid for an invalid field, without its value', async () => {
    await namespaceNamed('invalid')
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'invalid', name: 'x' },
      spec: { ports: [{ port: 70_000 }], selector: { app: 'flag{x}' } },
    }
    await expect(create(service)).rejects.toMatchObject({
      reason: 'TemplateInvalid',
      fate: 'permanent',
      message: expect.not.stringContaining('flag{x}'),
    })
  })
})
