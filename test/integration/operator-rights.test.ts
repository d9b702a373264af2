import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { ownName } from '../../lib/kubernetes/install/accounts.ts'
import { startTestOperator, type TestOperator } from '../support/operator.ts'
import { sharedControlPlane, testNamespace } from '../support/shared-parts.ts'

let operator: TestOperator
/** Its roles are bound in all namespaces, and those of placements too. */
let wide: TestOperator
let elsewhere: string

beforeAll(async () => {
  const placements = { OPERATOR_PLACEMENTS: 'Shared,Event,Instance', OPERATOR_NAMESPACE_PREFIX: 'wide-' }
  ;[operator, wide, { name: elsewhere }] = await Promise.all([
    startTestOperator(),
    startTestOperator({ env: placements }),
    testNamespace(),
  ])
  await wide.accounts.bind({ namespaces: '*', placesElsewhere: false }, wide.signal)
})
afterAll(() => Promise.all([operator?.stop(), wide?.stop()]))

async function statusOf(of: TestOperator, functionName: string, kind: string, namespace: string) {
  const client = of.clientFor(functionName)
  return (await client.request('GET', collectionPath({ apiVersion: 'v1', kind }, namespace), {}, of.signal))
    .status
}

describe('a function of an operator in a test', () => {
  it.each([
    ['reconcile', 'Secret'],
    ['watch-forwarder', 'Secret'],
    ['timer', 'Pod'],
    ['publish', 'Pod'],
  ])(
    '%s may not list each %s of the watched namespace, which its role does not grant',
    async (name, kind) => {
      expect(await statusOf(operator, name, kind, operator.namespace)).toBe(403)
    },
  )

  it.each([
    ['watch-forwarder', 'Pod'],
    ['sweep', 'Secret'],
  ])('%s may list each %s of the watched namespace, and of no other', async (name, kind) => {
    expect(await statusOf(operator, name, kind, operator.namespace)).toBe(200)
    expect(await statusOf(operator, name, kind, elsewhere)).toBe(403)
    expect(await statusOf(wide, name, kind, elsewhere)).toBe(200)
  })

  it('has a name that no other operator has', async () => {
    const names = await Promise.all(
      [operator, wide].flatMap(each =>
        ['reconcile', 'sweep'].map(name => ownName(each.clientFor(name), each.signal)),
      ),
    )
    expect(new Set(names).size).toBe(4)
    for (const name of names)
      expect(name).toMatch(/^system:serviceaccount:operator-[0-9a-f]+:challenge-operator-/)
  })

  it('may not call the API server as an administrator', async () => {
    const { kubeconfig } = sharedControlPlane()
    for (const administrator of ['reconcile', 'sweep', 'watch-forwarder']) {
      const kubeconfigOf = (name: string) =>
        name === administrator ? kubeconfig : operator.accounts.kubeconfigOf(name)
      await expect(startTestOperator({ kubeconfigOf })).rejects.toThrow('as an administrator')
    }
  })
})
