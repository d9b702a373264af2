import { describe, expect, it } from 'vitest'
import { accountsOf, functionsWithRights } from '../../../../lib/kubernetes/install/accounts.ts'
import { readManifests } from '../../../../lib/kubernetes/install/manifests.ts'

interface Binding {
  kind: string
  subjects: { kind: string; name: string; namespace?: string }[]
}

describe('the accounts of the functions', () => {
  it('belong to the functions that have roles in manifests/rbac/', async () => {
    const manifests = await readManifests('rbac')
    const roles = manifests.filter(({ kind }) => kind === 'ClusterRole').map(each => each.metadata.name)
    const accounts = manifests
      .filter(({ kind }) => kind === 'ServiceAccount')
      .map(({ metadata }) => metadata.name)
      .filter(account => roles.some(role => role.startsWith(account)))
    const names = accounts.map(account => account.replace('challenge-operator-', ''))
    expect(names.toSorted()).toEqual(functionsWithRights.toSorted())
  })

  it.each(functionsWithRights)('are the subjects of the bindings in manifests/rbac/: %s', async name => {
    const bindings = (await readManifests('rbac')).filter(
      ({ kind, metadata }) =>
        kind.endsWith('Binding') && metadata.name.startsWith(`challenge-operator-${name}`),
    ) as unknown as Binding[]
    expect(bindings.length).toBeGreaterThan(0)
    const [group, serviceAccount] = accountsOf(name, ['default'])
    for (const { subjects } of bindings) {
      const named = subjects.map(each =>
        each.kind === 'Group' ? each.name : `system:serviceaccount:${each.namespace}:${each.name}`,
      )
      expect(named.toSorted()).toEqual([group?.groups[0], serviceAccount?.user].toSorted())
    }
  })

  it('include a ServiceAccount in the first watched namespace', () => {
    expect(accountsOf('sweep', ['ctf', 'other']).map(({ user }) => user)).toEqual([
      undefined,
      'system:serviceaccount:default:challenge-operator-sweep',
      'system:serviceaccount:ctf:challenge-operator-sweep',
    ])
  })
})
