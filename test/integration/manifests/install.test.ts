import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion, finalizer, group } from '../../../lib/crd/group.ts'
import type { KubernetesObject, ObjectReference } from '../../../lib/crd/objects.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath, objectPath } from '../../../lib/kubernetes/client/paths.ts'
import { createRetryingClient } from '../../../lib/kubernetes/client/retrying-client.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import type { FormerPolicy, Guardrails } from '../../../lib/kubernetes/install/guardrails.ts'
import { installManifests } from '../../../lib/kubernetes/install/install.ts'
import { contentHash } from '../../../lib/kubernetes/install/manifests.ts'
import { checkPolicies } from '../../../lib/kubernetes/install/policy-check.ts'
import { checkSchema, crdKind, crdNames, versionMark } from '../../../lib/kubernetes/install/schema-check.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { dateAdvice } from '../../../lib/lifetime.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'
import { instance as anInstance } from '../../support/objects.ts'
import { badTemplates, instanceSpec, templateSpec } from './inputs.ts'
import { oldCrds } from './old-crds.ts'

// The tests run in this order. Each one begins with what the one before it left in the cluster.
const signal = AbortSignal.timeout(110_000)
/** As without `OPERATOR_ALLOWED_REGISTRIES`. */
const options = { allowedRegistries: undefined }
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

/** The finalizer policy and its binding, as release 0.1 installed them. */
const former = parseAllDocuments(
  readFileSync(join(import.meta.dirname, 'release-0.1/finalizer.yaml'), 'utf8'),
).map(document => document.toJS() as KubernetesObject)
const formerApiVersion = 'admissionregistration.k8s.io/v1'

const templatePolicy = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  name: 'challenge-operator-templates',
}

const guardrails = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  namespace: 'kube-system',
  name: 'challenge-operator-guardrails',
}

/** The allowed registries in the cluster. */
const registries = async () => (await cluster.get<Guardrails>(guardrails, signal))?.data?.allowedRegistries

/** Changes an object as `kubectl edit` does. */
async function editByHand(reference: ObjectReference, body: object): Promise<void> {
  const query = { fieldManager: 'kubectl-edit' }
  const contentType = 'application/merge-patch+json'
  const answer = await client.request('PATCH', objectPath(reference), { body, contentType, query }, signal)
  expect(answer.status).toBe(200)
}

const writeByHand = (allowedRegistries: string | null) =>
  editByHand(guardrails, { data: { allowedRegistries } })

/** Answers as a cluster before Kubernetes 1.30 does, which does not serve policies. */
function withoutPolicies(served: KubernetesClient): KubernetesClient {
  return {
    ...served,
    close: () => served.close(),
    request: (verb, path, ...rest) =>
      path.includes('admissionpolic')
        ? served.request(
            'GET',
            path.replace('validating', 'unknown').replace('mutating', 'unknown'),
            {},
            signal,
          )
        : served.request(verb, path, ...rest),
  } as KubernetesClient
}

interface StoredCrd extends KubernetesObject {
  spec: { names: { shortNames: string[] }; versions: { additionalPrinterColumns: { name: string }[] }[] }
}

const install = async (given: Parameters<typeof installManifests>[1] = options) =>
  Object.groupBy(await installManifests(client, given, signal), ({ action }) => action)
/** More than the schema admits today, and more than an event may have. */
const manyNotes = Object.fromEntries(
  Array.from({ length: 10 }, (_, index) => [`n${index}`, 'x'.repeat(40_000)]),
)
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

