import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations, labels } from '../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Service } from '../../lib/crd/objects.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { waitUntil } from '../../local/process/wait.ts'
import {
  childKindNames,
  childrenOf,
  instanceCalled,
  rowsOf,
  untilConsistent,
} from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, referenceTo } from '../support/operator.ts'

let operator: FaultyOperator
let stranger: KubernetesClient
let forwarder: { stop(): Promise<void> }

beforeAll(async () => {
  operator = await startFaultyOperator({ forwarder: false, client: failing })
  forwarder = operator.startForwarder()
  stranger = operator.client
  const spec = { flagStrategy: { type: 'hmac-per-instance' } } as const
  await operator.cluster.create(templateOf(operator.namespace, 'web', spec), operator.signal)
})
afterAll(() => operator?.stop())

/** The name of the Service whose next creation by reconcile fails. */
let failsToCreate: string | undefined

function failing(functionName: string, inner: KubernetesClient): KubernetesClient {
  if (functionName !== 'reconcile') return inner
  return {
    ...inner,
    async request(method, path, request, signal) {
      const { kind, metadata } = (request.body ?? {}) as Partial<KubernetesObject>
      const fails = method === 'POST' && kind === 'Service' && metadata?.name === failsToCreate
      if (!fails) return inner.request(method, path, request, signal)
      failsToCreate = undefined
      return { status: 500, body: { kind: 'Status', message: 'a fault of the test', code: 500 }, headers: {} }
    },
  }
}

/** Writes as another client, with another field manager. */
async function createAs(
  manager: string,
  collection: string,
  object: KubernetesObject,
): Promise<KubernetesObject> {
  const path = `${collection.replace('NS', operator.namespace)}?fieldManager=${manager}`
  const { status, body } = await stranger.request('POST', path, { body: object }, operator.signal)
  expect(status, JSON.stringify(body)).toBe(201)
  return body as KubernetesObject
}

const services = '/api/v1/namespaces/NS/services'
const deployments = '/apis/apps/v1/namespaces/NS/deployments'
const create = (name: string, team: number) =>
  operator.cluster.create(instanceOf(operator.namespace, name, 'web', team), operator.signal)
const uidOf = async (kind: string, name: string) =>
  (await operator.cluster.getMetadata(referenceTo(operator, kind, name), operator.signal))?.metadata.uid
const podsOf = async (name: string) => {
  const pods: KubernetesObject[] = []
  const options = { namespace: operator.namespace, labelSelector: `app=${name}` }
  for await (const page of operator.cluster.list({ apiVersion: 'v1', kind: 'Pod' }, options, operator.signal))
    pods.push(...page)
  return pods
}

