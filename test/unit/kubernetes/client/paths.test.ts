import { describe, expect, it } from 'vitest'
import { collectionPath, objectPath } from '../../../../lib/kubernetes/client/paths.ts'

describe('where is an object', () => {
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
  ])('%o', (reference, path) => {
    expect(objectPath(reference)).toBe(path)
  })

  it('is a collection of all namespaces, or of one', () => {
    const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }
    expect(collectionPath(kind)).toBe('/apis/networking.k8s.io/v1/networkpolicies')
    expect(collectionPath(kind, 'a')).toBe('/apis/networking.k8s.io/v1/namespaces/a/networkpolicies')
  })
})

describe('what is refused rather than sent to the wrong place', () => {
  it.each([
    [
      'an unknown kind',
      { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace: 'a', name: 'b' },
      /StatefulSet/,
    ],
    [
      'an unknown version',
      { apiVersion: 'apps/v1beta1', kind: 'Deployment', namespace: 'a', name: 'b' },
      /v1beta1/,
    ],
    ['no namespace', { apiVersion: 'v1', kind: 'Secret', name: 'b' }, /without its namespace/],
    ['no name', { apiVersion: 'v1', kind: 'Secret', namespace: 'a', name: '' }, /no name/],
    ['a name that climbs', { apiVersion: 'v1', kind: 'Secret', namespace: '..', name: 'b' }, /no name/],
  ])('%s', (_name, reference, message) => {
    expect(() => objectPath(reference)).toThrow(message)
  })
})
