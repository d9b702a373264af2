import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  applyWaves,
  type ChildKind,
  childKinds,
  dependentKinds,
  removalOf,
  removeWaves,
} from '../../../lib/crd/child-kinds.ts'
import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import { collectionPath } from '../../../lib/kubernetes/client/paths.ts'
import { readManifests } from '../../../lib/kubernetes/install/manifests.ts'

interface Role extends KubernetesObject {
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[]
}

const root = resolve(import.meta.dirname, '../../..')
const table: readonly ChildKind[] = childKinds
const nameOf = ({ kind }: { kind: string }) => kind

describe.each(table)('$kind', kind => {
  it('has a path', () => {
    expect(collectionPath(kind)).toMatch(/^\/apis?\//)
  })

  it('may be read, created, patched and deleted by reconcile', async () => {
    expect(await verbsOf('reconcile', kind)).toEqual(['create', 'delete', 'get', 'patch'])
  })

  it('may be listed by sweep, which verifies every kind', async () => {
    expect(await verbsOf('sweep', kind)).toEqual(['list'])
  })

  it('may be watched by the forwarder if the table says so, and not otherwise', async () => {
    const verbs = kind.watch === 'never' ? [] : ['list', 'watch']
    expect(await verbsOf('watch-forwarder', kind)).toEqual(verbs)
  })
})

describe('the desired state', () => {
  it('returns every kind of the table and no other', () => {
    const folder = join(root, 'test/unit/desired/golden')
    const shapes = readdirSync(folder).map(file => JSON.parse(readFileSync(join(folder, file), 'utf8')))
    const children = shapes.flatMap(
      (shape: { children?: { object: KubernetesObject }[] }) => shape.children ?? [],
    )
    const kinds = new Set(children.map(({ object }) => `${object.apiVersion} ${object.kind}`))
    expect([...kinds].toSorted()).toEqual(table.map(each => `${each.apiVersion} ${each.kind}`).toSorted())
  })
})

describe('waves', () => {
  const kinds = table.map(nameOf)

  it('apply the Deployment after what a pod needs, and what exposes it last', () => {
    expect(applyWaves(kinds, each => each)).toEqual([
      ['Secret', 'NetworkPolicy', 'Service'],
      ['Deployment'],
      ['Ingress', 'HTTPRoute', 'TLSRoute'],
    ])
  })

  it('refuse to apply a kind that is not in the table', () => {
    expect(() => applyWaves(['Widget'], each => each)).toThrow('Widget')
  })

  it('remove the Deployment and what exposes it first and the NetworkPolicy last', () => {
    const waves = removeWaves(table.map(({ kind }) => ({ kind })))
    expect(waves.map(wave => wave.map(nameOf))).toEqual([
      ['Ingress', 'HTTPRoute', 'TLSRoute', 'Deployment'],
      ['Secret', 'Service'],
      ['NetworkPolicy'],
    ])
  })

  it('remove a kind that another version of the operator recorded before the policy', () => {
    expect(removalOf({ kind: 'Widget' })).toEqual({ removeWave: 2, propagation: 'Background' })
    const waves = removeWaves([{ kind: 'NetworkPolicy' }, { kind: 'Widget' }, { kind: 'Deployment' }])
    expect(waves.map(wave => wave.map(nameOf))).toEqual([['Deployment'], ['Widget'], ['NetworkPolicy']])
  })

  it('remove what a Deployment has left together with the Deployment, and wait for it', () => {
    for (const kind of dependentKinds)
      expect(removalOf(kind)).toEqual({ removeWave: 1, propagation: 'Foreground' })
  })

  it('wait for the objects that are deleted in the foreground', () => {
    const foreground = table.filter(({ propagation }) => propagation === 'Foreground')
    expect(foreground.every(({ removeWave }) => removeWave === 1)).toBe(true)
  })
})

let roles: Role[]
beforeAll(async () => {
  roles = (await readManifests('rbac')).filter(({ kind }) => kind === 'ClusterRole') as Role[]
})

/** Verbs that the role of a function has for a kind, sorted. */
async function verbsOf(functionName: string, kind: ChildKind): Promise<string[]> {
  const group = kind.apiVersion.includes('/') ? (kind.apiVersion.split('/')[0] as string) : ''
  const resource = collectionPath(kind).split('/').at(-1) as string
  const role = roles.find(({ metadata }) => metadata.name === `challenge-operator-${functionName}`)
  const rules = role?.rules.filter(
    each => each.apiGroups.includes(group) && each.resources.includes(resource),
  )
  return (rules ?? []).flatMap(each => each.verbs).toSorted()
}
