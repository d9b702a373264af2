import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { objectPath } from '../../../lib/kubernetes/client/paths.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'

const signal = AbortSignal.timeout(110_000)
let plane: ControlPlane
let client: KubernetesClient
let cluster: Cluster

// Without controllers: nobody counts a quota, finishes a namespace or makes a pod but we.
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
const configMap = (namespace: string, name = 'x') => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace, name },
})

/** Creates until the server, which learns of quotas and policies a moment late, refuses. */
async function refusal(namespace: string): Promise<unknown> {
  for (let tries = 0; tries < 200; tries++) {
    const thrown: unknown = await create(configMap(namespace, `x-${tries}`)).catch(reason => reason)
    if (thrown !== undefined) return thrown
    await sleep(50)
  }
  throw new Error(`nothing was refused in namespace ${namespace}`)
}

describe('is each refusal of the real server known', () => {
  it('a quota that is used up', async () => {
    await namespaceNamed('quota')
    const reference = { apiVersion: 'v1', kind: 'ResourceQuota', namespace: 'quota', name: 'event' }
    const hard = { configmaps: '1' }
    await create({ ...reference, metadata: { namespace: 'quota', name: 'event' }, spec: { hard } })
    const quota = await cluster.get(reference, signal)
    const body = { ...quota, status: { hard, used: { configmaps: '1' } } }
    expect((await client.request('PUT', `${objectPath(reference)}/status`, { body }, signal)).status).toBe(
      200,
    )
    const refused = await refusal('quota')
    expect(refused).toMatchObject({
      reason: 'QuotaExceeded',
      fate: 'retryable',
      message: expect.stringContaining('exceeded quota: event, requested: configmaps=1'),
    })
  })

  it('a namespace that is being deleted', async () => {
    await namespaceNamed('leaving')
    const reference = { apiVersion: 'v1', kind: 'Namespace', name: 'leaving' }
    expect(await cluster.delete(reference, {}, signal)).toBe('deleting')
    await expect(create(configMap('leaving'))).rejects.toMatchObject({
      reason: 'NamespaceStuck',
      message: 'Cannot create ConfigMap "x" in namespace "leaving": its namespace is being deleted.',
    })
  })

  it('Pod Security', async () => {
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

  it('an admission policy', async () => {
    await namespaceNamed('policed')
    const admission = 'admissionregistration.k8s.io/v1'
    await create({
      apiVersion: admission,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'no-maps' },
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'policed' } },
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
          ],
        },
        validations: [{ expression: 'false', message: 'no maps here' }],
      },
    })
    await create({
      apiVersion: admission,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: 'no-maps' },
      spec: { policyName: 'no-maps', validationActions: ['Deny'] },
    })
    const refused = await refusal('policed')
    expect(refused).toMatchObject({
      reason: 'AdmissionRefused',
      message: expect.stringContaining('no maps here'),
    })
  })

  it('fields that are invalid, without their values', async () => {
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
