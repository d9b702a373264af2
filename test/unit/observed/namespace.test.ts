import { describe, expect, it } from 'vitest'
import { namespace } from '../../../lib/desired/objects/namespace.ts'
import { beingDeleted, isMadeFor } from '../../../lib/observed/namespace.ts'
import { storedInstance } from '../../support/objects.ts'

const instance = storedInstance()
const event = namespace({ name: 'ctf-event-1', placement: 'Event', instance, spec: {} })
const own = namespace({ name: 'ctf-web-7-x', placement: 'Instance', instance, spec: {} })

describe('isMadeFor', () => {
  it('is true for the namespace of the same event, whichever instance made it', () => {
    const other = storedInstance({ metadata: { name: 'other', uid: 'other-uid' } })
    expect(
      isMadeFor(event, namespace({ name: 'ctf-event-1', placement: 'Event', instance: other, spec: {} })),
    ).toBe(true)
  })

  it('is false for a namespace without our labels, of another placement, or of another instance', () => {
    expect(isMadeFor({ ...event, metadata: { name: 'ctf-event-1' } }, event)).toBe(false)
    expect(isMadeFor(own, event)).toBe(false)
    const successor = storedInstance({ metadata: { uid: 'successor' } })
    expect(
      isMadeFor(own, namespace({ name: 'n', placement: 'Instance', instance: successor, spec: {} })),
    ).toBe(false)
  })
})

describe('the sentence about a namespace that is being deleted', () => {
  it('says what holds it, the owner of a finalizer before the number of objects', () => {
    const conditions = [
      { type: 'NamespaceContentRemaining', status: 'True', message: 'configmaps. has 1 resource instances' },
      {
        type: 'NamespaceFinalizersRemaining',
        status: 'True',
        message: 'example.com/x in 1 resource instances',
      },
    ]
    const sentence = beingDeleted({ ...event, status: { conditions } })
    expect(sentence).toContain('"ctf-event-1"')
    expect(sentence).toContain('example.com/x')
  })

  it('says no more than that while nothing is known', () => {
    expect(beingDeleted(event)).toBe('Namespace "ctf-event-1" is being deleted.')
  })
})
