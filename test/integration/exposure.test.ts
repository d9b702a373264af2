import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import { annotations } from '../../lib/crd/group.ts'
import type { Ingress, KubernetesObject, Pod, Secret, Service, Stored } from '../../lib/crd/objects.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openStore } from '../../lib/store/open-store.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { createAsAdmin } from '../support/admin-objects.ts'
import { create, edit, remove } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'
import { testQueues } from '../support/shared-parts.ts'
import { sweepOnce } from '../support/sweeping.ts'

/** The cluster is shared by the files of a run, so the class has a name of its own. */
const className = `exposing-${process.pid}`
const readTimeout = 'nginx.ingress.kubernetes.io/proxy-read-timeout'

let operator: TestOperator
let queues: Awaited<ReturnType<typeof testQueues>>
beforeAll(async () => {
  queues = await testQueues()
  operator = await startTestOperator({
    queues,
    env: {
      OPERATOR_DOMAIN: 'play.example.com',
      OPERATOR_INGRESS_CLASS: className,
      OPERATOR_TLS_SECRET: `default/${className}`,
    },
  })
  await allowCertificate()
})
afterAll(async () => {
  await setClass('DELETE')
  await setCertificate('DELETE')
  await operator?.stop()
})

async function setClass(verb: 'POST' | 'DELETE'): Promise<void> {
  const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass' }
  const path = collectionPath(kind)
  const object = { ...kind, metadata: { name: className }, spec: { controller: 'example.com/controller' } }
  const { client, signal } = operator
  await (verb === 'POST'
    ? client.request('POST', path, { body: object }, signal)
    : client.request('DELETE', `${path}/${className}`, {}, signal))
}

/** The certificate of the organisers, in a namespace that the operator does not watch. */
async function setCertificate(verb: 'POST' | 'DELETE'): Promise<void> {
  const kind = { apiVersion: 'v1', kind: 'Secret' }
  const path = collectionPath(kind, 'default')
  const data = { 'tls.crt': '', 'tls.key': '' }
  const body = { ...kind, metadata: { name: className }, type: 'kubernetes.io/tls', data }
  const { client, signal } = operator
  await (verb === 'POST'
    ? client.request('POST', path, { body }, signal)
    : client.request('DELETE', `${path}/${className}`, {}, signal))
}

/** Gives the rights to read the certificate, as docs/operations.md says. */
async function allowCertificate(): Promise<void> {
  const metadata = { name: className, namespace: 'default' }
  const rules = [
    { apiGroups: [''], resources: ['secrets'], resourceNames: [className], verbs: ['get', 'list'] },
  ]
  const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules }
  await createAsAdmin(operator.client, role, operator.signal)
  for (const name of ['reconcile', 'sweep'])
    await operator.accounts.bindRole(name, { kind: 'Role', ...metadata })
}

/** Creates a template and an instance of it, both with this name. */
async function start(name: string, spec: Partial<ChallengeTemplateSpec>): Promise<void> {
  await create(operator, templateOf(operator.namespace, name, spec))
  await create(operator, instanceOf(operator.namespace, name, name))
}

const instanceWith = (name: string, isSo: (instance: ChallengeInstance) => boolean) =>
  eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    name,
    found => found !== undefined && isSo(found),
  ) as Promise<ChallengeInstance>

const exposed = ({ status }: ChallengeInstance) => status?.conditions?.find(({ type }) => type === 'Exposed')

const gone = (kind: string, name: string) => eventually(operator, kind, name, found => found === undefined)

const forceSync = (name: string) =>
  edit(operator, 'ChallengeInstance', name, {
    metadata: { annotations: { 'infra.ctf.example.com/force-sync': 'now' } },
  })

/** Writes the addresses as a controller does. */
async function setAddresses(object: KubernetesObject, addresses: object[]): Promise<void> {
  const { namespace, name } = object.metadata
  const path = `${collectionPath(object, namespace)}/${name}/status`
  const body = { status: { loadBalancer: { ingress: addresses } } }
  const contentType = 'application/merge-patch+json'
  const { status } = await operator.client.request('PATCH', path, { body, contentType }, operator.signal)
  expect(status).toBe(200)
}

