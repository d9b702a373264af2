import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion, finalizer, group } from '../../../lib/crd/group.ts'
import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath, objectPath } from '../../../lib/kubernetes/client/paths.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { installManifests } from '../../../lib/kubernetes/install/install.ts'
import { checkSchema, crdKind, crdNames, versionMark } from '../../../lib/kubernetes/install/schema-check.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'
import { instance as anInstance } from '../../support/objects.ts'
import { badTemplates, instanceSpec, templateSpec } from './inputs.ts'
import { oldCrds } from './old-crds.ts'

// In their order: each begins with what the one before it left in the cluster.
const signal = AbortSignal.timeout(110_000)
const options = { namespaces: ['watched'], allowedRegistries: [] } as const
const kind = { apiVersion, kind: 'ChallengeInstance' } as const
let plane: ControlPlane
let client: KubernetesClient
let cluster: Cluster
let weak: KubernetesClient

beforeAll(async () => {
  plane = await startTestControlPlane({ full: false, users: [{ name: 'weak', groups: [] }] })
  const userAgent = 'challenge-operator/test (install)'
  client = openClient({ connection: { kind: 'kubeconfig', path: plane.kubeconfig }, userAgent })
  weak = openClient({ connection: { kind: 'kubeconfig', path: await plane.kubeconfigOf('weak') }, userAgent })
  cluster = openCluster(client)
  for (const name of ['watched', 'elsewhere'])
    await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, signal)
})
afterAll(async () => {
  await Promise.all([client?.close(), weak?.close()])
  await plane?.stop()
})

interface StoredCrd extends KubernetesObject {
  spec: { names: { shortNames: string[] }; versions: { additionalPrinterColumns: { name: string }[] }[] }
}

const install = async (given: Parameters<typeof installManifests>[1] = options) =>
  Object.groupBy(await installManifests(client, given, signal), ({ action }) => action)
const kindsOf = (each: { name: string }[] = []) => each.map(({ name }) => name.split('/')[0])
const instance = (name: string, namespace = 'watched', finalizers: string[] = []) =>
  anInstance({ metadata: { name, namespace, finalizers }, spec: instanceSpec })
const created = async (object: KubernetesObject) => {
  const answer = await cluster.create(object, signal)
  if (answer === 'exists') throw new Error(`${object.metadata.name} exists already`)
  return answer
}
const notServed = (text: string) =>
  expect.objectContaining({
    reason: 'SchemaOutdated',
    fate: 'permanent',
    message: expect.stringContaining(text),
  })

describe('what does a cluster with nothing, or with the old operator’s CRDs, become', () => {
  it('does the check refuse a cluster without CRDs, also to who may not read them', async () => {
    await expect(checkSchema(client, signal)).rejects.toEqual(
      notServed('is not installed; run "challenge-operator crds"'),
    )
    await expect(checkSchema(weak, signal)).rejects.toEqual(
      notServed('does not serve infra.ctf.example.com/v1alpha1'),
    )
  })

  it('does the check refuse the old operator’s CRDs', async () => {
    for (const crd of oldCrds)
      await client.request(
        'POST',
        collectionPath(crdKind),
        { body: crd, query: { fieldManager: 'kubectl-client-side-apply' } },
        signal,
      )
    const served = async () => (await client.request('GET', collectionPath(kind), {}, signal)).status === 200
    await waitUntil('the old CRDs', 20_000, served, signal)
    await expect(checkSchema(client, signal)).rejects.toEqual(notServed("is an older operator's"))
  })

  it('are they upgraded, taken over whole, and is what is stored of them kept', async () => {
    await created(instance('1-starts-with-a-digit'))
    await created(instance('fine'))
    const stored = { apiVersion, kind: 'ChallengeTemplate', metadata: { name: 'bad', namespace: 'watched' } }
    const [, , bad] = badTemplates.find(([what]) => what === 'an hmac flag without %s') ?? []
    await created({ ...stored, spec: { ...templateSpec, ...bad } } as KubernetesObject)

    const actions = await install()
    expect(kindsOf(actions.upgraded)).toEqual(['customresourcedefinition', 'customresourcedefinition'])
    expect(kindsOf(actions.created)).toContain('mutatingadmissionpolicy')
    const crd = await cluster.get<StoredCrd>({ ...crdKind, name: crdNames[1] }, signal)
    expect(crd?.spec.names.shortNames).toEqual(['cinst'])
    expect(crd?.spec.versions[0]?.additionalPrinterColumns.map(each => each.name)).not.toContain('Was')
    expect(Object.keys(crd?.metadata.annotations ?? {})).toEqual([versionMark])
    const names = []
    for await (const page of cluster.list(kind, { namespace: 'watched' }, signal))
      names.push(...page.map(({ metadata }) => metadata.name))
    expect(names).toEqual(['1-starts-with-a-digit', 'fine'])
    await checkSchema(client, signal)
    await waitUntil(
      'the new OpenAPI document',
      20_000,
      () =>
        checkSchema(weak, signal).then(
          () => true,
          () => false,
        ),
      signal,
    )
  })

  it('is a stored instance with a bad name patchable, its status writable, and deletable', async () => {
    const reference = { ...kind, namespace: 'watched', name: '1-starts-with-a-digit' }
    const add = { op: 'add', path: '/metadata/finalizers', value: [finalizer] } as const
    const patched = await cluster.patchJson<ChallengeInstance>(reference, [add], signal)
    if (!patched || patched === 'conflict') throw new Error('not patched')
    const status = { phase: 'Failed', reason: 'NameInvalid', observedGeneration: 1 } as const
    const written = await cluster.putStatus({ ...patched, ...kind, status }, signal)
    expect(written).toMatchObject({ status })
    expect(await cluster.delete(reference, {}, signal)).toBe('deleting')
    const remove = { op: 'remove', path: '/metadata/finalizers' } as const
    expect(await cluster.patchJson(reference, [remove], signal)).not.toBe('conflict')
    expect(await cluster.get(reference, signal)).toBeUndefined()
  })

  it('is a stored template that the schema refuses today patchable, as long as that part stays', async () => {
    const reference = { apiVersion, kind: 'ChallengeTemplate', namespace: 'watched', name: 'bad' }
    const operations = [{ op: 'add', path: '/spec/ttlMinutes', value: 60 } as const]
    expect(await cluster.patchJson(reference, operations, signal)).toMatchObject({ spec: { ttlMinutes: 60 } })
    expect(await cluster.delete(reference, {}, signal)).toBe('gone')
  })
})

