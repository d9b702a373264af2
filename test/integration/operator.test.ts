import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { Deployment, NetworkPolicy, Pod, Secret, Service } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { childKindNames, platformRowsOf, untilConsistent } from '../support/consistency.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import {
  eventually,
  flagSecret,
  pepper,
  phaseOf,
  referenceTo,
  startTestOperator,
  type TestOperator,
} from '../support/operator.ts'
import { startOtlpReceiver } from '../support/otlp-receiver.ts'
import { policyNameOf, policyOf } from '../support/policies.ts'

let operator: TestOperator
let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>
beforeAll(async () => {
  receiver = await startOtlpReceiver()
  operator = await startTestOperator({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint } })
})
afterAll(async () => {
  await operator?.stop()
  receiver?.stop()
})

const get = <T extends { apiVersion: string; kind: string; metadata: object }>(kind: string, name: string) =>
  operator.cluster.get<T & never>(referenceTo(operator, kind, name), operator.signal) as Promise<
    T | undefined
  >
const create = (object: ReturnType<typeof templateOf> | ReturnType<typeof instanceOf>) =>
  operator.cluster.create(object as never, operator.signal)
describe('the life of an instance', () => {
  test('begins with a running workload, a row and two events', async () => {
    await create(templateOf(operator.namespace, 'web', { flagStrategy: { type: 'hmac-per-instance' } }))
    await create(instanceOf(operator.namespace, 'web-7', 'web'))
    const instance = await phaseOf(operator, 'web-7', 'Ready')
    const { status, metadata } = instance
    const uid = metadata.uid ?? ''
    expect(status).toMatchObject({
      url: `http://web-7.${operator.namespace}.svc.cluster.local:8080`,
      namespace: operator.namespace,
      cpuMillicores: 100,
      memMb: 64,
      observedGeneration: metadata.generation,
    })
    expect(status?.podName).toMatch(/^web-7-/)
    expect(status?.children?.map(child => child.kind).toSorted()).toEqual(childKindNames)
    expect(metadata.finalizers).toEqual(['infra.ctf.example.com/cleanup'])

    const secret = await get<Secret>('Secret', 'web-7')
    const digits = createHmac('sha256', flagSecret).update(uid).digest('hex').slice(0, 32)
    const flag = Buffer.from(Object.values(secret?.data ?? {})[0] ?? '', 'base64').toString()
    expect(flag).toBe(`flag{${digits}}`)
    expect(JSON.stringify(instance)).not.toContain(digits)

    const rows = await platformRowsOf(operator, 7, 'web')
    expect(rows).toMatchObject([{ status: 'running', endpoint_url: status?.url }])
    const own = async () => {
      const query = operator.database.selectFrom('challenge_operator.instance').selectAll()
      const [row] = await query.where('uid', '=', uid).execute()
      return row
    }
    // If the database is late for the first pass, a look at the pod writes the row first, without the hash.
    const hasHash = async () => (await own())?.flag_hmac !== null
    await waitUntil('the hash of the flag', 20_000, hasHash, operator.signal)
    expect(await own()).toMatchObject({
      phase: 'Ready',
      flag_hmac: createHmac('sha256', pepper).update(flag).digest('hex'),
    })
    await waitUntil('both events', 20_000, async () => operator.events(uid).length >= 2, operator.signal)
    expect(operator.events(uid)).toEqual(['instance.provisioning', 'instance.ready'])
  })

  test('is one trace: from the forwarder over the pass and its calls to the publication', async () => {
    const about = (name: string) =>
      receiver.spans.find(
        span =>
          span.name === name &&
          span.attributes['challenge_operator.key'] === `${operator.namespace}/web-7` &&
          [
            span.attributes['challenge_operator.cause'],
            span.attributes['challenge_operator.causes'],
          ].includes('changed'),
      )
    const spansOf = (traceId: string | undefined) => receiver.spans.filter(span => span.traceId === traceId)
    // The forwarder sends its spans every five seconds.
    const whole = async () => {
      const names = spansOf(about('send change')?.traceId).map(({ name }) => name)
      return ['reconcile pass', 'POST deployments', 'publish event'].every(name => names.includes(name))
    }
    await waitUntil('the spans of the creation', 30_000, whole, operator.signal)
    const sent = about('send change')
    const trace = spansOf(sent?.traceId)
    const pass = trace.find(
      ({ name, parentSpanId }) => name === 'reconcile pass' && parentSpanId === sent?.spanId,
    )
    const called = trace.filter(({ parentSpanId }) => parentSpanId === pass?.spanId)
    expect(sent?.service).toBe('challenge-operator-watch-forwarder')
    expect(pass).toMatchObject({
      service: 'challenge-operator-reconcile',
      attributes: {
        'challenge_operator.outcome': expect.any(String),
        'challenge_operator.calls': expect.anything(),
      },
    })
    const calls = called.filter(({ attributes }) => 'url.path' in attributes)
    expect(calls).toHaveLength(Number(pass?.attributes['challenge_operator.calls']))
    expect(calls.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['GET challengeinstances', 'POST deployments', 'PUT challengeinstances/status']),
    )
    expect(called.filter(({ name }) => name === 'publish event')).toContainEqual(
      expect.objectContaining({
        attributes: expect.objectContaining({ 'challenge_operator.event': 'instance.provisioning' }),
      }),
    )
    // Work lies within the work that led to it.
    for (const call of calls) expect(call.startedAt).toBeGreaterThanOrEqual((pass?.startedAt ?? 0) - 5)
    expect(JSON.stringify(receiver.requests)).not.toMatch(/flag\{|Bearer/)
  })

  test('is guarded by the default deny and a policy that it shares', async () => {
    const deny = await get<NetworkPolicy>('NetworkPolicy', 'challenge-operator-default-deny')
    expect(deny?.spec.policyTypes.toSorted()).toEqual(['Egress', 'Ingress'])
    const shared = await policyOf(operator, 'web-7')
    const instance = await get<ChallengeInstance>('ChallengeInstance', 'web-7')
    const pod = await get<Pod>('Pod', instance?.status?.podName ?? '')
    expect(pod?.metadata.labels).toMatchObject(shared?.spec.podSelector.matchLabels ?? { none: 'selected' })
    expect(shared?.metadata.ownerReferences).toBeUndefined()
    expect(await get('NetworkPolicy', 'web-7')).toBeUndefined()
  })

  test('ends with every child deleted and the row closed', async () => {
    const before = await get<ChallengeInstance>('ChallengeInstance', 'web-7')
    const uid = before?.metadata.uid ?? ''
    await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'web-7'), {}, operator.signal)
    await eventually(operator, 'ChallengeInstance', 'web-7', object => object === undefined)
    for (const kind of childKindNames) expect(await get(kind, 'web-7')).toBeUndefined()
    expect(await platformRowsOf(operator, 7, 'web')).toMatchObject([{ status: 'stopped' }])
    await waitUntil(
      'the last event',
      20_000,
      async () => operator.events(uid).at(-1) === 'instance.deleted',
      operator.signal,
    )
  })
})

