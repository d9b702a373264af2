import { describe, expect, it } from 'vitest'
import { annotations } from '../../../lib/crd/group.ts'
import type { KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { revisionName, templateRevision } from '../../../lib/desired/template-revision.ts'
import { unusedMs } from '../../../lib/desired/unused.ts'
import { missingRevisions, unusedRevisions } from '../../../lib/sweep/revisions.ts'
import { type SweptInstance, sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const generation = (number: number) =>
  storedTemplate({ metadata: { generation: number }, spec: { ttlMinutes: number } })

/** A revision as a list of metadata returns it. @param unusedSince epoch milliseconds */
function kept(number: number, unusedSince?: number): Stored<KubernetesObject> {
  const { apiVersion, kind, metadata } = templateRevision(generation(number))
  const mark =
    unusedSince === undefined ? {} : { [annotations.unusedSince]: new Date(unusedSince).toISOString() }
  return {
    apiVersion,
    kind,
    metadata: {
      ...metadata,
      uid: `s${number}`,
      resourceVersion: '1',
      creationTimestamp: '2026-11-21T08:00:00Z',
      annotations: mark,
    },
  }
}

function on(number: number, status: { phase?: 'Ready' } = { phase: 'Ready' }): SweptInstance {
  const { uid = '', generation: at = 0 } = generation(number).metadata
  const revision = revisionName(generation(number))
  return sweptInstance(
    storedInstance({ status: { ...status, template: { uid, generation: at, hash: 'h', revision } } }),
  )
}

describe('unusedRevisions', () => {
  const names = (found: Stored<KubernetesObject>[]) => found.map(each => each.metadata.name)
  const revisions = [1, 2, 3].map(number => kept(number))

  it('finds the revisions that no instance uses and that keep no template that exists', () => {
    const listed = { children: revisions, templates: [generation(3)] }
    expect(names(unusedRevisions(listed, [on(2)], now))).toEqual([revisionName(generation(1))])
  })

  it('finds a revision of a deleted template when its last instance is gone', () => {
    const listed = { children: revisions, templates: [] }
    expect(unusedRevisions(listed, [on(1), on(2), on(3)], now)).toEqual([])
    expect(unusedRevisions(listed, [], now)).toHaveLength(3)
  })

  it('leaves out a revision that was marked a short time ago', () => {
    const children = [kept(1, now - unusedMs + 1), kept(2, now - unusedMs)]
    expect(names(unusedRevisions({ children, templates: [] }, [], now))).toEqual([
      revisionName(generation(2)),
    ])
  })

  it('finds no Secret that is none of a revision', () => {
    const own = { ...kept(1), metadata: { ...kept(1).metadata, labels: {} } }
    expect(unusedRevisions({ children: [own], templates: [] }, [], now)).toEqual([])
  })
})

describe('missingRevisions', () => {
  it('finds one instance of a revision that is gone although its template exists', () => {
    const found = missingRevisions({ children: [], templates: [generation(1)] }, [on(1), on(1)], now)
    expect(found).toMatchObject([{ cause: 'drift', key: { name: 'web-7' } }])
  })

  it('finds nothing if the revision is kept, or cannot be written again', () => {
    expect(missingRevisions({ children: [kept(1)], templates: [generation(1)] }, [on(1)], now)).toEqual([])
    expect(missingRevisions({ children: [], templates: [generation(2)] }, [on(1)], now)).toEqual([])
    expect(missingRevisions({ children: [], templates: [] }, [on(1)], now)).toEqual([])
  })
})