describe('when is something written', () => {
  it('changes a second time nothing', async () => {
    expect(Object.keys(await install())).toEqual(['unchanged'])
  })

  it('changes another list of namespaces the finalizer’s policy, and other registries the templates’', async () => {
    const other = await install({ namespaces: ['elsewhere', 'watched'], allowedRegistries: [] })
    expect(other.upgraded).toEqual([
      { name: 'mutatingadmissionpolicy/challenge-operator-finalizer', action: 'upgraded' },
    ])
    const registries = await install({
      namespaces: ['watched', 'elsewhere'],
      allowedRegistries: ['registry.example.com'],
    })
    expect(registries.upgraded).toEqual([
      { name: 'validatingadmissionpolicy/challenge-operator-templates', action: 'upgraded' },
    ])
    await install()
  })

  it('keeps what is newer, policies too', async () => {
    const mark = (value: string) =>
      cluster.patchJson(
        { ...crdKind, name: crdNames[0] },
        [{ op: 'replace', path: `/metadata/annotations/${versionMark.replace('/', '~1')}`, value }],
        signal,
      )
    await mark('10')
    const actions = await install({ namespaces: '*', allowedRegistries: [] })
    expect(actions.kept?.map(({ name }) => name)).toEqual([
      `customresourcedefinition/${crdNames[0]}`,
      'mutatingadmissionpolicy/challenge-operator-finalizer',
    ])
    expect(actions.upgraded).toBeUndefined()
    await checkSchema(client, signal)
    await mark('1')
  })

  it('makes what is missing, and it is in force on return', async () => {
    for (const name of crdNames) await client.request('DELETE', objectPath({ ...crdKind, name }), {}, signal)
    const gone = async () => {
      const found = await Promise.all(crdNames.map(name => cluster.get({ ...crdKind, name }, signal)))
      return found.every(each => each === undefined)
    }
    await waitUntil('the CRDs to be gone', 20_000, gone, signal)
    const actions = await install()
    expect(kindsOf(actions.created)).toEqual(['customresourcedefinition', 'customresourcedefinition'])
    await expect(created(instance('1-again'))).rejects.toThrow(
      'refuses to create ChallengeInstance "1-again"',
    )
  })
})

describe('who gets the finalizer', () => {
  it('does an instance in a watched namespace, beside those that it came with', async () => {
    expect((await created(instance('alone'))).metadata.finalizers).toEqual([finalizer])
    const others = await created(instance('with-others', 'watched', ['example.com/other']))
    expect(others.metadata.finalizers?.toSorted()).toEqual(['example.com/other', finalizer])
    const twice = await created(instance('with-it', 'watched', [finalizer]))
    expect(twice.metadata.finalizers).toEqual([finalizer])
  })

  it('does none in another namespace, where nobody would take it off', async () => {
    expect((await created(instance('alone', 'elsewhere'))).metadata.finalizers).toBeUndefined()
  })

  it('does no instance again that loses it', async () => {
    const reference = { ...kind, namespace: 'watched', name: 'alone' }
    const remove = { op: 'remove', path: '/metadata/finalizers' } as const
    const patched = await cluster.patchJson(reference, [remove], signal)
    expect(patched).not.toMatchObject({ metadata: { finalizers: expect.anything() } })
  })

  it('does every instance where all namespaces are watched', async () => {
    await install({ namespaces: '*', allowedRegistries: [] })
    expect((await created(instance('other', 'elsewhere'))).metadata.finalizers).toEqual([finalizer])
  })
})

it('is it said to who may not install', async () => {
  await expect(installManifests(weak, options, signal)).rejects.toMatchObject({
    reason: 'Forbidden',
    message: expect.stringContaining(group),
  })
})
