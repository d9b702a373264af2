import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { labels } from '../../lib/crd/group.ts'
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
  operator = await startFaultyOperator({ forwarder: false })
  forwarder = operator.startForwarder()
  stranger = operator.clientFor('stranger')
  const spec = { flagStrategy: { type: 'hmac-per-instance' } } as const
  await operator.cluster.create(templateOf(operator.namespace, 'web', spec), operator.signal)
})
afterAll(() => operator?.stop())

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
  async function madeByPython(name: string): Promise<void> {
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
    await createAs('kopf', deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata(name),
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: name } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
      },
    } as KubernetesObject)
    await createAs('kopf', services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(name),
      spec: { selector: { app: name }, ports: [{ port: 8080, targetPort: 8080 }] },
    } as KubernetesObject)
  }

  test('are kept and changed to the exact desired state, with one restart of the pod', async () => {
    await madeByPython('old-2')
    await waitUntil('the old pod', 20_000, async () => (await podsOf('old-2')).length === 1, operator.signal)
    const [oldPod] = await podsOf('old-2')
    const uids = await Promise.all([uidOf('Deployment', 'old-2'), uidOf('Service', 'old-2')])

    await create('old-2', 2)
    await create('new-3', 3)
    await Promise.all([
      untilConsistent(operator, 'old-2', 'Ready'),
      untilConsistent(operator, 'new-3', 'Ready'),
    ])
    expect(await Promise.all([uidOf('Deployment', 'old-2'), uidOf('Service', 'old-2')])).toEqual(uids)

    const [adopted, fresh] = await Promise.all([desiredOf('old-2'), desiredOf('new-3')])
    expect(adopted).toEqual(fresh)
    const deployment = await operator.cluster.get<Deployment>(
      referenceTo(operator, 'Deployment', 'old-2'),
      operator.signal,
    )
    const pods = await podsOf('old-2')
    expect(pods.map(pod => pod.metadata.uid)).not.toContain(oldPod?.metadata.uid)
    expect(pods).toHaveLength(1)
    // One revision is the older operator's, the other one that of the take-over.
    expect(deployment?.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('2')
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
