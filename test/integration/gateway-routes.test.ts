import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import { gatewayKind } from '../../lib/crd/child-kinds.ts'
import type { GatewayRoute, Stored } from '../../lib/crd/objects.ts'
import { route } from '../../lib/desired/exposure/route.ts'
import { identity } from '../../lib/desired/identity.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { readServedKinds } from '../../lib/kubernetes/served-kinds.ts'
import type { ControlPlane } from '../../local/control-plane/start.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { startTestControlPlane } from '../support/control-plane.ts'
import { create, edit, remove } from '../support/edits.ts'
import { installGatewayApi } from '../support/gateway-api/install.ts'
import { installEverywhere } from '../support/global-setup.ts'
import { instanceOf, storedInstance, templateOf } from '../support/objects.ts'
import { phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'

const tlsRoute = 'v1alpha3'
const tlsVersion = `gateway.networking.k8s.io/${tlsRoute}`
const gatewayName = 'public'

let plane: ControlPlane
let operator: TestOperator

beforeAll(async () => {
  plane = await startTestControlPlane({ full: true })
  await installEverywhere(plane.kubeconfig)
  operator = await startTestOperator({
    plane,
    env: { OPERATOR_DOMAIN: 'play.example.com', OPERATOR_GATEWAY: `default/${gatewayName}` },
  })
  // The forwarder runs already, and takes up the kinds without a restart.
  await installGatewayApi(plane, operator.client, { tlsRoute }, AbortSignal.timeout(60_000))
})
afterAll(async () => {
  await operator?.stop()
  await plane?.stop()
})

/** Creates a template and an instance of it, both with this name. */
async function start(name: string, spec: Partial<ChallengeTemplateSpec>): Promise<void> {
  await create(operator, templateOf(operator.namespace, name, spec))
  await create(operator, instanceOf(operator.namespace, name, name))
}

async function setGateway(verb: 'POST' | 'DELETE'): Promise<void> {
  const path = collectionPath(gatewayKind, 'default')
  const listeners = [
    { name: 'web', protocol: 'HTTP', port: 8000 },
    { name: 'tls', protocol: 'TLS', port: 8443, tls: { mode: 'Passthrough' } },
  ]
  const body = {
    ...gatewayKind,
    metadata: { name: gatewayName },
    spec: { gatewayClassName: 'none', listeners },
  }
  const { client, signal } = operator
  const { status } = await (verb === 'POST'
    ? client.request('POST', path, { body }, signal)
    : client.request('DELETE', `${path}/${gatewayName}`, {}, signal))
  expect(status).toBeLessThan(300)
}

/** Waits for the route. @param apiVersion the version in which the operator should have made it */
async function routeNamed(kind: string, name: string, apiVersion: string): Promise<Stored<GatewayRoute>> {
  let found: Stored<GatewayRoute> | undefined
  const isThere = async () => {
    const reference = { apiVersion, kind, namespace: operator.namespace, name }
    found = await operator.cluster.get<GatewayRoute>(reference, operator.signal)
    return found !== undefined
  }
  await waitUntil(`${kind} ${name}`, 20_000, isThere, operator.signal)
  return found as Stored<GatewayRoute>
}

/** Writes what the controller of a Gateway writes. */
async function answer(
  route: Stored<GatewayRoute>,
  accepted: { status: 'True' | 'False'; reason: string; message?: string },
): Promise<void> {
  const { namespace, name, generation } = route.metadata
  const condition = (type: string, parts: object) => ({
    type,
    observedGeneration: generation,
    lastTransitionTime: new Date().toISOString(),
    message: '',
    ...parts,
  })
  const [parentRef] = route.spec.parentRefs
  const conditions = [
    condition('Accepted', accepted),
    condition('ResolvedRefs', { status: 'True', reason: 'ResolvedRefs' }),
  ]
  const parents = [{ parentRef, controllerName: 'example.com/controller', conditions }]
  const { status } = await operator.client.request(
    'PATCH',
    `${collectionPath(route, namespace)}/${name}/status`,
    { body: { status: { parents } }, contentType: 'application/merge-patch+json' },
    operator.signal,
  )
  expect(status).toBe(200)
}

const taken = { status: 'True', reason: 'Accepted' } as const

const exposedOf = ({ status }: ChallengeInstance) =>
  status?.conditions?.find(({ type }) => type === 'Exposed')

async function instanceWith(
  name: string,
  isSo: (instance: ChallengeInstance) => boolean,
): Promise<ChallengeInstance> {
  let last: ChallengeInstance | undefined
  const reference = {
    apiVersion: 'infra.ctf.example.com/v1alpha1',
    kind: 'ChallengeInstance',
    namespace: operator.namespace,
    name,
  }
  const check = async () => {
    last = await operator.cluster.get<ChallengeInstance>(reference, operator.signal)
    return last !== undefined && isSo(last)
  }
  await waitUntil(`the wanted state of ${name}`, 20_000, check, operator.signal).catch(thrown => {
    throw new Error(`${(thrown as Error).message}: ${JSON.stringify(last?.status)}`)
  })
  return last as ChallengeInstance
}

describe('an HTTPRoute', () => {
  it('holds the first Ready until the controller of its Gateway accepts it', async () => {
    await setGateway('POST')
    await start('web', { exposure: { type: 'HTTPRoute' } })
    const route = await routeNamed('HTTPRoute', 'web', 'gateway.networking.k8s.io/v1')
    await phaseOf(operator, 'web', 'Provisioning', 'AddressPending')

    await answer(route, { status: 'False', reason: 'NotAllowedByListeners', message: 'no such namespace' })
    const refused = await phaseOf(operator, 'web', 'Provisioning', 'ExposureUnsupported')
    expect(refused.status?.message).toContain('NotAllowedByListeners: no such namespace')

    await answer(route, taken)
    const { status } = await phaseOf(operator, 'web', 'Ready')
    expect(status?.url).toMatch(/^http:\/\/web-[0-9a-f]{16}\.play\.example\.com$/)
    expect(status?.endpoints).toHaveLength(2)
  })

  it('keeps the phase of its instance when the controller refuses it later', async () => {
    const route = await routeNamed('HTTPRoute', 'web', 'gateway.networking.k8s.io/v1')
    await answer(route, { status: 'False', reason: 'Refused', message: 'not today' })
    const lost = await instanceWith('web', each => exposedOf(each)?.reason === 'RouteRejected')
    expect(lost.status).toMatchObject({ phase: 'Ready', reason: 'RouteRejected' })
    expect(lost.status?.message).toContain('not today')
    await answer(route, taken)
    await phaseOf(operator, 'web', 'Ready')
  })

  it('keeps the phase of its instance when the Gateway goes, and says which one', async () => {
    await setGateway('DELETE')
    const lost = await instanceWith('web', each => exposedOf(each)?.status === 'False')
    expect(lost.status).toMatchObject({ phase: 'Ready', reason: 'ExposureUnsupported' })
    expect(lost.status?.message).toContain(`no Gateway "${gatewayName}" in namespace "default"`)
    await setGateway('POST')
    const back = await instanceWith('web', each => exposedOf(each)?.status === 'True')
    expect(back.status?.reason).toBeUndefined()
  })
})

describe('a TLSRoute', () => {
  it('has the version that the cluster serves, and leads to the certificate of the pod', async () => {
    const ports = [{ name: 'pwn', port: 1337, appProtocol: 'tls' as const }]
    await start('pwn', { ports, exposure: { type: 'TLSRoute' } })
    await answer(await routeNamed('TLSRoute', 'pwn', tlsVersion), taken)
    const { status } = await phaseOf(operator, 'pwn', 'Ready')
    expect(status?.url).toMatch(/^tls:\/\/pwn-[0-9a-f]{16}\.play\.example\.com$/)
  })

  it('gives way to another exposure and goes with its instance', async () => {
    await edit(operator, 'ChallengeTemplate', 'pwn', { spec: { exposure: { type: 'HTTPRoute' } } })
    await answer(await routeNamed('HTTPRoute', 'pwn', 'gateway.networking.k8s.io/v1'), taken)
    await instanceWith('pwn', ({ status }) => status?.url?.startsWith('http://') === true)
    const routes = async (kind: string, apiVersion: string) =>
      operator.cluster.get({ apiVersion, kind, namespace: operator.namespace, name: 'pwn' }, operator.signal)
    expect(await routes('TLSRoute', tlsVersion)).toBeUndefined()
    await remove(operator, 'ChallengeInstance', 'pwn')
    const isGone = async () => (await routes('HTTPRoute', 'gateway.networking.k8s.io/v1')) === undefined
    await waitUntil('the end of the route', 20_000, isGone, operator.signal)
  })
})

describe('a cluster without a free node port', () => {
  const service = (name: string, count: number) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: operator.namespace },
    spec: {
      type: 'NodePort',
      ports: Array.from({ length: count }, (_, index) => ({ name: `p${index}`, port: 1_000 + index })),
    },
  })

  /** Takes every port of the range, with fewer Services than ports. @returns their names */
  async function takeAllNodePorts(): Promise<string[]> {
    const path = collectionPath({ apiVersion: 'v1', kind: 'Service' }, operator.namespace)
    const names: string[] = []
    for (const count of [500, 100, 10, 1])
      for (;;) {
        const name = `filler-${names.length}`
        const { status } = await operator.client.request(
          'POST',
          path,
          { body: service(name, count) },
          operator.signal,
        )
        if (status !== 201) break
        names.push(name)
      }
    return names
  }

  it('lets an instance wait with a sentence, and start as soon as one is free', async () => {
    const fillers = await takeAllNodePorts()
    expect(fillers.length).toBeGreaterThan(1)
    await start('port', { exposure: { type: 'NodePort' } })
    const waiting = await phaseOf(operator, 'port', 'Pending', 'QuotaExceeded')
    expect(waiting.status?.message).toContain('no node port left')
    expect(exposedOf(waiting)).toMatchObject({ status: 'False', reason: 'QuotaExceeded' })

    for (const name of fillers) await remove(operator, 'Service', name)
    await edit(operator, 'ChallengeInstance', 'port', {
      metadata: { annotations: { 'infra.ctf.example.com/force-sync': 'now' } },
    })
    const { status } = await phaseOf(operator, 'port', 'Ready')
    expect(status?.url).toMatch(/^http:\/\/play\.example\.com:3\d{4}$/)
  })
})