test('an instance of team 0 runs, has our row, and has none on the platform', async () => {
  await create(instanceOf(operator.namespace, 'for-all', 'web', 0))
  await untilConsistent(operator, 'for-all', 'Ready')
  expect(await platformRowsOf(operator, 0, 'web')).toEqual([])
  const pod = await get<Deployment>('Deployment', 'for-all')
  expect(pod?.spec.template.spec.containers?.[0]?.env).toContainEqual({ name: 'TEAM_ID', value: '0' })
})

describe('a change of a running instance', () => {
  test('takes image, resources, environment and probe from an edited template', async () => {
    await create(templateOf(operator.namespace, 'edited'))
    await create(instanceOf(operator.namespace, 'edited-1', 'edited', 1))
    await phaseOf(operator, 'edited-1', 'Ready')
    const template = templateOf(operator.namespace, 'edited', {
      image: 'registry.example.com/ctf/web:2',
      resources: { cpu: '200m', memory: '128Mi' },
      env: [{ name: 'LEVEL', value: 'hard' }],
      readinessProbe: { httpGet: { path: '/healthz', port: 8080 } },
    })
    await operator.cluster.apply(template, operator.signal)
    const deployment = await eventually<Deployment>(
      operator,
      'Deployment',
      'edited-1',
      each => each?.spec.template.spec.containers[0]?.image === 'registry.example.com/ctf/web:2',
    )
    const [container] = deployment?.spec.template.spec.containers ?? []
    expect(container?.resources?.limits).toMatchObject({ cpu: '200m', memory: '128Mi' })
    expect(container?.env).toContainEqual({ name: 'LEVEL', value: 'hard' })
    expect(container?.readinessProbe?.httpGet).toMatchObject({ path: '/healthz' })
    expect(container?.readinessProbe?.tcpSocket).toBeUndefined()
    await phaseOf(operator, 'edited-1', 'Ready')
  })

  test('removes a variable that was removed from the instance', async () => {
    const spec = { env: { A: '1', B: '2' } }
    await create(instanceOf(operator.namespace, 'edited-2', 'edited', 2, spec))
    await phaseOf(operator, 'edited-2', 'Ready')
    const edit = instanceOf(operator.namespace, 'edited-2', 'edited', 2, { env: { A: '3' } })
    await operator.client.request(
      'PATCH',
      `/apis/infra.ctf.example.com/v1alpha1/namespaces/${operator.namespace}/challengeinstances/edited-2`,
      { body: { spec: { env: { ...edit.spec.env, B: null } } }, contentType: 'application/merge-patch+json' },
      operator.signal,
    )
    const env = (each: Deployment | undefined) => each?.spec.template.spec.containers[0]?.env ?? []
    await eventually<Deployment>(operator, 'Deployment', 'edited-2', each =>
      env(each).some(({ name, value }) => name === 'A' && value === '3'),
    )
    expect(env(await get<Deployment>('Deployment', 'edited-2')).map(({ name }) => name)).not.toContain('B')
  })

  test('creates a child again that was deleted by hand', async () => {
    const policy = (await policyNameOf(operator, 'edited-1')) ?? ''
    const made = { Deployment: 'edited-1', Service: 'edited-1', NetworkPolicy: policy }
    for (const [kind, name] of Object.entries(made)) {
      const old = await get(kind, name)
      expect(old).toBeDefined()
      await operator.cluster.delete(referenceTo(operator, kind, name), {}, operator.signal)
      const uid = (each: { metadata: object } | undefined) => (each?.metadata as { uid?: string })?.uid
      await eventually(operator, kind, name, each => each !== undefined && uid(each) !== uid(old))
    }
    await phaseOf(operator, 'edited-1', 'Ready')
  })

  test('corrects a child that was edited by hand', async () => {
    await operator.client.request(
      'PATCH',
      `/api/v1/namespaces/${operator.namespace}/services/edited-1`,
      {
        body: { spec: { selector: { app: 'another' } } },
        contentType: 'application/merge-patch+json',
        query: { fieldManager: 'kubectl-edit' },
      },
      operator.signal,
    )
    await eventually<Service>(
      operator,
      'Service',
      'edited-1',
      each => each?.spec.selector?.app === 'edited-1',
    )
  })
})

