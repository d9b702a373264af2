import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { clockName, clockStateName } from '../../lib/clock/state.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations, defaultDenyName, fieldManager, labels } from '../../lib/crd/group.ts'
import type {
  Deployment,
  Ingress,
  KubernetesObject,
  NetworkPolicy,
  Secret,
  Service,
  Stored,
} from '../../lib/crd/objects.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { readManifests } from '../../lib/kubernetes/install/manifests.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import type { Lease } from '../../lib/kubernetes/lease/record.ts'
import { forwarderLease } from '../../lib/kubernetes/lease/record.ts'
import { takeSeat } from '../../lib/kubernetes/lease/seat.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { version } from '../../lib/version.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { createAsAdmin } from '../support/admin-objects.ts'
import { type AuditedCall, type AuditedPlane, startAuditedPlane } from '../support/audited-plane.ts'
import { instanceCalled, untilConsistent } from '../support/consistency.ts'
import { type CountedQueues, startCountedQueues } from '../support/counted-queues.ts'
import { create, edit, remove } from '../support/edits.ts'
import { fireLastTimer } from '../support/fire-last-timer.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'
import { placedLife } from '../support/placed-life.ts'
import { testQueues } from '../support/shared-parts.ts'
import { sweepOnce } from '../support/sweeping.ts'