describe('an Ingress', () => {
  it('waits for its class, then is the address of the instance', async () => {
    await start('web', { exposure: { type: 'Ingress', annotations: { [readTimeout]: '60' } } })
    const waiting = await phaseOf(operator, 'web', 'Provisioning', 'ExposureUnsupported')
    expect(waiting.status?.message).toContain(`no IngressClass "${className}"`)
    expect(waiting.status?.url).toContain('.svc.cluster.local')
    expect(exposed(waiting)).toMatchObject({ status: 'False', reason: 'ExposureUnsupported' })
    // The certificate does not exist yet, so players get the controller's own.
    const bare = await eventually<Ingress>(operator, 'Ingress', 'web', found => found !== undefined)
    expect(bare?.spec.tls).toEqual([{ hosts: [expect.stringMatching(/^web-/)] }])

    await setClass('POST')
    await setCertificate('POST')
    await forceSync('web')
    const { status } = await phaseOf(operator, 'web', 'Ready')
    const host = /^https:\/\/(web-[0-9a-f]{16}\.play\.example\.com)$/.exec(status?.url ?? '')?.[1]
    expect(host).toBeDefined()
    expect(status?.endpoints?.map(({ url }) => url)).toEqual([
      expect.stringContaining('.svc.cluster.local'),
      `https://${host}`,
    ])
    const ingress = await eventually<Ingress>(operator, 'Ingress', 'web', found => found !== undefined)
    expect(ingress?.spec).toMatchObject({
      ingressClassName: className,
      tls: [{ hosts: [host], secretName: expect.stringMatching(new RegExp(`^${className}-`)) }],
      rules: [{ host }],
    })
    const copy = await eventually<Secret>(
      operator,
      'Secret',
      ingress?.spec.tls?.[0]?.secretName ?? '',
      found => found !== undefined,
    )
    expect(copy?.type).toBe('kubernetes.io/tls')
  })

  it('is repaired after an edit by hand', async () => {
    await edit(operator, 'Ingress', 'web', { spec: { ingressClassName: 'another' } })
    await eventually<Ingress>(operator, 'Ingress', 'web', found => found?.spec.ingressClassName === className)
  })

  it.each([
    ['removed', null],
    ['changed', '1'],
  ])('has its annotation back after somebody has %s it, and keeps one of theirs', async (_, value) => {
    const theirs = { 'example.com/note': String(value) }
    const edited = { metadata: { annotations: { [readTimeout]: value, ...theirs } } }
    await edit(operator, 'Ingress', 'web', edited)
    const repaired = await eventually<Ingress>(
      operator,
      'Ingress',
      'web',
      found => found?.metadata.annotations?.[readTimeout] === '60',
    )
    expect(repaired?.metadata.annotations).toMatchObject(theirs)
  })

  it('gives way to another exposure, and nothing of it is left', async () => {
    await edit(operator, 'ChallengeTemplate', 'web', {
      spec: { exposure: { type: 'NodePort', annotations: null } },
    })
    // Who may enter is part of what a pod's policy says, so the pod is made anew.
    const { status } = await instanceWith(
      'web',
      each => each.status?.exposure?.type === 'NodePort' && each.status.phase === 'Ready',
    )
    expect(status?.url).toMatch(/^http:\/\/play\.example\.com:3\d{4}$/)
    await gone('Ingress', 'web')
    await edit(operator, 'ChallengeTemplate', 'web', { spec: { exposure: { type: 'None' } } })
    const inside = await instanceWith('web', each => each.status?.exposure === undefined)
    expect(inside.status?.url).toContain('.svc.cluster.local')
    expect(exposed(inside)).toBeUndefined()
    await gone('Service', 'web-exposed')
  })

  it('leaves a copy of the certificate behind, which is collected when nothing used it for long', async () => {
    const { cluster, namespace, signal } = operator
    const selector = {
      namespace,
      labelSelector: 'infra.ctf.example.com/certificate=true',
      metadataOnly: true,
    }
    const copies = async () => {
      for await (const page of cluster.list({ apiVersion: 'v1', kind: 'Secret' }, selector, signal))
        return page
      return []
    }
    const marked = async () => (await copies())[0]?.metadata.annotations?.[annotations.unusedSince]
    // The copy was made a moment ago, and the clock of this sweep is ahead.
    await sweepOnce(operator, queues)
    await waitUntil('the mark', 20_000, async () => (await marked()) !== undefined, signal)
    const [{ metadata: copy } = { metadata: { name: '' } }] = await copies()
    const since = { metadata: { annotations: { [annotations.unusedSince]: '2020-01-01T00:00:00Z' } } }
    await edit(operator, 'Secret', copy.name, since)
    await sweepOnce(operator, queues)
    await gone('Secret', copy.name)
  })
})

describe('an operator without settings of exposure', () => {
  let plain: TestOperator
  beforeAll(async () => {
    plain = await startTestOperator()
  })
  afterAll(() => plain?.stop())

  it('says what the operator lacks for a host', async () => {
    const { namespace } = plain
    await create(plain, templateOf(namespace, 'web', { exposure: { type: 'Ingress' } }))
    await create(plain, instanceOf(namespace, 'web', 'web'))
    const { status } = await phaseOf(plain, 'web', 'Provisioning', 'ExposureUnsupported')
    expect(status?.message).toContain('OPERATOR_DOMAIN is not set')
    await create(
      plain,
      templateOf(namespace, 'route', { exposure: { type: 'HTTPRoute', host: '{hash}.example' } }),
    )
    await create(plain, instanceOf(namespace, 'route', 'route'))
    const routed = await phaseOf(plain, 'route', 'Provisioning', 'ExposureUnsupported')
    expect(routed.status?.message).toContain('OPERATOR_GATEWAY is not set')
  })

  it.each([
    ['TCP', 'http'],
    ['UDP', 'udp'],
  ] as const)("shows the address of the pod's node for a node port (%s)", async (protocol, scheme) => {
    const name = `port-${scheme}`
    const spec = { ports: [{ name: 'game', port: 9000, protocol }], exposure: { type: 'NodePort' as const } }
    await create(plain, templateOf(plain.namespace, name, spec))
    await create(plain, instanceOf(plain.namespace, name, name))
    const { status } = await phaseOf(plain, name, 'Ready')
    const pod = await eventually<Pod>(plain, 'Pod', status?.podName ?? '', found => found !== undefined)
    const hostIP = pod?.status?.hostIP
    expect(hostIP).toBe('192.0.2.10')
    const service = await eventually<Service>(
      plain,
      'Service',
      `${name}-exposed`,
      found => found !== undefined,
    )
    expect(service?.spec).toMatchObject({ type: 'NodePort', externalTrafficPolicy: 'Local' })
    expect(status?.url).toBe(`${scheme}://${hostIP}:${service?.spec.ports[0]?.nodePort}`)
    expect(exposed({ status } as ChallengeInstance)).toMatchObject({ status: 'True' })
  })
})

