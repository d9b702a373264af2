import { describe, expect, test } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import type { KnownTemplate } from '../../../../lib/crd/challenge-template.ts'
import { noGround } from '../../../../lib/desired/exposure/exposure.ts'
import { templateHash } from '../../../../lib/desired/template-hash.ts'
import { revisionName } from '../../../../lib/desired/template-revision.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import type { Cause } from '../../../../lib/messages.ts'
import type { Revisions } from '../../../../lib/reconcile/template/revisions.ts'
import { templateSources } from '../../../../lib/reconcile/template/template-sources.ts'
import { storedInstance, storedTemplate, type TemplateParts } from '../../../support/objects.ts'
import { somePass } from '../passes.ts'

const generation = (number: number, spec: TemplateParts['spec'] = {}) =>
  storedTemplate({ metadata: { generation: number }, spec: { ttlMinutes: number, ...spec } })
const older = generation(1)

interface Situation {
  existing?: ReturnType<typeof generation> | undefined
  cause?: Cause
  /** `status.template`; default: the instance took `older` up, and considered it last. */
  used?: ChallengeInstanceStatus['template'] | undefined
  observedGeneration?: number
  /** The pod stays with the template in use. */
  keepsPod?: boolean
  /** The templates that revisions keep. */
  kept?: KnownTemplate[]
}

/** Where the sources of a pass come from, as the generation of each, and the revisions that were read. */
async function found(situation: Situation) {
  const { existing, cause = 'child', observedGeneration = 1, kept = [older], keepsPod = false } = situation
  const used = 'used' in situation ? situation.used : inUse(older)
  const instance = storedInstance({ status: { observedGeneration, ...(used && { template: used }) } })
  const read: string[] = []
  const revisions: Revisions = {
    keep: async () => {},
    read: async ({ name }) => {
      read.push(name)
      return kept.find(each => revisionName(each) === name)
    },
  }
  const pass = somePass({ causes: new Set([cause]) })
  const sources = await templateSources(
    {
      cluster: {} as Cluster,
      revisions,
      exposureGround: async () => ({ ground: noGround, asked: true, wakes: [] }),
    },
    { instance, existing, pass, keepsPod: () => keepsPod },
    AbortSignal.timeout(1_000),
  )
  return { generations: sources.map(({ template, exists }) => [template.metadata.generation, exists]), read }
}

function inUse(template: KnownTemplate, considered = template): ChallengeInstanceStatus['template'] {
  const { uid, generation: number = 0 } = considered.metadata
  return { uid, generation: number, hash: templateHash(template.spec), revision: revisionName(template) }
}

describe('the template that an instance is built from', () => {
  test('is the one that exists at the first pass, and nothing else is read', async () => {
    expect(await found({ used: undefined, existing: older })).toEqual({ generations: [[1, true]], read: [] })
  })

  test('is the one that exists while it is in use, and nothing else is read', async () => {
    for (const cause of ['child', 'template', 'drift'] as const)
      expect(await found({ existing: older, cause })).toEqual({ generations: [[1, true]], read: [] })
  })

  test('is the one in use while the change of the template waits for its turn', async () => {
    for (const cause of ['child', 'retry', 'drift', 'manual', 'changed'] as const) {
      const { generations } = await found({ existing: generation(2), cause })
      expect(generations).toEqual([[1, false]])
    }
  })

  test('is the newer one when its change is released, with the one in use as the second choice', async () => {
    const { generations } = await found({ existing: generation(2), cause: 'template' })
    expect(generations).toEqual([
      [2, true],
      [1, false],
    ])
  })

  test('is the newer one when an edit of the spec makes a new pod', async () => {
    const { generations } = await found({ existing: generation(2), observedGeneration: 0 })
    expect(generations).toEqual([
      [2, true],
      [1, false],
    ])
  })

  test('is the one in use when an edit of the spec leaves the pod, unless its turn has come', async () => {
    const renewed = { existing: generation(2), observedGeneration: 0, keepsPod: true }
    expect((await found(renewed)).generations).toEqual([[1, false]])
    expect((await found({ ...renewed, cause: 'template' })).generations[0]).toEqual([2, true])
  })

  test('is the newer one when it was refused before, so that it is tried again', async () => {
    const used = inUse(older, generation(2))
    const { generations } = await found({ existing: generation(2), used, cause: 'retry' })
    expect(generations[0]).toEqual([2, true])
  })

  test('is the one in use with updateStrategy Keep, whatever the pass is for', async () => {
    const existing = generation(2, { updateStrategy: 'Keep' })
    for (const cause of ['template', 'child', 'changed'] as const)
      for (const observedGeneration of [0, 1])
        expect((await found({ existing, cause, observedGeneration })).generations).toEqual([[1, false]])
  })

  test('is the one in use after the template is gone or was created anew', async () => {
    expect((await found({ existing: undefined, cause: 'template' })).generations).toEqual([[1, false]])
    const anew = storedTemplate({ metadata: { uid: 'another' } })
    expect((await found({ existing: anew })).generations).toEqual([[1, false]])
  })

  test('is the one that exists if the one in use is kept nowhere', async () => {
    const lost: Situation = { existing: generation(2), kept: [], cause: 'template' }
    expect((await found(lost)).generations).toEqual([[2, true]])
    expect((await found({ ...lost, existing: undefined })).generations).toEqual([])
  })

  test('is none if the one in use is kept nowhere and the change of the template waits for its turn', async () => {
    const lost = { existing: generation(2), kept: [] }
    expect((await found(lost)).generations).toEqual([])
    expect((await found({ ...lost, observedGeneration: 0 })).generations).toEqual([[2, true]])
    const { revision: _, ...earlierRelease } = inUse(older) ?? { uid: '', generation: 0, hash: '' }
    expect((await found({ ...lost, used: earlierRelease })).generations).toEqual([])
  })

  test('is none if a released change meets Keep, and the one in use is kept nowhere', async () => {
    const lost = { existing: generation(2, { updateStrategy: 'Keep' }), kept: [] }
    expect((await found({ ...lost, cause: 'template' })).generations).toEqual([])
    expect((await found({ ...lost, cause: 'child' })).generations).toEqual([[2, true]])
  })

  test('of an earlier release is recognised by its hash', async () => {
    const { revision: _, ...used } = inUse(older) ?? { uid: '', generation: 0, hash: '' }
    expect((await found({ existing: older, used })).generations).toEqual([[1, true]])
  })
})
