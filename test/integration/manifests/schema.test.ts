import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { apiVersion } from '../../../lib/crd/group.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { ApiResponse, KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../../lib/kubernetes/client/paths.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { applySamples, readSamples } from '../../../local/parts/samples.ts'
import { sharedControlPlane, testNamespace } from '../../support/shared-parts.ts'
import {
  badInstances,
  badTemplates,
  goodInstances,
  goodTemplates,
  instanceSpec,
  templateSpec,
} from './inputs.ts'

const samplesFolder = join(import.meta.dirname, '../../../manifests/samples')
const furtherSamples = ['exposure', 'placement'].flatMap(folder =>
  readdirSync(join(samplesFolder, folder)).map(file => `${folder}/${file}`),
)
const signal = AbortSignal.timeout(110_000)
let client: KubernetesClient
let namespace: string

beforeAll(async () => {
  const connection = { kind: 'kubeconfig', path: sharedControlPlane().kubeconfig } as const
  client = openClient({ connection, userAgent: 'challenge-operator/test (schema)' })
  namespace = (await testNamespace('schema')).name
})
afterAll(() => client.close())

function create(kind: string, name: string, spec: unknown, dryRun = true): Promise<ApiResponse> {
  const body = { apiVersion, kind, metadata: { name, namespace }, spec }
  const query = { fieldValidation: 'Strict', ...(dryRun && { dryRun: 'All' }) }
  return client.request('POST', collectionPath({ apiVersion, kind }, namespace), { body, query }, signal)
}

function messageOf({ body }: ApiResponse): string {
  return (body as { message?: string }).message ?? ''
}

describe('the schema of a template', () => {
  it.each(badTemplates)('refuses %s: %s', async (_, message, change) => {
    const response = await create('ChallengeTemplate', 'bad', { ...templateSpec, ...change })
    expect({ status: response.status, message: messageOf(response) }).toEqual({
      status: 422,
      message: expect.stringContaining(message),
    })
  })

  it.each(goodTemplates)('accepts %s', async (_, change) => {
    const response = await create('ChallengeTemplate', 'good', { ...templateSpec, ...change })
    expect([response.status, messageOf(response)]).toEqual([201, ''])
  })

  it('fills in its defaults, and no default that the configuration sets', async () => {
    const spec = {
      ...templateSpec,
      flagStrategy: { type: 'hmac-per-instance' },
      ports: [{ name: 'a', port: 1 }],
    }
    const { body } = await create('ChallengeTemplate', 'defaults', spec)
    expect((body as { spec: unknown }).spec).toEqual({
      ...spec,
      flagStrategy: { type: 'hmac-per-instance', envName: 'FLAG' },
      ports: [{ name: 'a', port: 1, protocol: 'TCP' }],
      idleTimeoutMinutes: 45,
      updateStrategy: 'Roll',
      podSecurity: 'hardened',
      writableRootFilesystem: true,
      ephemeralStorage: '256Mi',
    })
  })
})

describe('the schema of an instance', () => {
  it.each(badInstances)('refuses %s: %s', async (_, message, change) => {
    const response = await create('ChallengeInstance', 'bad', { ...instanceSpec, ...change })
    expect([response.status, messageOf(response)]).toEqual([422, expect.stringContaining(message)])
  })

  it.each(goodInstances)('accepts %s', async (_, change) => {
    const response = await create('ChallengeInstance', 'good', { ...instanceSpec, ...change })
    expect([response.status, messageOf(response)]).toEqual([201, ''])
  })

  it.each(['1st', 'a.b', 'a'.repeat(64), 'ends-'])(
    'refuses a name that no Service can have: %s',
    async name => {
      const response = await create('ChallengeInstance', name, instanceSpec)
      expect(response.status).toBe(422)
      expect(messageOf(response)).toMatch(/at most 63 lower-case letters|lowercase RFC 1123 subdomain/)
    },
  )

  it.each(['a', 'a-1', 'a'.repeat(63)])('accepts a name that a Service can have: %s', async name => {
    expect((await create('ChallengeInstance', name, instanceSpec)).status).toBe(201)
  })

  it.each([
    ['templateRef', { templateRef: 'other' }, 'templateRef cannot change; delete this instance'],
    ['owner', { owner: { teamId: 2, eventId: 1 } }, 'owner cannot change; delete this instance'],
  ])('refuses a later change of %s', async (field, change, message) => {
    const name = `fixed-${field.toLowerCase()}`
    expect((await create('ChallengeInstance', name, instanceSpec, false)).status).toBe(201)
    const path = `${collectionPath({ apiVersion, kind: 'ChallengeInstance' }, namespace)}/${name}`
    const contentType = 'application/merge-patch+json'
    const refused = await client.request('PATCH', path, { body: { spec: change }, contentType }, signal)
    expect([refused.status, messageOf(refused)]).toEqual([422, expect.stringContaining(message)])
    const renewal = { spec: { expiresAt: '2030-01-01T00:00:00Z', suspend: true } }
    expect((await client.request('PATCH', path, { body: renewal, contentType }, signal)).status).toBe(200)
  })
})

it('the samples apply twice, and change nothing the second time', async () => {
  const samples = await readSamples(namespace)
  expect([samples.templates.length, samples.instances.length]).toEqual([3, 4])
  const cluster = openCluster(client)
  const versions = () =>
    Promise.all(
      [...samples.templates, ...samples.instances].map(async ({ apiVersion, kind, metadata }) => {
        const found = await cluster.get({ apiVersion, kind, namespace, name: metadata.name ?? '' }, signal)
        return found?.metadata.resourceVersion
      }),
    )
  await applySamples(cluster, samples, signal)
  const before = await versions()
  await applySamples(cluster, samples, signal)
  expect(before).toEqual(before.map(() => expect.any(String)))
  expect(await versions()).toEqual(before)
})

it.each(furtherSamples)('the sample %s applies, without an unknown field', async file => {
  const text = await readFile(join(samplesFolder, file), 'utf8')
  for (const { kind, metadata, spec } of parseAllDocuments(text).map(each => each.toJS())) {
    const response = await create(kind, metadata.name, spec, false)
    expect([response.status, messageOf(response)]).toEqual([201, ''])
  }
})

it('the first template and instance of docs/deploy-aws.md are accepted, without an unknown field', async () => {
  const page = await readFile(join(samplesFolder, '../../docs/deploy-aws.md'), 'utf8')
  const [, text = ''] = /apply -f - <<'END'\n([\s\S]*?)\nEND\n/.exec(page) ?? []
  const objects = parseAllDocuments(text).map(each => each.toJS())
  expect(objects.map(({ kind }) => kind)).toEqual(['ChallengeTemplate', 'ChallengeInstance'])
  for (const { kind, metadata, spec } of objects) {
    const response = await create(kind, metadata.name, spec)
    expect([response.status, messageOf(response)]).toEqual([201, ''])
  }
})