describe('the objects of the older Python operator', () => {
  const metadata = (name: string) => ({ name, namespace: operator.namespace, labels: { app: name } })

  /** The objects as the builders of that operator made them. */
  async function madeByPython(name: string, kinds = ['Deployment', 'Service']): Promise<void> {
    const container = {
      name,
      image: 'registry.example.com/ctf/web:0',
      ports: [{ containerPort: 8080 }],
      env: [
        { name: 'TEAM_ID', value: '2' },
        { name: 'EVENT_ID', value: '1' },
        { name: 'OLD_ONLY', value: 'x' },
      ],
      resources: { requests: { cpu: '50m', memory: '32Mi' }, limits: { cpu: '50m', memory: '32Mi' } },
    }
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata(name),
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: name } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
      },
    } as KubernetesObject
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(name),
      spec: { selector: { app: name }, ports: [{ port: 8080, targetPort: 8080 }] },
    } as KubernetesObject
    if (kinds.includes('Deployment')) await createAs('kopf', deployments, deployment)
    if (kinds.includes('Service')) await createAs('kopf', services, service)
  }

  /** Creates an instance as that operator left it: with a phase, without conditions. No forwarder sees it before. */
  async function ofPython(name: string, template = 'web', annotations: Record<string, string> = {}) {
    const { cluster, namespace, signal } = operator
    const whole = instanceOf(namespace, name, template, 2)
    const created = await cluster.create({ ...whole, metadata: { ...whole.metadata, annotations } }, signal)
    if (created === 'exists') throw new Error(`${name} exists`)
    const url = `http://${name}.${namespace}.svc.cluster.local:8080`
    await cluster.putStatus({ ...created, status: { phase: 'Ready', url, namespace } }, signal)
  }

  const uidsOf = (name: string) => Promise.all([uidOf('Deployment', name), uidOf('Service', name)])

  /** Runs `arrange` before any forwarder can see its objects. */
  async function unseen(arrange: () => Promise<void>): Promise<void> {
    await forwarder.stop()
    await arrange()
    forwarder = operator.startForwarder()
  }

  const annotate = (name: string, value: Record<string, string>) =>
    operator.cluster.patchJson(
      referenceTo(operator, 'ChallengeInstance', name),
      [{ op: 'add', path: '/metadata/annotations', value }],
      operator.signal,
    )

  test('are kept and changed to the exact desired state, with one restart of the pod', async () => {
    let oldPod: KubernetesObject | undefined
    await unseen(async () => {
      await ofPython('old-2')
      await madeByPython('old-2')
      const hasPod = async () => (await podsOf('old-2')).length === 1
      await waitUntil('the old pod', 20_000, hasPod, operator.signal)
      oldPod = (await podsOf('old-2'))[0]
    })
    const uids = await uidsOf('old-2')
    await create('new-3', 3)
    await Promise.all([
      untilConsistent(operator, 'old-2', 'Ready'),
      untilConsistent(operator, 'new-3', 'Ready'),
    ])
    expect(await uidsOf('old-2')).toEqual(uids)
    expect((await instanceCalled(operator, 'old-2'))?.status).not.toHaveProperty('adopting')

    const [adopted, fresh] = await Promise.all([desiredOf('old-2'), desiredOf('new-3')])
    expect(adopted).toEqual(fresh)
    // A killed pod is Failed for a moment before it is gone. Its successor may be Ready by then.
    const onlySuccessor = async () => {
      const uidsOfPods = (await podsOf('old-2')).map(pod => pod.metadata.uid)
      return uidsOfPods.length === 1 && uidsOfPods[0] !== oldPod?.metadata.uid
    }
    await waitUntil('the end of the old pod', 20_000, onlySuccessor, operator.signal)
    // One revision is the older operator's, the other one that of the take-over.
    const deployment = await operator.cluster.get<Deployment>(
      referenceTo(operator, 'Deployment', 'old-2'),
      operator.signal,
    )
    expect(deployment?.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('2')
  })

  test('are taken over after a pause', async () => {
    await unseen(async () => {
      await ofPython('old-paused', 'web', { [annotations.paused]: 'true' })
      await madeByPython('old-paused')
    })
    const uids = await uidsOf('old-paused')
    const paused = await phaseOf(operator, 'old-paused', 'Pending', 'Paused')
    expect(paused.status).toMatchObject({ adopting: true })
    expect(paused.status).not.toHaveProperty('observedGeneration')
    await annotate('old-paused', {})
    await untilConsistent(operator, 'old-paused', 'Ready')
    expect(await uidsOf('old-paused')).toEqual(uids)
  })

  test('are taken over when a missing template comes', async () => {
    await unseen(async () => {
      await ofPython('old-late', 'late')
      await madeByPython('old-late')
    })
    const uids = await uidsOf('old-late')
    await phaseOf(operator, 'old-late', 'Pending', 'TemplateMissing')
    await operator.cluster.create(templateOf(operator.namespace, 'late'), operator.signal)
    await waitUntil(
      'the takeover',
      20_000,
      async () => (await instanceCalled(operator, 'old-late'))?.status?.phase === 'Ready',
      operator.signal,
    )
    expect(await uidsOf('old-late')).toEqual(uids)
    expect((await instanceCalled(operator, 'old-late'))?.status?.children).toHaveLength(2)
  })

  test('are taken over after half an adoption, once the other half is free', async () => {
    await unseen(async () => {
      await ofPython('old-half')
      await madeByPython('old-half', ['Service'])
      const containers = [{ name: 'db', image: 'registry.example.com/db:1' }]
      const selector = { app: 'old-half' }
      await createAs('helm', deployments, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: metadata('old-half'),
        spec: {
          selector: { matchLabels: selector },
          template: { metadata: { labels: selector }, spec: { containers } },
        },
      } as KubernetesObject)
    })
    const service = await uidOf('Service', 'old-half')
    const half = await phaseOf(operator, 'old-half', 'Failed', 'NameTaken')
    expect(half.status?.adopting).toBe(true)
    expect(half.status?.children?.map(child => child.kind)).toContain('Service')
    await operator.cluster.delete(referenceTo(operator, 'Deployment', 'old-half'), {}, operator.signal)
    await madeByPython('old-half', ['Deployment'])
    const uids = [await uidOf('Deployment', 'old-half'), service]
    await annotate('old-half', { [annotations.forceSync]: 'now' })
    await untilConsistent(operator, 'old-half', 'Ready')
    expect(await uidsOf('old-half')).toEqual(uids)
  })

  test('are taken over by a retry after the first pass failed', async () => {
    failsToCreate = 'old-retry'
    await unseen(async () => {
      await ofPython('old-retry')
      await madeByPython('old-retry')
    })
    const uids = await uidsOf('old-retry')
    await untilConsistent(operator, 'old-retry', 'Ready')
    expect(failsToCreate).toBeUndefined()
    expect(await uidsOf('old-retry')).toEqual(uids)
  })

  test('go with an instance that is deleted before they were taken over', async () => {
    await unseen(async () => {
      await ofPython('old-gone', 'web', { [annotations.paused]: 'true' })
      await madeByPython('old-gone')
    })
    await phaseOf(operator, 'old-gone', 'Pending', 'Paused')
    await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'old-gone'), {}, operator.signal)
    await untilConsistent(operator, 'old-gone', 'gone')
    expect(await uidsOf('old-gone')).toEqual([undefined, undefined])
  })

  /** The desired fields of Deployment and Service, without the values that differ between two instances. */
  async function desiredOf(name: string) {
    const found = (await childrenOf(operator, name)).filter(each =>
      ['Deployment', 'Service'].includes(each.kind),
    )
    const uid = (await instanceCalled(operator, name))?.metadata.uid ?? ''
    const team = name.split('-')[1]
    return found.map(each => {
      const { clusterIP, clusterIPs, ...spec } = each.spec as Record<string, unknown>
      const text = JSON.stringify({ kind: each.kind, labels: each.metadata.labels, spec })
      return JSON.parse(
        text
          .replaceAll(name, 'NAME')
          .replaceAll(uid, 'UID')
          .replace(/fingerprint":"[0-9a-f]+"/, 'fingerprint":"OF A FLAG"')
          .replaceAll(`"${labels.team}":"${team}"`, '"team":"TEAM"')
          .replaceAll(`"name":"TEAM_ID","value":"${team}"`, '"TEAM_ID":"TEAM"'),
      )
    })
  }
})

