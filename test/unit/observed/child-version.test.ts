import { describe, expect, it } from 'vitest'
import { annotations } from '../../../lib/crd/group.ts'
import { childVersion } from '../../../lib/observed/child-version.ts'

const metadata = {
  name: 'web-7',
  namespace: 'ctf',
  uid: 'u',
  resourceVersion: '5',
  creationTimestamp: '2026-11-21T08:00:00Z',
  generation: 2,
}

describe('childVersion', () => {
  it('ignores the note that refused pods were tried again', () => {
    const noted = { ...metadata, annotations: { [annotations.triedAgain]: '2026-11-21T09:00:00Z' } }
    expect(childVersion(noted)).toBe(childVersion(metadata))
  })
})
