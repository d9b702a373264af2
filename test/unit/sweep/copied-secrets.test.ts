import { describe, expect, it } from 'vitest'
import { copiedSecretName } from '../../../lib/desired/identity.ts'
import { copiedSecret, isCopyOf } from '../../../lib/desired/objects/copied-secret.ts'
import { outdatedCopies } from '../../../lib/sweep/copied-secrets.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { flagSecret, storedInstance } from '../../support/objects.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const source = flagSecret()
const copy = { namespace: 'ctf-event-1', name: copiedSecretName(source.metadata, 'ctf-event-1') }
const instance = sweptInstance(storedInstance())
const versionNow = source.metadata.resourceVersion

describe('the name of a copied Secret', () => {
  it('is that of the Secret itself in its own namespace', () => {
    expect(copiedSecretName({ namespace: 'ctf', name: 'registry' }, 'ctf')).toBe('registry')
  })

  it('differs for Secrets of one name from two namespaces, and is a valid name', () => {
    const names = ['one', 'two'].map(namespace =>
      copiedSecretName({ namespace, name: `${'a'.repeat(53)}.${'b'.repeat(100)}` }, 'ctf-event-1'),
    )
    expect(new Set(names).size).toBe(2)
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/)
  })
})

describe('isCopyOf', () => {
  it('recognizes a copy by its labels and annotations, and no copy of another Secret', () => {
    const made = copiedSecret(source, copy)
    expect(isCopyOf(made, source.metadata)).toBe(true)
    expect(isCopyOf(made, { ...source.metadata, namespace: 'other' })).toBe(false)
    expect(isCopyOf({ ...made, metadata: { ...made.metadata, labels: {} } }, source.metadata)).toBe(false)
  })
})

describe('outdatedCopies', () => {
  const needed = { copy, sourceVersion: versionNow, instance }
  const listed = [copiedSecret(source, copy)]

  it('finds nothing while the copies are of the present versions', () => {
    expect(outdatedCopies([needed], listed, now)).toEqual([])
  })

  it('sends one instance for a copy that is behind, whatever the number of instances that need it', () => {
    const behind = { ...needed, sourceVersion: '99' }
    const found = outdatedCopies([behind, behind], listed, now)
    expect(found).toMatchObject([{ key: { uid: instance.uid }, cause: 'drift' }])
  })

  it('sends an instance for a copy that is missing', () => {
    expect(outdatedCopies([needed], [], now)).toHaveLength(1)
  })

  it('leaves the copy of a Secret alone that does not exist any more', () => {
    expect(outdatedCopies([{ ...needed, sourceVersion: undefined }], [], now)).toEqual([])
  })
})