describe('the children of a predecessor of the same name', () => {
  test('are taken over with new labels, and the sweep closes the old row', async () => {
    await create('again', 1)
    await untilConsistent(operator, 'again', 'Ready')
    const before = await instanceCalled(operator, 'again')
    const uids = await Promise.all(childKindNames.map(kind => uidOf(kind, 'again')))
    await forwarder.stop()
    await leaveChildren('again')
    await create('again', 1)
    forwarder = operator.startForwarder()
    await waitUntil(
      'the successor in the children’s place',
      20_000,
      async () => (await instanceCalled(operator, 'again'))?.status?.phase === 'Ready',
      operator.signal,
    )
    await operator.sweep({ resync: true }, operator.signal)
    await untilConsistent(operator, 'again', 'Ready')
    const after = await instanceCalled(operator, 'again')
    expect(after?.metadata.uid).not.toBe(before?.metadata.uid)
    expect(await Promise.all(childKindNames.map(kind => uidOf(kind, 'again')))).toEqual(uids)
    for (const child of await childrenOf(operator, 'again'))
      expect(child.metadata.labels?.[labels.instanceUid]).toBe(after?.metadata.uid)
    const rows = await rowsOf(operator, 'again')
    expect(rows.filter(row => row.deleted_at === null).map(row => row.uid)).toEqual([after?.metadata.uid])
    expect(rows.filter(row => row.deleted_at !== null).map(row => row.uid)).toEqual([before?.metadata.uid])
  })

  /** Removes the instance but not its children, as a restore or a removed finalizer does. */
  async function leaveChildren(name: string): Promise<void> {
    const remove = (path: string) => [{ op: 'remove' as const, path }]
    for (const child of await childrenOf(operator, name))
      if (child.metadata.ownerReferences)
        await operator.cluster.patchJson(
          referenceTo(operator, child.kind, name),
          remove('/metadata/ownerReferences'),
          operator.signal,
        )
    const instance = referenceTo(operator, 'ChallengeInstance', name)
    await operator.cluster.patchJson(instance, remove('/metadata/finalizers'), operator.signal)
    await operator.cluster.delete(instance, {}, operator.signal)
  }
})

