import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion, finalizer, group, managedBySelector } from '../../../lib/crd/group.ts'
import type { KubernetesObject, Secret, Stored } from '../../../lib/crd/objects.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'
import { instance as anInstance } from '../../support/objects.ts'
import { startFront } from './front.ts'

const userAgent = 'challenge-operator/test (cluster)'
const signal = AbortSignal.timeout(110_000)
let plane: ControlPlane
let client: KubernetesClient
let cluster: Cluster
let weak: KubernetesClient
let name: string
let count = 0

/** The part of the CRD that a status needs. Other tests cover the real schema. */
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `challengeinstances.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'challengeinstances', kind: 'ChallengeInstance' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['templateRef'],
                'x-kubernetes-preserve-unknown-fields': true,
              },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
}

beforeAll(async () => {
  plane = await startTestControlPlane({ full: false, users: [{ name: 'weak', groups: [] }] })
  client = openClient({ connection: { kind: 'kubeconfig', path: plane.kubeconfig }, userAgent })
  weak = openClient({ connection: { kind: 'kubeconfig', path: await plane.kubeconfigOf('weak') }, userAgent })
  cluster = openCluster(client)
  await cluster.create(definition as never, signal)
  for (let served = false; !served; ) {
    const response = await client.request('GET', `/apis/${apiVersion}/challengeinstances`, {}, signal)
    served = response.status === 200
  }
})

afterAll(async () => {
  await client?.close()
  await weak?.close()
  await plane?.stop()
})

beforeEach(() => {
  count += 1
  name = `object-${count}`
})

const namespace = 'default'
const secret = (data: Record<string, string> = {}): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace, name },
  data,
})
const reference = () => ({ apiVersion: 'v1', kind: 'Secret', namespace, name })
const instance = () => anInstance({ metadata: { namespace, name, finalizers: [finalizer] } })

describe('get', () => {
  it('is undefined for a missing object, also in a missing namespace', async () => {
    expect(await cluster.get(reference(), signal)).toBeUndefined()
    expect(await cluster.get({ ...reference(), namespace: 'nowhere' }, signal)).toBeUndefined()
  })

  it('fails for a kind that the cluster does not serve', async () => {
    const request: KubernetesClient['request'] = (method, path, ...rest) =>
      client.request(method, path.replace('/api/v1/', '/apis/not-served.example.com/v1/'), ...rest)
    const answer = openCluster({ ...client, request }).get(reference(), signal)
    await expect(answer).rejects.toMatchObject({ reason: 'SchemaOutdated' })
  })

  it('from the cache returns the version that a deletion may name', async () => {
    expect(await cluster.getCached(reference(), signal)).toBeUndefined()
    await cluster.create(secret(), signal)
    const seen = () => cluster.getCached(reference(), signal)
    await expect.poll(seen, { timeout: 20_000 }).toMatchObject({ kind: 'Secret', metadata: { name } })
    const resourceVersion = (await seen())?.metadata.resourceVersion ?? ''
    expect(await cluster.delete(reference(), { resourceVersion }, signal)).toBe('gone')
  })

  it('of metadata returns no values', async () => {
    await cluster.create(secret({ key: 'ZmxhZw==' }), signal)
    const metadata = await cluster.getMetadata(reference(), signal)
    expect(metadata).toMatchObject({ apiVersion: 'v1', kind: 'Secret', metadata: { name } })
    expect(metadata).not.toHaveProperty('data')
  })
})

describe('create and apply', () => {
  it('returns "exists" for a second create', async () => {
    expect(await cluster.create(secret(), signal)).toMatchObject({ kind: 'Secret', metadata: { name } })
    expect(await cluster.create(secret(), signal)).toBe('exists')
  })

  it('write with our field manager', async () => {
    await cluster.create(secret({ a: 'YQ==' }), signal)
    const applied = await cluster.apply(secret({ b: 'Yg==' }), signal)
    expect(applied.metadata.managedFields?.map(({ manager, operation }) => [manager, operation])).toEqual([
      ['challenge-operator', 'Apply'],
      ['challenge-operator', 'Update'],
    ])
  })

  it('leave only the applied fields after an apply over our own create', async () => {
    const created = (await cluster.create(secret({ a: 'YQ==' }), signal)) as Stored<Secret>
    expect((await cluster.apply(secret({ b: 'Yg==' }), signal)).data).toEqual({ a: 'YQ==', b: 'Yg==' })
    // `created` is outdated by now. The patch meets a conflict and reads the object again.
    expect((await cluster.applyOver<Secret>(created, secret({ c: 'Yw==' }), signal)).data).toEqual({
      c: 'Yw==',
    })
  })

  it('refuse an apply over an object that another one has replaced', async () => {
    const created = (await cluster.create(secret(), signal)) as Stored<Secret>
    await cluster.delete(reference(), {}, signal)
    await cluster.create(secret({ other: 'YQ==' }), signal)
    await expect(cluster.applyOver(created, secret(), signal)).rejects.toMatchObject({ fate: 'retryable' })
    expect(await cluster.get<Secret>(reference(), signal)).toMatchObject({ data: { other: 'YQ==' } })
  })

  it('name a missing namespace', async () => {
    const lost = { ...secret(), metadata: { name, namespace: 'nowhere' } }
    await expect(cluster.create(lost, signal)).rejects.toMatchObject({ reason: 'NamespaceStuck' })
  })

  it.each(['create', 'apply'] as const)(
    'fail permanently for an object that a template made invalid (%s)',
    async verb => {
      const deployment = {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { namespace, name },
        spec: {
          selector: { matchLabels: { app: name } },
          template: {
            metadata: { labels: { app: name } },
            spec: { containers: [{ name: 'a', image: 'b', resources: { limits: { cpu: 'lots' } } }] },
          },
        },
      }
      const write = { create: cluster.create, apply: cluster.apply }[verb] as (
        object: KubernetesObject,
        signal: AbortSignal,
      ) => Promise<unknown>
      await expect(write(deployment as KubernetesObject, signal)).rejects.toMatchObject({
        reason: 'TemplateInvalid',
        fate: 'permanent',
      })
    },
  )

  it('name a missing right', async () => {
    await expect(openCluster(weak).create(secret(), signal)).rejects.toMatchObject({
      reason: 'Forbidden',
      message: expect.stringMatching(/User "weak" cannot create resource "secrets"/),
    })
  })
})

describe('patchJson', () => {
  const labelled = (value: string) => ({ op: 'add' as const, path: '/metadata/labels', value: { a: value } })

  it('returns the new object', async () => {
    await cluster.create(secret(), signal)
    expect(await cluster.patchJson(reference(), [labelled('b')], signal)).toMatchObject({
      metadata: { labels: { a: 'b' } },
    })
  })

  it.each([
    ['a test that fails', { op: 'test' as const, path: '/metadata/resourceVersion', value: '1' }],
    ['a path that is not there', { op: 'remove' as const, path: '/metadata/finalizers' }],
  ])('returns "conflict" for %s', async (_name, operation) => {
    await cluster.create(secret(), signal)
    expect(await cluster.patchJson(reference(), [operation], signal)).toBe('conflict')
  })

  it('is undefined for a missing object, and fails if the result is invalid', async () => {
    expect(await cluster.patchJson(reference(), [labelled('b')], signal)).toBeUndefined()
    await cluster.create(secret(), signal)
    await expect(cluster.patchJson(reference(), [labelled('b b')], signal)).rejects.toMatchObject({
      reason: 'Internal',
    })
  })
})

describe('delete', () => {
  it('returns "gone" at once and for a missing object', async () => {
    await cluster.create(secret(), signal)
    expect(await cluster.delete(reference(), {}, signal)).toBe('gone')
    expect(await cluster.delete(reference(), {}, signal)).toBe('gone')
  })

  it('leaves a successor with another uid alone', async () => {
    await cluster.create(secret(), signal)
    expect(await cluster.delete(reference(), { uid: 'another' }, signal)).toBe('gone')
    expect(await cluster.get(reference(), signal)).toBeDefined()
  })

  it('returns "conflict" if the object was written after it was read', async () => {
    const created = (await cluster.create(instance(), signal)) as Stored<ChallengeInstance>
    const own = { apiVersion, kind: 'ChallengeInstance', namespace, name }
    const { uid, resourceVersion } = created.metadata
    const note = [{ op: 'add' as const, path: '/metadata/annotations', value: { note: 'x' } }]
    const patched = (await cluster.patchJson(own, note, signal)) as Stored<ChallengeInstance>
    expect(await cluster.delete(own, { uid, resourceVersion }, signal)).toBe('conflict')
    expect(await cluster.delete(own, { uid: 'another', resourceVersion }, signal)).toBe('gone')
    expect((await cluster.get(own, signal))?.metadata).not.toHaveProperty('deletionTimestamp')
    const current = { uid, resourceVersion: patched.metadata.resourceVersion }
    expect(await cluster.delete(own, current, signal)).toBe('deleting')
    expect(await cluster.delete(own, { uid, resourceVersion }, signal)).toBe('conflict')
  })

  it('returns "deleting" while a finalizer or dependents keep the object', async () => {
    await cluster.create(instance(), signal)
    const own = { apiVersion, kind: 'ChallengeInstance', namespace, name }
    expect(await cluster.delete(own, {}, signal)).toBe('deleting')
    await cluster.create(secret(), signal)
    expect(await cluster.delete(reference(), { propagation: 'Foreground' }, signal)).toBe('deleting')
  })
})

describe('putStatus', () => {
  it('changes only the status', async () => {
    const created = (await cluster.create(instance(), signal)) as ChallengeInstance
    const status = { phase: 'Pending', message: 'x' } as NonNullable<ChallengeInstance['status']>
    const written = await cluster.putStatus({ ...created, status }, signal)
    expect(written).toMatchObject({ status, spec: created.spec })
    expect((written as ChallengeInstance).metadata).toMatchObject({ finalizers: [finalizer], generation: 1 })
  })

  it('returns "conflict" for a newer version or another uid, and undefined for a missing object', async () => {
    const created = (await cluster.create(instance(), signal)) as ChallengeInstance
    const stated = { ...created, status: { phase: 'Pending' } } as ChallengeInstance
    await cluster.putStatus(stated, signal)
    expect(
      await cluster.putStatus({ ...stated, status: { phase: 'Ready' } } as ChallengeInstance, signal),
    ).toBe('conflict')
    const other = { ...stated, metadata: { ...stated.metadata, uid: 'another' } }
    expect(await cluster.putStatus(other, signal)).toBe('conflict')
    const absent = { ...stated, metadata: { ...stated.metadata, name: 'absent' } }
    expect(await cluster.putStatus(absent, signal)).toBeUndefined()
  })
})

describe('list', () => {
  it('yields pages of selected objects with their kind, and metadata without values', async () => {
    const space = 'listed'
    await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: space } }, signal)
    const labels = { 'app.kubernetes.io/managed-by': 'challenge-operator' }
    const make = (i: number) =>
      cluster.create(
        { ...secret({ a: 'YQ==' }), metadata: { namespace: space, name: `s-${i}`, labels } },
        signal,
      )
    for (let i = 0; i < 510; i += 10) await Promise.all(Array.from({ length: 10 }, (_, j) => make(i + j)))
    await cluster.create({ ...secret(), metadata: { namespace: space, name: 'unselected' } }, signal)
    const pages: KubernetesObject[][] = []
    const options = { namespace: space, labelSelector: managedBySelector, metadataOnly: true }
    for await (const page of cluster.list({ apiVersion: 'v1', kind: 'Secret' }, options, signal))
      pages.push(page)
    expect(pages.map(page => page.length)).toEqual([500, 10])
    expect(new Set(pages.flat().map(each => `${each.apiVersion} ${each.kind}`))).toEqual(
      new Set(['v1 Secret']),
    )
    expect(JSON.stringify(pages)).not.toContain('YQ==')
  })

  it('throws when its version expires half-way', async () => {
    const front = await startFront(plane)
    const body = {
      kind: 'Status',
      code: 410,
      reason: 'Expired',
      message: 'The provided continue parameter is too old',
    }
    const page = secret()
    // A server always sends uid, resourceVersion and creationTimestamp.
    const stored = { uid: 'uid-1', resourceVersion: '1', creationTimestamp: '2026-11-21T08:00:00Z' }
    const items = [{ ...page, metadata: { ...page.metadata, ...stored } }]
    front.answer = url =>
      url.searchParams.has('continue')
        ? { status: 410, body }
        : {
            status: 200,
            body: { kind: 'SecretList', metadata: { continue: 'x', resourceVersion: '1' }, items },
          }
    const through = openClient({ connection: front.connection, userAgent })
    const listing = openCluster(through)
      .list({ apiVersion: 'v1', kind: 'Secret' }, {}, signal)
      [Symbol.asyncIterator]()
    expect((await listing.next()).value).toHaveLength(1)
    await expect(listing.next()).rejects.toMatchObject({ reason: 'ClusterUnavailable', fate: 'retryable' })
    await through.close()
    await front.stop()
  })
})