describe('an instance without its template', () => {
  test('waits for a template that is created later', async () => {
    await create(instanceOf(operator.namespace, 'early-1', 'late', 1))
    const waiting = await phaseOf(operator, 'early-1', 'Pending', 'TemplateMissing')
    expect(waiting.status?.message).toContain('"late"')
    await create(templateOf(operator.namespace, 'late'))
    await phaseOf(operator, 'early-1', 'Ready')
  })

  test('runs on after its template is deleted, and can be deleted', async () => {
    await operator.cluster.delete(referenceTo(operator, 'ChallengeTemplate', 'late'), {}, operator.signal)
    const left = await phaseOf(operator, 'early-1', 'Ready', 'TemplateMissing')
    expect(left.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Stalled', status: 'True', reason: 'TemplateMissing' }),
    )
    expect(await get('Deployment', 'early-1')).toBeDefined()
    await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'early-1'), {}, operator.signal)
    await eventually(operator, 'ChallengeInstance', 'early-1', object => object === undefined)
  })
})

describe('two instances of one team and challenge', () => {
  test('show the newest one in the platform row, and the older one after its deletion', async () => {
    await create(templateOf(operator.namespace, 'pwn'))
    await create(instanceOf(operator.namespace, 'pwn-old', 'pwn', 3))
    await phaseOf(operator, 'pwn-old', 'Ready')
    await new Promise(resolve => setTimeout(resolve, 1_100))
    await create(instanceOf(operator.namespace, 'pwn-new', 'pwn', 3))
    const newer = await phaseOf(operator, 'pwn-new', 'Ready')
    expect(await platformRowsOf(operator, 3, 'pwn')).toMatchObject([
      { endpoint_url: newer.status?.url, status: 'running' },
    ])
    await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'pwn-new'), {}, operator.signal)
    await eventually(operator, 'ChallengeInstance', 'pwn-new', object => object === undefined)
    const [row] = await platformRowsOf(operator, 3, 'pwn')
    expect(row).toMatchObject({ status: 'running' })
    expect(row?.endpoint_url).toContain('pwn-old.')
  })
})
