import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Right } from '../../../lib/kubernetes/install/access-review.ts'
import {
  type Account,
  accountsOf,
  functionsWithRights,
  ownName,
} from '../../../lib/kubernetes/install/accounts.ts'
import { readManifests } from '../../../lib/kubernetes/install/manifests.ts'
import { rightsMissing } from '../../../lib/kubernetes/install/rights.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { createAsAdmin } from '../../support/admin-objects.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'

const signal = AbortSignal.timeout(110_000)
const functions = ['watch-forwarder', 'reconcile', 'sweep']
const groups = functions.map(name => `challenge-operator:${name}`)
const users = [
  { name: 'nobody', groups: [] },
  { name: 'all', groups },
  ...functions.map((name, index) => ({ name, groups: [groups[index] ?? ''] })),
]
let plane: ControlPlane
const clients = new Map<string, KubernetesClient>()

beforeAll(async () => {
  plane = await startTestControlPlane({ full: false, users })
  const userAgent = 'challenge-operator/test (rights)'
  const open = (path: string) => openClient({ connection: { kind: 'kubeconfig', path }, userAgent })
  for (const { name } of users) clients.set(name, open(await plane.kubeconfigOf(name)))
  clients.set('admin', open(plane.kubeconfig))
  for (const object of await readManifests('rbac')) await createAsAdmin(as('admin'), object, signal)
})
afterAll(async () => {
  await Promise.all([...clients.values()].map(client => client.close()))
  await plane?.stop()
})

function as(name: string): KubernetesClient {
  const client = clients.get(name)
  if (!client) throw new Error(`no user ${name}`)
  return client
}

async function statusOf(name: string, path: string): Promise<number> {
  return (await as(name).request('GET', path, {}, signal)).status
}

/** What the user itself lacks. */
async function missingOf(name: string, namespaces: WatchedNamespaces): Promise<Right[]> {
  return (await rightsMissing(as(name), { namespaces }, signal)).missing
}

describe('rightsMissing', () => {
  it('is empty for an administrator in all namespaces', async () => {
    expect(await missingOf('admin', '*')).toEqual([])
  })

  it('is empty for a user of every role in the namespace of the bindings', async () => {
    expect(await missingOf('all', ['default'])).toEqual([])
  })

  it('has every namespaced right in a namespace without bindings, and no other right', async () => {
    const missing = await missingOf('all', ['default', 'kube-system'])
    expect(new Set(missing.map(({ namespace }) => namespace))).toEqual(new Set(['kube-system']))
    expect(missing).toContainEqual({ verb: 'create', resource: 'deployments.apps', namespace: 'kube-system' })
    expect(missing.length).toBeGreaterThan(30)
  })

  it('has every right of a user without roles, under the names that kubectl uses', async () => {
    const missing = await missingOf('nobody', '*')
    expect(missing.every(({ namespace }) => namespace === undefined)).toBe(true)
    expect(missing.map(({ verb, resource }) => `${verb} ${resource}`)).toEqual(
      expect.arrayContaining([
        'update challengeinstances.infra.ctf.example.com/status',
        'get customresourcedefinitions.apiextensions.k8s.io/challengeinstances.infra.ctf.example.com',
        'update leases.coordination.k8s.io/challenge-operator-watch-forwarder',
        'list secrets',
      ]),
    )
  })
})

describe('the rights of the accounts of functions, asked by an administrator', () => {
  const ask = (functionName: string, account: Account, namespaces: WatchedNamespaces = ['default']) =>
    rightsMissing(as('admin'), { namespaces, account, functionName }, signal)

  it.each(functionsWithRights)('are complete for each account that manifests/rbac/ binds: %s', async name => {
    const accounts = accountsOf(name, ['default'])
    expect(accounts).toHaveLength(2)
    for (const account of accounts) {
      const { asked, missing } = await ask(name, account)
      expect(missing).toEqual([])
      expect(asked).toBeGreaterThan(5)
    }
  })

  it('are missing where no RoleBinding is, and for the roles of another function', async () => {
    const [account] = accountsOf('sweep', ['default']) as [Account]
    const elsewhere = await ask('sweep', account, ['kube-system'])
    expect(elsewhere.missing).toContainEqual({ verb: 'list', resource: 'secrets', namespace: 'kube-system' })
    const { missing } = await ask('reconcile', account)
    expect(missing).toContainEqual({ verb: 'create', resource: 'deployments.apps', namespace: 'default' })
  })

  it('are not told to a user who may not ask about others', async () => {
    const [account] = accountsOf('sweep', ['default']) as [Account]
    const question = { namespaces: ['default'], account, functionName: 'sweep' }
    await expect(rightsMissing(as('all'), question, signal)).rejects.toMatchObject({ reason: 'Forbidden' })
    expect(await ownName(as('all'), signal)).toBe('all')
  })
})

describe('a role', () => {
  it.each([
    ['watch-forwarder', '/api/v1/namespaces/default/secrets'],
    ['watch-forwarder', '/apis/coordination.k8s.io/v1/namespaces/default/leases'],
    ['reconcile', '/api/v1/namespaces/default/secrets'],
    ['reconcile', '/api/v1/namespaces/default/configmaps'],
    ['sweep', '/api/v1/namespaces/default/configmaps'],
    ['sweep', '/api/v1/namespaces/kube-system/secrets'],
  ])('of %s does not give access to %s', async (name, path) => {
    expect(await statusOf(name, path)).toBe(403)
  })

  it.each([
    ['watch-forwarder', '/api/v1/namespaces/default/pods'],
    ['sweep', '/api/v1/namespaces/default/secrets'],
  ])('of %s gives access to %s', async (name, path) => {
    expect(await statusOf(name, path)).toBe(200)
  })
})