describe('a cluster with another version of TLSRoute', () => {
  const gateway = { namespace: 'default', name: gatewayName }

  it.each(['v1', 'v1alpha2'] as const)('takes the route that is built for it (%s)', async version => {
    const { client, namespace, signal } = operator
    await installGatewayApi(plane, client, { tlsRoute: version }, AbortSignal.timeout(60_000))
    const apiVersion = (await readServedKinds(client, signal)).get('TLSRoute')
    expect(apiVersion).toBe(`gateway.networking.k8s.io/${version}`)
    const own = identity(storedInstance(), namespace)
    const built = route({
      ...{ identity: own, kind: 'TLSRoute', apiVersion: apiVersion ?? '', gateway, annotations: {} },
      ...{ host: 'pwn.play.example.com', port: 1337 },
    })
    const request = { body: built, query: { fieldValidation: 'Strict', dryRun: 'All' } }
    const { status, body } = await client.request('POST', collectionPath(built, namespace), request, signal)
    expect([status, (body as { message?: string }).message]).toEqual([201, undefined])
  })

  it('is told from one without TLSRoute', async () => {
    const { client, signal } = operator
    await installGatewayApi(plane, client, { tlsRoute: 'none' }, AbortSignal.timeout(60_000))
    const served = await readServedKinds(client, signal)
    expect([...served.keys()].toSorted()).toEqual(['Gateway', 'HTTPRoute'])
  })
})