describe('a cluster without CRDs, or with those of the older operator', () => {
  it('fails the check without CRDs, also for a user who may not read them', async () => {
    await expect(checkSchema(client, signal)).rejects.toEqual(
      notServed('is not installed; run "challenge-operator crds"'),
    )
    await expect(checkSchema(weak, signal)).rejects.toEqual(
      notServed('does not serve infra.ctf.example.com/v1alpha1'),
    )
  })

  it('fails the check with the CRDs of the older operator', async () => {
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

  it('is upgraded: the CRDs are taken over whole, and stored objects stay', async () => {
    await created(instance('1-starts-with-a-digit'))
    await created(instance('fine'))
    await created({
      ...instance('notes'),
      spec: { ...instanceSpec, annotations: manyNotes },
    } as KubernetesObject)
    await created({
      ...instance('dated'),
      spec: { ...instanceSpec, expiresAt: '2026-11-28T18:00:00+25:00' },
    } as KubernetesObject)
    const stored = { apiVersion, kind: 'ChallengeTemplate', metadata: { name: 'bad', namespace: 'watched' } }
    const [, , bad] = badTemplates.find(([what]) => what === 'an hmac flag without %s') ?? []
    await created({ ...stored, spec: { ...templateSpec, ...bad } } as KubernetesObject)
    const resources = { cpu: '500', memory: '64Mi' }
    const metadata = { name: 'large', namespace: 'watched' }
    await created({ ...stored, metadata, spec: { ...templateSpec, resources } } as KubernetesObject)

    const actions = await install()
    expect(kindsOf(actions.upgraded)).toEqual(['customresourcedefinition', 'customresourcedefinition'])
    expect(kindsOf(actions.created)).toContain('validatingadmissionpolicy')
    expect(kindsOf(actions.created)).not.toContain('mutatingadmissionpolicy')
    const crd = await cluster.get<StoredCrd>({ ...crdKind, name: crdNames[1] }, signal)
    expect(crd?.spec.names.shortNames).toEqual(['cinst'])
    expect(crd?.spec.versions[0]?.additionalPrinterColumns.map(each => each.name)).not.toContain('Was')
    expect(Object.keys(crd?.metadata.annotations ?? {})).toContain(versionMark)
    const names = []
    for await (const page of cluster.list(kind, { namespace: 'watched' }, signal))
      names.push(...page.map(({ metadata }) => metadata.name))
    expect(names).toEqual(['1-starts-with-a-digit', 'dated', 'fine', 'notes'])
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

  it('lets a stored instance with a bad name be patched, reported and deleted', async () => {
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

  it('lets a stored instance with more notes than the schema admits be patched elsewhere, and its notes shrink to what fits', async () => {
    const reference = { ...kind, namespace: 'watched', name: 'notes' }
    const renew = { op: 'add', path: '/spec/expiresAt', value: '2030-01-01T00:00:00Z' } as const
    const patched = await cluster.patchJson<ChallengeInstance>(reference, [renew], signal)
    if (!patched || patched === 'conflict') throw new Error('not patched')
    const status = { phase: 'Ready', observedGeneration: 1 } as const
    expect(await cluster.putStatus({ ...patched, ...kind, status }, signal)).toMatchObject({ status })
    const shrink = (length: number) =>
      ({ op: 'replace', path: '/spec/annotations', value: { a: 'x'.repeat(length) } }) as const
    // Kubernetes 1.36 quotes the notes before the sentence, so that both are cut off. 1.34 writes "object" in their place.
    await expect(cluster.patchJson(reference, [shrink(32_768)], signal)).rejects.toThrow(
      /spec\.annotations: (Invalid value|annotations has more than 32768 characters)/,
    )
    expect(await cluster.patchJson(reference, [shrink(32_767)], signal)).toMatchObject({ kind: kind.kind })
    expect(await cluster.delete(reference, {}, signal)).toBe('gone')
  })

  it('lets a stored instance whose end is no date be patched elsewhere, reported and renewed', async () => {
    const reference = { ...kind, namespace: 'watched', name: 'dated' }
    const add = { op: 'add', path: '/metadata/finalizers', value: ['example.com/hold'] } as const
    const suspend = { op: 'add', path: '/spec/suspend', value: true } as const
    const patched = await cluster.patchJson<ChallengeInstance>(reference, [add, suspend], signal)
    if (!patched || patched === 'conflict') throw new Error('not patched')
    const status = { phase: 'Idle', observedGeneration: 1 } as const
    expect(await cluster.putStatus({ ...patched, ...kind, status }, signal)).toMatchObject({ status })
    const renew = (value: string) => ({ op: 'replace', path: '/spec/expiresAt', value }) as const
    await expect(cluster.patchJson(reference, [renew('2026-11-29T18:00:00+25:00')], signal)).rejects.toThrow(
      dateAdvice,
    )
    const renewed = await cluster.patchJson(reference, [renew('2026-11-29T18:00:00Z')], signal)
    expect(renewed).toMatchObject({ kind: kind.kind })
    const release = { op: 'remove', path: '/metadata/finalizers' } as const
    await cluster.patchJson(reference, [release], signal)
    expect(await cluster.delete(reference, {}, signal)).toBe('gone')
  })

  it('lets a stored template that the schema refuses today be patched elsewhere, and deleted', async () => {
    const reference = { apiVersion, kind: 'ChallengeTemplate', namespace: 'watched', name: 'bad' }
    const operations = [{ op: 'add', path: '/spec/ttlMinutes', value: 60 } as const]
    expect(await cluster.patchJson(reference, operations, signal)).toMatchObject({ spec: { ttlMinutes: 60 } })
    expect(await cluster.delete(reference, {}, signal)).toBe('gone')
  })
})

it('lets a stored template that the policy refuses today be patched elsewhere, but not with another such value', async () => {
  const reference = { apiVersion, kind: 'ChallengeTemplate', namespace: 'watched', name: 'large' }
  const replace = (path: string, value: unknown) =>
    cluster.patchJson(reference, [{ op: 'add', path, value } as const], signal)
  // A policy is in force some time after its creation. Until then another value is stored each time.
  let cores = 600
  const refused = () =>
    replace('/spec/resources/cpu', String(++cores)).then(
      () => false,
      (thrown: Error) => thrown.message.includes(`write ${cores}m, or 500m for half a core`),
    )
  await waitUntil('the policy', 20_000, refused, signal)
  expect(await replace('/spec/ttlMinutes', 60)).toMatchObject({ spec: { ttlMinutes: 60 } })
})

describe('a repeated installation', () => {
  it('changes nothing', async () => {
    expect(Object.keys(await install())).toEqual(['unchanged'])
  })

  it('writes the registries that the options name, and keeps them if the options name none', async () => {
    expect(await registries()).toBeUndefined()
    const actions = await install({ allowedRegistries: ['registry.example.com/', 'docker.io/library'] })
    expect(actions.upgraded).toEqual([
      { name: 'configmap/challenge-operator-guardrails', action: 'upgraded' },
    ])
    expect(await registries()).toBe('docker.io/library, registry.example.com')
    expect(Object.keys(await install())).toEqual(['unchanged'])
    expect(await registries()).toBe('docker.io/library, registry.example.com')
    await install({ allowedRegistries: [] })
    expect(await registries()).toBeUndefined()
  })

  it('keeps what an administrator wrote when the policy of an earlier release is upgraded', async () => {
    await editByHand(guardrails, { data: { allowedRegistries: 'mine.example.com', maxCpu: '2' } })
    await editByHand(templatePolicy, { metadata: { annotations: { [contentHash]: 'older' } } })
    const { upgraded } = await install()
    expect(upgraded).toHaveLength(1)
    const found = await cluster.get<Guardrails>(guardrails, signal)
    expect(found?.data).toEqual({ allowedRegistries: 'mine.example.com', maxCpu: '2' })
    expect(Object.keys(await install())).toEqual(['unchanged'])
  })

  it('takes the registries over that a policy of an earlier build held itself', async () => {
    await cluster.delete(guardrails, {}, signal)
    const policy = await cluster.get<FormerPolicy>(templatePolicy, signal)
    const held = { name: 'allowedRegistries', expression: '["a.example.com","b.example.com/ctf"]' }
    const variables = [...(policy?.spec?.variables ?? []), held]
    await editByHand(templatePolicy, {
      metadata: { annotations: { [contentHash]: 'older' } },
      spec: { variables },
    })
    const actions = await install()
    expect(kindsOf(actions.created)).toEqual(['configmap'])
    expect(await registries()).toBe('a.example.com, b.example.com/ctf')
    const upgraded = await cluster.get<FormerPolicy>(templatePolicy, signal)
    expect(upgraded?.spec?.variables?.map(({ name }) => name)).not.toContain('allowedRegistries')
    await writeByHand(null)
  })

  it('leaves the policies as the check wants them, and the check names what differs', async () => {
    const check = () => checkPolicies(client, options, signal)
    expect(await check()).toEqual({ wrong: [], unserved: false, unreadable: false })
    const body = [{ op: 'remove', path: '/spec/validations/0' }]
    const patch = { body, contentType: 'application/json-patch+json' }
    await client.request('PATCH', objectPath(templatePolicy), patch, signal)
    const named = 'validatingadmissionpolicy/challenge-operator-templates'
    expect((await check()).wrong).toEqual([`${named} was changed by hand`])
    await client.request('DELETE', objectPath(templatePolicy), {}, signal)
    expect((await check()).wrong).toEqual([`${named} is missing`])
    await cluster.delete(guardrails, {}, signal)
    expect((await check()).wrong).toContain(
      'configmap/challenge-operator-guardrails is missing in kube-system, so no template is accepted',
    )
    await install()
    expect((await check()).wrong).toEqual([])
    const other = { allowedRegistries: ['registry.example.com'] }
    expect((await checkPolicies(client, other, signal)).wrong).toEqual([
      'configmap/challenge-operator-guardrails has other registries than OPERATOR_ALLOWED_REGISTRIES',
    ])
    expect(await checkPolicies(weak, options, signal)).toMatchObject({ unreadable: true })
    expect(await checkPolicies(withoutPolicies(client), options, signal)).toMatchObject({ unserved: true })
  })

  it('replaces registries that were written by hand if the options name others', async () => {
    await install({ allowedRegistries: ['registry.example.com'] })
    await writeByHand('mine.example.com')
    expect((await install({ allowedRegistries: ['registry.example.com'] })).upgraded).toHaveLength(1)
    expect(await registries()).toBe('registry.example.com')
    await install({ allowedRegistries: [] })
  })

  it('keeps newer CRDs, and the policies beside them', async () => {
    const mark = (value: string) =>
      cluster.patchJson(
        { ...crdKind, name: crdNames[0] },
        [{ op: 'replace', path: `/metadata/annotations/${versionMark.replace('/', '~1')}`, value }],
        signal,
      )
    await mark('10')
    const actions = await install({ allowedRegistries: ['registry.example.com'] })
    expect(actions.kept?.map(({ name }) => name)).toEqual([
      `customresourcedefinition/${crdNames[0]}`,
      'configmap/challenge-operator-guardrails',
    ])
    expect(actions.kept?.[1]?.remark).toContain('OPERATOR_ALLOWED_REGISTRIES is not in force')
    expect(await registries()).toBeUndefined()
    expect(actions.upgraded).toBeUndefined()
    await checkSchema(client, signal)
    await mark('1')
  })

  it('creates CRDs that are missing and returns when they are in force', async () => {
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

describe('the finalizer policy of release 0.1', () => {
  // A cluster that does not serve this kind cannot have the policy. That `crds` works there is the subject of the other tests.
  beforeEach(async context => {
    const collection = collectionPath({ apiVersion: formerApiVersion, kind: 'MutatingAdmissionPolicy' })
    const { status } = await client.request('GET', collection, {}, signal)
    if (status === 404) context.skip('Kubernetes before 1.36 serves no MutatingAdmissionPolicy of v1')
  })

  const named = (kind: string) => ({
    apiVersion: formerApiVersion,
    kind,
    name: 'challenge-operator-finalizer',
  })
  const apply = async (change: (object: KubernetesObject) => KubernetesObject = object => object) => {
    for (const object of former) await cluster.apply(change(object), signal)
  }

  it('is deleted with its binding, and the answer says so', async () => {
    await apply()
    const actions = await install()
    expect(Object.keys(actions).toSorted()).toEqual(['deleted', 'unchanged'])
    expect(actions.deleted).toEqual([
      expect.objectContaining({ name: 'mutatingadmissionpolicybinding/challenge-operator-finalizer' }),
      expect.objectContaining({ name: 'mutatingadmissionpolicy/challenge-operator-finalizer' }),
    ])
    for (const { kind } of former) expect(await cluster.get(named(kind), signal)).toBeUndefined()
    expect(Object.keys(await install())).toEqual(['unchanged'])
  })

  it('is kept and named if a user applied it', async () => {
    await apply(({ metadata, ...rest }) => ({ ...rest, metadata: { name: metadata.name ?? '' } }))
    const { kept = [] } = await install()
    expect(kept.map(each => each.remark)).toEqual(
      former
        .toReversed()
        .map(({ kind }) =>
          expect.stringContaining(`kubectl delete ${kind.toLowerCase()}/challenge-operator-finalizer`),
        ),
    )
    for (const { kind } of former) expect(await cluster.delete(named(kind), {}, signal)).toBe('gone')
  })

  it('does not keep the first instance after a restart of the API server from being stored', async () => {
    await apply()
    await plane.restartApiServer({}, signal)
    const { deleted } = await install()
    expect(deleted).toHaveLength(2)
    const patient = openCluster(createRetryingClient(client))
    // The API server may know the deleted policy for a moment longer, and then adds the finalizer.
    expect(await patient.apply(instance('soon', 'default'), signal)).toHaveProperty('metadata.uid')
  })
})

it('refuses registries that a cluster without policies could not enforce', async () => {
  const old = withoutPolicies(client)
  await expect(
    installManifests(old, { allowedRegistries: ['registry.example.com'] }, signal),
  ).rejects.toMatchObject({
    reason: 'OperatorMisconfigured',
    message: expect.stringContaining('cannot be enforced'),
  })
  for (const allowedRegistries of [[], undefined])
    expect((await installManifests(old, { allowedRegistries }, signal)).map(each => each.name)).toEqual(
      crdNames.map(name => `customresourcedefinition/${name}`).toSorted(),
    )
})

it('tells a user who may not install which right is missing', async () => {
  await expect(installManifests(weak, options, signal)).rejects.toMatchObject({
    reason: 'Forbidden',
    message: expect.stringContaining(group),
  })
})
