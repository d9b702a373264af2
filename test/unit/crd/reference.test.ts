import { describe, expect, it } from 'vitest'
import { childKey, keyOfObject, referenceTo } from '../../../lib/crd/reference.ts'

const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace: 'n', name: 'a' } }

describe('referenceTo', () => {
  it('names kind, namespace and name of an object', () => {
    expect(referenceTo(deployment)).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      namespace: 'n',
      name: 'a',
    })
  })

  it('leaves the namespace of a cluster-scoped object out', () => {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } }
    expect(referenceTo(namespace)).toEqual({ apiVersion: 'v1', kind: 'Namespace', name: 'n' })
  })

  it('throws for an object without a name', () => {
    expect(() => referenceTo({ ...deployment, metadata: {} })).toThrow('a Deployment without a name')
  })
})

it('keyOfObject and childKey give the same key', () => {
  expect(keyOfObject(deployment)).toBe('Deployment/n/a')
  expect(childKey({ kind: 'Deployment', namespace: 'n', name: 'a' })).toBe('Deployment/n/a')
})
