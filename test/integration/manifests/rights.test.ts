import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
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

describe('rightsMissing', () => {
  it('is empty for an administrator in all namespaces', async () => {
    expect(await rightsMissing(as('admin'), '*', signal)).toEqual([])
  })

  it('is empty for a user of every role in the namespace of the bindings', async () => {
    expect(await rightsMissing(as('all'), ['default'], signal)).toEqual([])
  })

  it('has every namespaced right in a namespace without bindings, and no other right', async () => {
    const missing = await rightsMissing(as('all'), ['default', 'kube-system'], signal)
    expect(new Set(missing.map(({ namespace }) => namespace))).toEqual(new Set(['kube-system']))
    expect(missing).toContainEqual({ verb: 'create', resource: 'deployments.apps', namespace: 'kube-system' })
    expect(missing.length).toBeGreaterThan(30)
  })

  it('has every right of a user without roles, under the names that kubectl uses', async () => {
    const missing = await rightsMissing(as('nobody'), '*', signal)
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

describe('a role', () => {
  it.each([
    ['watch-forwarder', '/api/v1/namespaces/default/secrets'],
    ['watch-forwarder', '/apis/coordination.k8s.io/v1/namespaces/default/leases'],
    ['reconcile', '/api/v1/namespaces/default/secrets'],
    ['reconcile', '/api/v1/namespaces/default/pods'],
    ['sweep', '/api/v1/namespaces/default/pods'],
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