describe('objects that kubectl made, under the name of a new instance', () => {
  const labelled = (name: string) => ({ name, namespace: operator.namespace, labels: { app: name } })
  const versionOf = async (kind: string, name: string) =>
    (await operator.cluster.getMetadata(referenceTo(operator, kind, name), operator.signal))?.metadata
      .resourceVersion

  async function likeKubectlExpose(name: string): Promise<void> {
    await createAs('kubectl-expose', services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: labelled(name),
      spec: { selector: { app: name }, ports: [{ port: 8000, targetPort: 8000 }] },
    } as KubernetesObject)
  }

  async function likeKubectlCreateDeployment(name: string): Promise<void> {
    const selector = { app: name }
    const containers = [{ name, image: 'registry.example.com/ctfd/ctfd:3.7' }]
    await createAs('kubectl-create', deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: labelled(name),
      spec: {
        replicas: 1,
        selector: { matchLabels: selector },
        template: { metadata: { labels: selector }, spec: { containers } },
      },
    } as KubernetesObject)
  }

  test('are not touched, and outlive the instance', async () => {
    await likeKubectlCreateDeployment('ctfd')
    await likeKubectlExpose('ctfd')
    const before = await operator.cluster.get<Service>(
      referenceTo(operator, 'Service', 'ctfd'),
      operator.signal,
    )
    await create('ctfd', 1)
    const { status } = await phaseOf(operator, 'ctfd', 'Failed', 'NameTaken')
    expect(status?.message).toContain('Service "ctfd"')
    expect(status?.message).toContain('the user of "kubectl-expose"')
    expect(status?.message).not.toMatch(/delete/i)
    await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'ctfd'), {}, operator.signal)
    const isGone = async () => (await instanceCalled(operator, 'ctfd')) === undefined
    await waitUntil('the instance to be gone', 20_000, isGone, operator.signal)
    expect(await versionOf('Service', 'ctfd')).toBe(before?.metadata.resourceVersion)
    const deployment = await operator.cluster.get<Deployment>(
      referenceTo(operator, 'Deployment', 'ctfd'),
      operator.signal,
    )
    expect(deployment?.metadata.generation).toBe(1)
    expect(deployment?.spec.template.spec.containers[0]?.image).toBe('registry.example.com/ctfd/ctfd:3.7')
  })

  test('are not touched where they are younger than the instance', async () => {
    await annotatedInstance('billing', { [annotations.paused]: 'true' })
    await phaseOf(operator, 'billing', 'Pending', 'Paused')
    await likeKubectlExpose('billing')
    const before = await versionOf('Service', 'billing')
    await operator.cluster.patchJson(
      referenceTo(operator, 'ChallengeInstance', 'billing'),
      [{ op: 'remove', path: '/metadata/annotations' }],
      operator.signal,
    )
    await phaseOf(operator, 'billing', 'Failed', 'NameTaken')
    expect(await versionOf('Service', 'billing')).toBe(before)
  })

  async function annotatedInstance(name: string, value: Record<string, string>): Promise<void> {
    const whole = instanceOf(operator.namespace, name, 'web', 1)
    await operator.cluster.create(
      { ...whole, metadata: { ...whole.metadata, annotations: value } },
      operator.signal,
    )
  }
})

describe('an object of another owner with the name of a child', () => {
  test('is not changed and stalls the instance, which becomes Ready once the object is gone', async () => {
    const foreign = await createAs('helm', services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'taken', labels: { app: 'shop' } },
      spec: { selector: { app: 'shop' }, ports: [{ port: 80 }] },
    } as KubernetesObject)
    await create('taken', 7)
    const stalled = await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      'taken',
      each => each?.status?.reason === 'NameTaken',
    )
    expect(stalled?.status?.message).toContain('Service "taken"')
    expect(stalled?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Stalled', status: 'True', reason: 'NameTaken' }),
    )
    const service = await operator.cluster.get<Service>(
      referenceTo(operator, 'Service', 'taken'),
      operator.signal,
    )
    expect(service).toMatchObject({ metadata: { resourceVersion: foreign.metadata.resourceVersion } })

    await operator.cluster.delete(referenceTo(operator, 'Service', 'taken'), {}, operator.signal)
    const annotations = { 'infra.ctf.example.com/force-sync': 'now' }
    await operator.cluster.patchJson(
      referenceTo(operator, 'ChallengeInstance', 'taken'),
      [{ op: 'add', path: '/metadata/annotations', value: annotations }],
      operator.signal,
    )
    await phaseOf(operator, 'taken', 'Ready')
    await untilConsistent(operator, 'taken', 'Ready')
  })
})