interface Role extends KubernetesObject {
  rules: { apiGroups: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[]
}

/** The functions that call the cluster. Each one is a user of the group that its role is bound to. */
const functions = ['watch-forwarder', 'reconcile', 'sweep']
const users = functions.map(name => ({ name, groups: [`challenge-operator:${name}`] }))

const listFallback = 'on an API server that does not stream lists, the watch lists in pages'

const withoutGatewayApi = 'this cluster has no Gateway API; test/integration/gateway-routes.test.ts uses it'

/** Rights that a life on a healthy, current cluster does not use, each with the reason why a role has it. */
const excused: Record<string, string> = {
  'reconcile update challengeinstances/finalizers':
    'the admission plugin OwnerReferencesPermissionEnforcement asks for it, and we make no call with it',
  'watch-forwarder list challengeinstances': listFallback,
  'watch-forwarder list challengetemplates': listFallback,
  'watch-forwarder list deployments': listFallback,
  'watch-forwarder list networkpolicies': listFallback,
  'watch-forwarder list ingresses': listFallback,
  'reconcile get httproutes': withoutGatewayApi,
  'reconcile get tlsroutes': withoutGatewayApi,
  'reconcile create httproutes': withoutGatewayApi,
  'reconcile create tlsroutes': withoutGatewayApi,
  'reconcile patch httproutes': withoutGatewayApi,
  'reconcile patch tlsroutes': withoutGatewayApi,
  'reconcile delete httproutes': withoutGatewayApi,
  'reconcile delete tlsroutes': withoutGatewayApi,
  'reconcile get gateways': withoutGatewayApi,
  'reconcile list httproutes': withoutGatewayApi,
  'reconcile list tlsroutes': withoutGatewayApi,
  'sweep list httproutes': withoutGatewayApi,
  'sweep list tlsroutes': withoutGatewayApi,
  'watch-forwarder list httproutes': withoutGatewayApi,
  'watch-forwarder list tlsroutes': withoutGatewayApi,
  'watch-forwarder list gateways': withoutGatewayApi,
  'watch-forwarder watch httproutes': withoutGatewayApi,
  'watch-forwarder watch tlsroutes': withoutGatewayApi,
  'watch-forwarder watch gateways': withoutGatewayApi,
  'watch-forwarder list services': listFallback,
  'watch-forwarder list pods': listFallback,
  'watch-forwarder list leases/challenge-operator-watch-forwarder': listFallback,
  'watch-forwarder list configmaps/challenge-operator': listFallback,
  'watch-forwarder list configmaps/challenge-operator-clock': listFallback,
  'reconcile create configmaps/challenge-operator-clock':
    'a server-side apply of an object that does not exist asks for it, and the audit log says patch',
}

let plane: AuditedPlane
let operator: TestOperator
let roles: KubernetesObject[]
let calls: AuditedCall[]
let counted: CountedQueues

beforeAll(async () => {
  plane = await startAuditedPlane({ users })
  const paths = new Map<string, string>()
  for (const name of functions) paths.set(name, await plane.kubeconfigOf(name))
  const pathOf = (name: string) => paths.get(name) ?? '/no function of this name calls the cluster'
  roles = await readManifests('rbac')
  counted = await startCountedQueues(await testQueues())
  const { queues } = counted

  const admin = openClient({ connection: { kind: 'kubeconfig', path: plane.kubeconfig }, userAgent: 'test' })
  for (const object of roles) await createAsAdmin(admin, object, AbortSignal.timeout(10_000))
  const clients = new Map<string, KubernetesClient>()
  for (const name of functions) {
    const client = openClient({ connection: { kind: 'kubeconfig', path: pathOf(name) }, userAgent: name })
    clients.set(name, client)
    // Every function checks the schema at its start.
    await checkSchema(client, AbortSignal.timeout(10_000))
  }
  const sweepClient = openCluster(clients.get('sweep') as KubernetesClient)
  await withPlacements(admin, async namespace =>
    placedLife({
      plane: { kubeconfig: plane.kubeconfig, namespace },
      kubeconfigOf: pathOf,
      queues: await testQueues(),
      sweeping: sweepClient,
      reconciling: openCluster(clients.get('reconcile') as KubernetesClient),
    }),
  )
  await admin.close()
  operator = await startTestOperator({
    ...{ plane, kubeconfigOf: pathOf, queues, challenges: ['web', 'fixed'] },
    env: { OPERATOR_DOMAIN: 'play.example.com', OPERATOR_INGRESS_CLASS: 'none' },
  })
  await sitDown(clients.get('watch-forwarder') as KubernetesClient, operator.namespace)
  await wholeLife(() => sweepOnce(operator, queues, { cluster: sweepClient }))
  calls = (await plane.calls(operator.signal)).filter(call => functions.includes(call.user))
  await Promise.all([...clients.values()].map(client => client.close()))
})
afterAll(async () => {
  await operator?.stop()
  await counted?.stop()
  await plane?.stop()
})

/** Lets two windows of the forwarder take both seats, and give them up. */
async function sitDown(client: KubernetesClient, namespace: string): Promise<void> {
  const bothSit = Promise.withResolvers<void>()
  let seated = 0
  const window = (identity: string) =>
    takeSeat(
      {
        ...{ client, namespace, identity, log: silentLog, now: Date.now, remainingMs: 900_000 },
        writer: { stack: undefined, deployedAt: undefined, version },
      },
      async () => {
        seated += 1
        if (seated === 2) bothSit.resolve()
        await bothSit.promise
      },
      AbortSignal.timeout(20_000),
    )
  await Promise.all([window('one'), window('two')])
}

/**
 * Runs something under the roles of placements too, in a namespace of its own. Afterwards each function has the rights of
 * the watched namespace only.
 */
async function withPlacements(
  admin: KubernetesClient,
  run: (namespace: string) => Promise<void>,
): Promise<void> {
  const signal = AbortSignal.timeout(120_000)
  const namespace = 'placed'
  const placements = await readManifests('placements')
  const made = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  await admin.request('POST', '/api/v1/namespaces', { body: made }, signal)
  for (const object of placements) await createAsAdmin(admin, object, signal)
  for (const object of roles.filter(({ kind }) => kind === 'RoleBinding'))
    await createAsAdmin(admin, { ...object, metadata: { ...object.metadata, namespace } }, signal)
  await run(namespace)
  for (const { kind, metadata } of placements)
    if (kind === 'ClusterRoleBinding') {
      const path = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${metadata.name}`
      await admin.request('DELETE', path, {}, signal)
    }
  roles = [...roles, ...placements]
}

/** Makes everything happen once that can happen to an instance. */
async function wholeLife(resync: () => Promise<unknown>): Promise<void> {
  const { namespace } = operator
  const data = { key: Buffer.from('flag{fixed}').toString('base64') }
  await create(operator, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'fixed' }, data } as Secret)
  const secretRef = { name: 'fixed', key: 'key' }
  const exposure = { type: 'Ingress', required: false } as const
  await create(operator, templateOf(namespace, 'fixed', { flagStrategy: { type: 'static', secretRef } }))
  await create(
    operator,
    templateOf(namespace, 'web', { flagStrategy: { type: 'hmac-per-instance' }, exposure }),
  )
  for (const [name, template] of [
    ['made', 'web'],
    ['static', 'fixed'],
  ] as const)
    await create(operator, instanceOf(namespace, name, template))
  await createAdopted('adopted')
  await phaseOf(operator, 'static', 'Ready')
  for (const name of ['made', 'adopted']) await phaseOf(operator, name, 'Ready', 'ExposureUnsupported')

  const format = 'ctf{%s}'
  await edit(operator, 'ChallengeTemplate', 'web', {
    spec: {
      networkProfile: 'egress-allowlist',
      egressAllowlist: [{ cidr: '0.0.0.0/0' }],
      flagStrategy: { format },
    },
  })
  await eventually<Secret>(operator, 'Secret', 'made', secret =>
    Buffer.from(Object.values(secret?.data ?? {})[0] ?? '', 'base64')
      .toString()
      .startsWith('ctf{'),
  )
  await untilConsistent(operator, 'made', 'Ready')
  await edit(operator, 'ChallengeTemplate', 'fixed', { spec: { flagStrategy: null } })
  await eventually(operator, 'Secret', 'static', secret => secret === undefined)

  await edit(operator, 'Ingress', 'made', { spec: { ingressClassName: 'another' } })
  await eventually<Ingress>(operator, 'Ingress', 'made', each => each?.spec.ingressClassName === 'none')
  await edit(operator, 'Service', 'made', { spec: { selector: { app: 'another' } } })
  await eventually<Service>(operator, 'Service', 'made', each => each?.spec.selector?.app === 'made')
  await untilConsistent(operator, 'made', 'Ready')
  await edit(operator, 'NetworkPolicy', defaultDenyName, {
    metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
  })
  await edit(operator, 'Secret', 'made', { data: { another: 'YQ==' } })
  await createUnusedPolicy('challenge-policy.unused')
  const used = { [annotations.lastActivity]: new Date().toISOString() }
  await edit(operator, 'ChallengeInstance', 'made', { metadata: { annotations: used } })
  await resync()
  await eventually(operator, 'NetworkPolicy', 'challenge-policy.unused', each => each === undefined)
  await eventually<NetworkPolicy>(
    operator,
    'NetworkPolicy',
    defaultDenyName,
    each => each?.metadata.labels?.['app.kubernetes.io/managed-by'] !== undefined,
  )
  await untilConsistent(operator, 'made', 'Ready')

  await create(operator, {
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: clockName } },
    ...{ data: { paused: 'false' } },
  })
  const kept = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: clockStateName }
  await waitUntil(
    "the state of the organiser's clock",
    20_000,
    async () => (await operator.cluster.get(kept, operator.signal)) !== undefined,
    operator.signal,
  )
  await leaveBehind('left')
  await edit(operator, 'ChallengeInstance', 'static', { spec: { expiresAt: new Date().toISOString() } })
  await remove(operator, 'ChallengeInstance', 'made')
  await remove(operator, 'ChallengeInstance', 'adopted')
  for (const name of ['made', 'static', 'adopted']) await untilConsistent(operator, name, 'gone')
  await waitUntil('a renewal of the lease', 20_000, leaseRenewed, operator.signal)
}

/** Creates a policy that no pod has needed for long. */
async function createUnusedPolicy(name: string): Promise<void> {
  await create(operator, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name,
      labels: { [labels.managedBy]: fieldManager, [labels.policy]: name },
      annotations: { [annotations.unusedSince]: '2026-01-01T00:00:00Z' },
    },
    spec: { podSelector: { matchLabels: { [labels.policy]: name } }, policyTypes: ['Egress'] },
  } as KubernetesObject)
}

/** Deletes an instance after its Deployment, and then its ReplicaSet, were deleted without their pods. */
async function leaveBehind(name: string): Promise<void> {
  const { client, cluster, namespace, signal } = operator
  const collection = (kind: string) => collectionPath({ apiVersion: 'apps/v1', kind }, namespace)
  const deleteAlone = async (path: string) => {
    await client.request('DELETE', path, { body: { propagationPolicy: 'Orphan' } }, signal)
    const isGone = async () => (await client.request('GET', path, {}, signal)).status === 404
    await waitUntil(`the end of ${path}`, 20_000, isGone, signal)
  }
  for (const kinds of [['Deployment'], ['Deployment', 'ReplicaSet']]) {
    await create(operator, instanceOf(namespace, name, 'web'))
    await phaseOf(operator, name, 'Ready', 'ExposureUnsupported')
    await edit(operator, 'ChallengeInstance', name, {
      metadata: { annotations: { [annotations.paused]: 'true' } },
    })
    await phaseOf(operator, name, 'Ready', 'Paused')
    for (const kind of kinds)
      for await (const page of cluster.list(
        { apiVersion: 'apps/v1', kind },
        { namespace, labelSelector: `app=${name}` },
        signal,
      ))
        for (const each of page) await deleteAlone(`${collection(kind)}/${each.metadata.name}`)
    await remove(operator, 'ChallengeInstance', name)
    await untilConsistent(operator, name, 'gone')
  }
}

async function leaseRenewed(): Promise<boolean> {
  const kind = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' }
  const { namespace, cluster, signal } = operator
  const lease = await cluster.get<Lease>({ ...kind, namespace, name: forwarderLease }, signal)
  return lease !== undefined && lease.spec?.renewTime !== lease.spec?.acquireTime
}

/** Creates an instance of the older operator with its objects. It is paused meanwhile, so that no pass comes first. */
async function createAdopted(name: string): Promise<void> {
  const { cluster, namespace, signal } = operator
  const whole = instanceOf(namespace, name, 'web')
  const metadata = { ...whole.metadata, annotations: { [annotations.paused]: 'true' } }
  await create(operator, { ...whole, metadata })
  const paused = (await phaseOf(operator, name, 'Pending', 'Paused')) as Stored<ChallengeInstance>
  await cluster.putStatus({ ...paused, status: { ...paused.status, adopting: true } }, signal)
  await create(operator, oldDeployment(name))
  await create(operator, oldService(name))
  await edit(operator, 'ChallengeInstance', name, { metadata: { annotations: null } })
}

function oldDeployment(name: string): Deployment {
  const labels = { app: name }
  const containers = [{ name, image: 'registry.example.com/ctf/web:0', ports: [{ containerPort: 8080 }] }]
  const spec = {
    replicas: 1,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers } },
  }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, labels }, spec }
}

function oldService(name: string): Service {
  const labels = { app: name }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels },
    spec: { selector: labels, ports: [{ port: 8080 }] },
  }
}

test('no function is refused a call', () => {
  expect(calls.filter(call => call.code === 403 || call.code === 401)).toEqual([])
})

test('the functions without a role make no call', async () => {
  const agents = (await plane.calls(operator.signal)).map(call => call.userAgent)
  expect(agents.filter(agent => /\((timer|publish)\)/.test(agent))).toEqual([])
})

test('every call is for a resource', () => {
  // A call such as discovery needs no role, so the other tests would not notice it.
  const elsewhere = calls.filter(call => call.resource === '').map(call => call.uri)
  // Every authenticated user may ask for the served versions, by the role system:discovery of each cluster.
  expect(elsewhere.filter(uri => !uri.startsWith('/apis/gateway.networking.k8s.io'))).toEqual([])
})

test.each(functions)('the role of %s has no right that the function does not use', name => {
  const used = new Set(calls.filter(call => call.user === name).flatMap(rightsUsed))
  const granted = roles
    .filter(
      role => role.kind === 'ClusterRole' && role.metadata.name?.startsWith(`challenge-operator-${name}`),
    )
    .flatMap(role => (role as Role).rules.flatMap(rightsGranted))
  expect(granted.length).toBeGreaterThan(5)
  const unused = [...new Set(granted)].filter(right => !used.has(right)).map(right => `${name} ${right}`)
  expect(unused.toSorted()).toEqual(
    Object.keys(excused)
      .filter(each => each.startsWith(`${name} `))
      .toSorted(),
  )
})

function rightsUsed({ verb, resource, name, uri }: AuditedCall): string[] {
  const selected = /fieldSelector=metadata\.name%3D([^&]+)/.exec(uri)?.[1]
  return [`${verb} ${resource}`, `${verb} ${resource}/${selected ?? name}`]
}

function rightsGranted({ resources, resourceNames, verbs }: Role['rules'][number]): string[] {
  const named = resources.flatMap(each => resourceNames?.map(name => `${each}/${name}`) ?? [each])
  return named.flatMap(each => verbs.map(verb => `${verb} ${each}`))
}

describe('an instance while reconcile lacks a right', () => {
  const name = 'challenge-operator-reconcile'
  const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${name}`

  async function withoutRight(verb: string, resource: string): Promise<() => Promise<unknown>> {
    const whole = roles.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === name) as Role
    const less = whole.rules
      .map(rule =>
        rule.resources.includes(resource)
          ? { ...rule, verbs: rule.verbs.filter(each => each !== verb) }
          : rule,
      )
      .filter(rule => rule.verbs.length > 0)
    const put = (rules: Role['rules']) => {
      const request = { body: { rules }, contentType: 'application/merge-patch+json' }
      return operator.client.request('PATCH', path, request, operator.signal)
    }
    expect((await put(less)).status).toBe(200)
    return () => put(whole.rules)
  }

  it('reports that templates cannot be read, and becomes Ready when the right is back', async () => {
    const giveBack = await withoutRight('get', 'challengetemplates')
    await create(operator, instanceOf(operator.namespace, 'blind', 'web'))
    const { status } = await phaseOf(operator, 'blind', 'Pending', 'Forbidden')
    expect(status?.message).toMatch(/cannot get resource "challengetemplates"/)
    await giveBack()
    await fireLastTimer(counted, 'blind', operator.signal)
    await untilConsistent(operator, 'blind', 'Ready')
  })

  it('reports that Deployments cannot be deleted, and is removed when the right is back', async () => {
    const giveBack = await withoutRight('delete', 'deployments')
    await remove(operator, 'ChallengeInstance', 'blind')
    const { status } = await phaseOf(operator, 'blind', 'Terminating', 'Forbidden')
    expect(status?.message).toMatch(/cannot delete resource "deployments"/)
    expect(await instanceCalled(operator, 'blind')).toBeDefined()
    await giveBack()
    await fireLastTimer(counted, 'blind', operator.signal)
    await untilConsistent(operator, 'blind', 'gone')
  })
})
