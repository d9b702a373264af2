import { describe, expect, it } from 'vitest'
import { firstNamespace, scopesOf, type WatchedNamespaces, watchedBy } from '../../../lib/crd/namespaces.ts'

describe('firstNamespace', () => {
  it.each<[WatchedNamespaces, string]>([
    ['*', 'default'],
    [['ctf', 'other'], 'ctf'],
  ])('of %j is %s', (namespaces, expected) => {
    expect(firstNamespace(namespaces)).toBe(expected)
  })
})

describe('scopesOf', () => {
  it.each<[WatchedNamespaces, { namespace?: string }[]]>([
    ['*', [{}]],
    [
      ['ctf', 'other', 'ctf'],
      [{ namespace: 'ctf' }, { namespace: 'other' }],
    ],
  ])('of %j is %j', (namespaces, expected) => {
    expect(scopesOf(namespaces)).toEqual(expected)
  })
})

describe('watchedBy', () => {
  it.each<[WatchedNamespaces, boolean]>([
    ['*', true],
    [['ctf', 'other'], true],
    [['other'], false],
  ])('%j covers the namespace ctf: %s', (namespaces, expected) => {
    expect(watchedBy(namespaces)('ctf')).toBe(expected)
  })
})
