import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dependentKinds } from '../../lib/crd/child-kinds.ts'
import { annotations, fieldManager, labels } from '../../lib/crd/group.ts'
import type { KubernetesObject, Stored } from '../../lib/crd/objects.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { objectPath } from '../../lib/kubernetes/client/paths.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { untilConsistent } from '../support/consistency.ts'
import { create, edit, remove } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { phaseOf, referenceTo } from '../support/operator.ts'
import { policyNameOf } from '../support/policies.ts'

let operator: FaultyOperator
/** The selectors of the lists of ReplicaSets and pods that reconcile has asked for. */
const lists: string[] = []

function counting(name: string, inner: KubernetesClient): KubernetesClient {
  if (name !== 'reconcile') return inner
  return {
    ...inner,
    request(method, path, request, signal) {
      if (method === 'GET' && /\/(replicasets|pods)$/.test(path))
        lists.push(String(request.query?.labelSelector))
      return inner.request(method, path, request, signal)
    },
  }
}

beforeAll(async () => {
  operator = await startFaultyOperator({ client: counting, challenges: ['web', 'slow'] })
  await create(operator, templateOf(operator.namespace, 'web'))
  // A pod of this image takes three seconds to end.
  await create(operator, templateOf(operator.namespace, 'slow', { image: 'trouble.example/slow-stop:1' }))
})
afterAll(() => operator?.stop())

async function serving(name: string, template = 'web'): Promise<string> {
  await create(operator, instanceOf(operator.namespace, name, template))
  await untilConsistent(operator, name, 'Ready')
  const found = await operator.cluster.getMetadata(
    referenceTo(operator, 'ChallengeInstance', name),
    operator.signal,
  )
  return found?.metadata.uid ?? ''
}

/** Reconcile leaves a paused instance as it is, so a Deployment that is gone stays so. */
async function pause(name: string): Promise<void> {
  const metadata = { annotations: { [annotations.paused]: 'true' } }
  await edit(operator, 'ChallengeInstance', name, { metadata })
  await phaseOf(operator, name, 'Ready', 'Paused')
}

/** `kubectl delete --cascade=orphan` */
async function deleteAlone(object: { apiVersion: string; kind: string; name: string }): Promise<void> {
  const { client, namespace, signal } = operator
  const path = objectPath({ ...object, namespace })
  await client.request('DELETE', path, { body: { propagationPolicy: 'Orphan' } }, signal)
  const isGone = async () => (await client.request('GET', path, {}, signal)).status === 404
  await waitUntil(`the end of ${object.kind} ${object.name}`, 20_000, isGone, signal)
}

async function dependentsOf(uid: string, kinds: readonly (typeof dependentKinds)[number][] = dependentKinds) {
  const options = { namespace: operator.namespace, labelSelector: `${labels.instanceUid}=${uid}` }
  const pages = kinds.map(kind =>
    Array.fromAsync(operator.cluster.list<KubernetesObject>(kind, options, operator.signal)),
  )
  return (await Promise.all(pages)).flat(2) as Stored<KubernetesObject>[]
}

const untilNoneOf = (uid: string) =>
  waitUntil(
    'the end of what was left',
    30_000,
    async () => (await dependentsOf(uid)).length === 0,
    operator.signal,
  )

