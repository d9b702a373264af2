import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { collectionPath, objectPath } from '../../../../lib/kubernetes/client/paths.ts'

const root = resolve(import.meta.dirname, '../../../..')
const table = join(root, 'lib/kubernetes/client/paths.ts')

describe('the table of kinds', () => {
  const read = (folder: string) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter(entry => /\.(ts|yaml)$/.test(entry.name))
      .map(entry => join(entry.parentPath, entry.name))
      .filter(path => path !== table)
      .map(path => readFileSync(path, 'utf8'))
  const sources = ['lib', 'functions', 'local', 'manifests/crds', 'manifests/admission'].flatMap(read)
  const kinds = [...readFileSync(table, 'utf8').matchAll(/^ {2}['[`].*? (\w+)['`]\]?: \[/gm)].map(
    ([, kind]) => kind ?? '',
  )

  it('has no kind that nothing reads or writes', () => {
    const isUsed = (kind: string) => sources.some(text => new RegExp(`kind: '?${kind}\\b`).test(text))
    expect(kinds.length).toBeGreaterThan(10)
    expect(kinds.filter(kind => !isUsed(kind))).toEqual([])
  })
})

describe('objectPath and collectionPath', () => {
  it.each([
    [{ apiVersion: 'v1', kind: 'Secret', namespace: 'a', name: 'b' }, '/api/v1/namespaces/a/secrets/b'],
    [
      { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'a', name: 'b' },
      '/apis/apps/v1/namespaces/a/deployments/b',
    ],
    [{ apiVersion: 'v1', kind: 'Namespace', name: 'b' }, '/api/v1/namespaces/b'],
    [
      { apiVersion: 'v1', kind: 'Secret', namespace: 'a', name: '../x?y' },
      '/api/v1/namespaces/a/secrets/..%2Fx%3Fy',
    ],
  ])('locate %o', (reference, path) => {
    expect(objectPath(reference)).toBe(path)
  })

  it('locate a collection of all namespaces or of one', () => {
    const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }
    expect(collectionPath(kind)).toBe('/apis/networking.k8s.io/v1/networkpolicies')
    expect(collectionPath(kind, 'a')).toBe('/apis/networking.k8s.io/v1/namespaces/a/networkpolicies')
  })
})

describe('objectPath', () => {
  it.each([
    [
      'an unknown kind',
      { apiVersion: 'apps/v1', kind: 'ControllerRevision', namespace: 'a', name: 'b' },
      /ControllerRevision/,
    ],
    [
      'an unknown version',
      { apiVersion: 'apps/v1beta1', kind: 'Deployment', namespace: 'a', name: 'b' },
      /v1beta1/,
    ],
    ['a missing namespace', { apiVersion: 'v1', kind: 'Secret', name: 'b' }, /without its namespace/],
    ['an empty name', { apiVersion: 'v1', kind: 'Secret', namespace: 'a', name: '' }, /no name/],
    [
      'a name that leads to a parent',
      { apiVersion: 'v1', kind: 'Secret', namespace: '..', name: 'b' },
      /no name/,
    ],
  ])('throws for %s', (_name, reference, message) => {
    expect(() => objectPath(reference)).toThrow(message)
  })
})
