import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { Pod } from '../../lib/crd/objects.ts'
import type { ApiResponse } from '../../lib/kubernetes/client/http.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, referenceTo } from '../support/operator.ts'

/** Kubernetes takes 50 s to notice that a node does not answer, and a busy machine some more. */
const noticedMs = 120_000

const node = `ghost-${randomUUID().slice(0, 8)}`
const nodes = '/api/v1/nodes'
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
let operator: FaultyOperator

/** The pods of the operator run on a node of their own. Nothing answers for it, and no pod of another test gets there. */
beforeAll(async () => {
  await call('POST', leases, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: node },
    spec: {
      // The simulated kubelet leaves a node alone whose lease somebody else holds.
      holderIdentity: 'nobody',
      leaseDurationSeconds: 3_600,
      renewTime: new Date().toISOString().replace('Z', '000Z'),
    },
  })
  const capacity = { cpu: '10', memory: '16Gi', 'ephemeral-storage': '64Gi', pods: '10' }
  const at = new Date().toISOString()
  await call('POST', nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node, labels: { 'example.com/ghost': node } },
    spec: { taints: [{ key: 'example.com/ghost', effect: 'NoSchedule' }] },
    status: {
      capacity,
      allocatable: capacity,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          lastHeartbeatTime: at,
          lastTransitionTime: at,
        },
      ],
    },
  })
}, 60_000)

afterAll(async () => {
  await call('DELETE', `${nodes}/${node}`).catch(() => {})
  await call('DELETE', `${leases}/${node}`).catch(() => {})
  await operator?.stop()
})

async function call(method: string, path: string, body?: object, contentType?: string): Promise<ApiResponse> {
  operator ??= await startFaultyOperator({
    env: {
      OPERATOR_NODE_SELECTOR: `example.com/ghost=${node}`,
      OPERATOR_TOLERATIONS: 'example.com/ghost',
    },
  })
  const request = { ...(body ? { body } : {}), ...(contentType ? { contentType } : {}) }
  const response = await operator.client.request(method as 'POST', path, request, operator.signal)
  if (response.status >= 300)
    throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(response.body)}`)
  return response
}

async function podOn(name: string): Promise<Pod> {
  const { cluster, namespace, signal } = operator
  let found: Pod | undefined
  const isBound = async () => {
    const selection = { namespace, labelSelector: `app=${name}` }
    for await (const page of cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, selection, signal))
      found = page.find(each => each.spec?.nodeName === node)
    return found !== undefined
  }
  await waitUntil('a pod on the node', 30_000, isBound, signal)
  return found as Pod
}

/** Reports the pod as running, as the kubelet of its node would. */
async function reportRunning({ metadata, spec }: Pod): Promise<void> {
  const startedAt = new Date().toISOString()
  const containerStatuses = (spec?.containers ?? []).map(({ name, image }) => ({
    name,
    image,
    imageID: '',
    ready: true,
    started: true,
    restartCount: 0,
    state: { running: { startedAt } },
  }))
  const conditions = ['Initialized', 'ContainersReady', 'Ready'].map(type => ({ type, status: 'True' }))
  const path = `/api/v1/namespaces/${operator.namespace}/pods/${metadata.name}/status`
  const status = { phase: 'Running', startTime: startedAt, conditions, containerStatuses }
  await call('PATCH', path, { status }, 'application/merge-patch+json')
}

describe('an instance on a node that stops answering', () => {
  let pod: Pod

  test('says NodeLost as soon as Kubernetes has noticed', async () => {
    const { cluster, namespace, signal } = operator
    await cluster.create(templateOf(namespace, 'web'), signal)
    await cluster.create(instanceOf(namespace, 'lost', 'web', 1), signal)
    pod = await podOn('lost')
    await reportRunning(pod)
    await phaseOf(operator, 'lost', 'Ready')
    const told = await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      'lost',
      each => each?.status?.reason === 'NodeLost',
      noticedMs,
    )
    expect(told?.status).toMatchObject({ phase: 'Provisioning', podName: pod.metadata.name })
    const ready = told?.status?.conditions?.find(each => each.type === 'Ready')
    expect(ready).toMatchObject({ status: 'False', reason: 'NodeLost' })
  }, 200_000)

  test('keeps the reason after Kubernetes has given the pod up, and names the node in a teardown', async () => {
    const { cluster, namespace, signal, queues } = operator
    const reference = { apiVersion: 'v1', kind: 'Pod', namespace, name: pod.metadata.name ?? '' }
    expect(await cluster.delete(reference, {}, signal)).toBe('deleting')
    // The Deployment has another pod at once, which finds no node.
    const deployment = referenceTo(operator, 'Deployment', 'lost')
    const hasAnother = async () => {
      const names: string[] = []
      const selection = { namespace, labelSelector: 'app=lost' }
      for await (const page of cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, selection, signal))
        names.push(...page.map(each => each.metadata.name))
      return names.length === 2
    }
    await waitUntil('another pod', 30_000, hasAnother, signal)
    expect((await instanceCalled(operator, 'lost'))?.status?.reason).toBe('NodeLost')

    const { metadata } = (await instanceCalled(operator, 'lost')) as ChallengeInstance
    const { name = '', uid = '' } = metadata
    await cluster.delete(referenceTo(operator, 'ChallengeInstance', name), {}, signal)
    await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      name,
      each => each?.status?.phase === 'Terminating',
    )
    const at = new Date().toISOString()
    const change = {
      v: 1,
      namespace,
      name,
      uid,
      cause: 'drift',
      resourceVersion: '',
      attempt: 0,
      at,
    } as const
    // As sweeps do: a pass on a busy machine may not come to its end.
    let waiting: ChallengeInstance | undefined
    const isTold = async () => {
      await queues.changes.send([{ change, deduplicationId: randomUUID() }], signal)
      await new Promise(resolve => setTimeout(resolve, 2_000))
      waiting = await instanceCalled(operator, name)
      return waiting?.status?.phase === 'Terminating' && waiting.status.reason === 'NodeLost'
    }
    await waitUntil('a teardown that names the node', noticedMs, isTold, signal).catch(async thrown => {
      const selection = { namespace, labelSelector: 'app=lost' }
      const pods = await Array.fromAsync(
        cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, selection, signal),
      )
      throw new Error(JSON.stringify({ status: waiting?.status, pods: pods.flat() }), { cause: thrown })
    })
    expect(waiting?.status?.message).toContain(`Pod "${pod.metadata.name}" is on a node that does not answer`)
    expect(await cluster.get(deployment, signal)).toBeDefined()

    const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}`
    await call('DELETE', path, { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 })
    await eventually(operator, 'ChallengeInstance', name, each => each === undefined)
  }, 200_000)
})