describe('what a Deployment leaves that somebody deleted without its pods', () => {
  it('ends with its instance, and has its policy until then', async () => {
    const uid = await serving('orphaned', 'slow')
    const name = (await policyNameOf(operator, 'orphaned')) ?? 'none'
    await pause('orphaned')
    await deleteAlone({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'orphaned' })
    expect((await dependentsOf(uid)).map(({ kind }) => kind).toSorted()).toEqual(['Pod', 'ReplicaSet'])
    await remove(operator, 'ChallengeInstance', 'orphaned')
    const policy = referenceTo(operator, 'NetworkPolicy', name)
    let withoutPolicy = 0
    const isOver = async () => {
      const guarded = (await operator.cluster.getMetadata(policy, operator.signal)) !== undefined
      const left = await dependentsOf(
        uid,
        dependentKinds.filter(({ kind }) => kind === 'Pod'),
      )
      if (left.length > 0 && !guarded) withoutPolicy += 1
      return left.length === 0
    }
    await waitUntil('the end of the pod', 30_000, isOver, operator.signal)
    expect(withoutPolicy).toBe(0)
    await untilNoneOf(uid)
    await untilConsistent(operator, 'orphaned', 'gone')
  })

  it('ends with its instance also if the ReplicaSet was deleted alone too', async () => {
    const uid = await serving('podded')
    await pause('podded')
    await deleteAlone({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'podded' })
    const [replicaSet] = await dependentsOf(uid, [dependentKinds[0]])
    await deleteAlone({ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: replicaSet?.metadata.name ?? '' })
    await remove(operator, 'ChallengeInstance', 'podded')
    await untilConsistent(operator, 'podded', 'gone')
    expect(await dependentsOf(uid)).toEqual([])
  })

  it('ends after its instance, which lost our finalizer', async () => {
    const uid = await serving('lost')
    await pause('lost')
    await deleteAlone({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'lost' })
    await remove(operator, 'ChallengeInstance', 'lost')
    await edit(operator, 'ChallengeInstance', 'lost', { metadata: { finalizers: null } })
    await untilNoneOf(uid)
  })
})

describe('a ReplicaSet of an instance that nobody remembers', () => {
  const replicaSet = (name: string, uid: string, own: Record<string, string> = {}) => {
    const all = {
      app: name,
      [labels.managedBy]: fieldManager,
      [labels.instance]: name,
      [labels.instanceNamespace]: operator.namespace,
      [labels.instanceUid]: uid,
      ...own,
    }
    const containers = [{ name: 'web', image: 'registry.example.com/ctf/web:1' }]
    return {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name, labels: all },
      spec: {
        replicas: 1,
        selector: { matchLabels: all },
        template: { metadata: { labels: all }, spec: { containers } },
      },
    }
  }
  const exists = async (name: string) => {
    const reference = { apiVersion: 'apps/v1', kind: 'ReplicaSet', namespace: operator.namespace, name }
    return (await operator.cluster.getMetadata(reference, operator.signal)) !== undefined
  }

  it('is found by a resync, and is removed with its pods', async () => {
    const uid = randomUUID()
    await create(operator, replicaSet('forgotten', uid))
    const hasPod = async () => (await dependentsOf(uid)).length === 2
    await waitUntil('the pod', 20_000, hasPod, operator.signal)
    await operator.sweep({ resync: false }, operator.signal)
    await operator.sweep({ resync: true }, operator.signal)
    await untilNoneOf(uid)
  })

  it('is left alone if it has another uid, or no label of ours, or if its instance lives', async () => {
    const uid = await serving('living')
    const gone = randomUUID()
    await create(operator, replicaSet('living-extra', uid))
    await create(operator, replicaSet('strange', gone, { [labels.managedBy]: 'somebody' }))
    await create(operator, replicaSet('gone', gone))
    const passes = () => operator.passes.filter(({ causes }) => causes.includes('orphan')).length
    const before = passes()
    await operator.sweep({ resync: true }, operator.signal)
    await waitUntil('the end of the orphan', 30_000, async () => !(await exists('gone')), operator.signal)
    expect(passes()).toBeGreaterThan(before)
    expect([await exists('living-extra'), await exists('strange')]).toEqual([true, true])
  })
})

describe('a usual teardown', () => {
  /**
   * @returns whether it took two passes, before and after the end of the Deployment. On a busy machine a step may be
   * repeated, or a message may find the instance gone.
   */
  async function isUsual(name: string, uid: string): Promise<boolean> {
    await remove(operator, 'ChallengeInstance', name)
    await untilConsistent(operator, name, 'gone')
    expect(await dependentsOf(uid)).toEqual([])
    const passes = operator.passes.filter(pass => pass.name === name)
    const ending = passes.filter(({ causes }) => causes.includes('deleted') || causes.includes('retry'))
    return ending.length === 2 && ending.every(({ outcome }) => outcome === 'settled')
  }

  it('lists no ReplicaSets and no pods', { timeout: 120_000 }, async () => {
    let uid = await serving('usual-1')
    for (let tries = 1; !(await isUsual(`usual-${tries}`, uid)); tries++)
      uid = await serving(`usual-${tries + 1}`)
    expect(lists.length).toBeGreaterThan(0)
    expect(lists.filter(selector => selector.includes(uid))).toEqual([])
  })
})
