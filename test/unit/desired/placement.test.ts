import { describe, expect, it } from 'vitest'
import {
  identity,
  ownNamespace,
  placementOf,
  possibleNamespaces,
  workloadNamespace,
} from '../../../lib/desired/identity.ts'
import { namespace } from '../../../lib/desired/objects/namespace.ts'
import { recordedChild, storedInstance } from '../../support/objects.ts'

const settings = { namespacePrefix: 'ctf-', allowed: ['Shared', 'Event', 'Instance'] as const }

describe('workloadNamespace', () => {
  it('follows from the placement', () => {
    const instance = storedInstance()
    expect(workloadNamespace(instance, 'Shared', settings)).toBe('ctf')
    expect(workloadNamespace(instance, 'Event', settings)).toBe('ctf-event-1')
    expect(workloadNamespace(instance, 'Instance', settings)).toMatch(/^ctf-web-7-[0-9a-f]{8}$/)
  })

  it('stays where children are recorded, whatever the placement says now', () => {
    const children = [recordedChild({ namespace: 'ctf-event-1' })]
    const instance = storedInstance({ status: { namespace: 'ctf-event-1', children } })
    expect(workloadNamespace(instance, 'Instance', settings)).toBe('ctf-event-1')
  })

  it('is that of the instance for one of the older operator, whose objects are beside it', () => {
    const instance = storedInstance({ status: { phase: 'Ready' } })
    expect(workloadNamespace(instance, 'Event', settings)).toBe('ctf')
  })

  it('is a valid name with the longest prefix and name, and differs for two instances of one name', () => {
    const name = 'a'.repeat(63)
    const names = ['u1', 'u2'].map(uid => ownNamespace({ name, uid }, 'x'.repeat(30)))
    for (const each of names) expect(each).toMatch(/^[a-z0-9][-a-z0-9]{0,61}[a-z0-9]$/)
    expect(new Set(names).size).toBe(2)
  })
})

describe('placementOf', () => {
  it('recognizes the placement of a namespace under any prefix', () => {
    const { metadata } = storedInstance()
    expect(placementOf(metadata, 'ctf')).toBe('Shared')
    expect(placementOf(metadata, 'old-event-1')).toBe('Event')
    expect(placementOf(metadata, ownNamespace(metadata, 'old-'))).toBe('Instance')
  })
})

describe('possibleNamespaces', () => {
  it('has every namespace that an unrecorded child may be in', () => {
    const instance = storedInstance({ status: { namespace: 'old-event-1' } })
    const own = ownNamespace(instance.metadata, 'ctf-')
    expect(possibleNamespaces(instance, settings)).toEqual(['ctf', 'old-event-1', 'ctf-event-1', own])
    expect(possibleNamespaces(instance, { ...settings, allowed: ['Shared'] })).toEqual(['ctf', 'old-event-1'])
  })
})

describe('a child in another namespace', () => {
  it('has no owner reference, which Kubernetes would refuse', () => {
    expect(identity(storedInstance(), 'ctf-event-1').owners).toEqual([])
    expect(identity(storedInstance(), 'ctf').owners).toHaveLength(1)
  })
})

describe('the namespace of an instance', () => {
  it.each([
    ['Instance', 'restricted', 'restricted'],
    ['Instance', 'hardened', 'baseline'],
    ['Event', 'restricted', 'baseline'],
  ] as const)('with the placement %s and the template %s enforces %s', (placement, podSecurity, enforced) => {
    const made = namespace({ name: 'n', placement, instance: storedInstance(), spec: { podSecurity } })
    expect(made.metadata.labels?.['pod-security.kubernetes.io/enforce']).toBe(enforced)
  })
})