describe('a load balancer', () => {
  it('holds the first Ready until it has an address, and a later loss changes no phase', async () => {
    await start('lb', {
      ports: [{ name: 'game', port: 9000, protocol: 'UDP' }],
      exposure: { type: 'LoadBalancer' },
    })
    const waiting = await phaseOf(operator, 'lb', 'Provisioning', 'AddressPending')
    expect(waiting.status?.message).toContain('The pod serves')
    const service = (await eventually<Service>(
      operator,
      'Service',
      'lb-exposed',
      found => found !== undefined,
    )) as Stored<Service>
    expect(service.spec).toMatchObject({ type: 'LoadBalancer', ports: [{ port: 9000, protocol: 'UDP' }] })

    await setAddresses(service, [{ ip: '203.0.113.7' }])
    const ready = await phaseOf(operator, 'lb', 'Ready')
    expect(ready.status?.url).toBe('udp://203.0.113.7:9000')
    const events = () => operator.events(ready.metadata.uid ?? '')
    await waitUntil('the events of a start', 20_000, async () => events().length === 2, operator.signal)

    await setAddresses(service, [])
    const lost = await instanceWith('lb', each => exposed(each)?.status === 'False')
    expect(lost.status).toMatchObject({ phase: 'Ready', reason: 'AddressPending', url: ready.status?.url })
    expect(lost.status?.message).toContain('The challenge is running. Service "lb-exposed" has no address')

    await setAddresses(service, [{ hostname: 'lb.example.net' }])
    const back = await instanceWith('lb', each => exposed(each)?.status === 'True')
    expect(back.status?.url).toBe('udp://lb.example.net:9000')
    expect(back.status?.reason).toBeUndefined()
    expect(events()).toEqual(['instance.provisioning', 'instance.ready'])
  })

  it('holds nothing where the template does not require it, and goes with the instance', async () => {
    await start('free', { exposure: { type: 'LoadBalancer', required: false } })
    const { status } = await phaseOf(operator, 'free', 'Ready', 'AddressPending')
    expect(status?.url).toContain('.svc.cluster.local')
    await remove(operator, 'ChallengeInstance', 'free')
    await gone('ChallengeInstance', 'free')
    await gone('Service', 'free-exposed')
  })
})

describe('a host that two instances ask for', () => {
  it('goes to the older one, and to the younger one at once after the older one is gone', async () => {
    await create(operator, templateOf(operator.namespace, 'elder', {}))
    await create(operator, instanceOf(operator.namespace, 'elder', 'elder'))
    const elder = (await phaseOf(operator, 'elder', 'Ready')) as Stored<ChallengeInstance>
    await start('wanted', { exposure: { type: 'Ingress' } })
    const ready = await instanceWith(
      'wanted',
      each => each?.status?.phase === 'Ready' && exposed(each)?.status === 'True',
    )
    const host = ready.status?.exposure?.host ?? ''

    // A host follows from the uid, so that no two instances ask for one in truth.
    const { uid, namespace, name } = elder.metadata
    const claim = { uid, namespace, name, host, createdAt: '2020-01-01T00:00:00Z' }
    const cluster = await operator.cluster.uid(operator.signal)
    const database = openDatabase({ url: operator.databaseUrl })
    const claimed = await openStore(database)
      .claimHost({ ...claim, cluster }, operator.signal)
      .finally(() => database.destroy())
    expect(claimed).toMatchObject({ held: true, wakes: [{ uid: ready.metadata.uid }] })

    await forceSync('wanted')
    const waiting = await instanceWith('wanted', each => exposed(each)?.reason === 'HostTaken')
    expect(waiting.status).toMatchObject({ phase: 'Ready', reason: 'HostTaken' })
    expect(waiting.status?.message).toContain(`Another instance has the host ${host}`)
    await gone('Ingress', 'wanted')

    await remove(operator, 'ChallengeInstance', 'elder')
    const back = await instanceWith('wanted', each => exposed(each)?.status === 'True')
    expect(back.status?.url).toBe(`https://${host}`)
    await eventually<Ingress>(operator, 'Ingress', 'wanted', found => found !== undefined)
  })
})
