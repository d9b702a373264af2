import { describe, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import { templateHash } from '../../../../lib/desired/template-hash.ts'
import { revisionName } from '../../../../lib/desired/template-revision.ts'
import { decide } from '../../../../lib/reconcile/decide.ts'
import type { TemplateSource } from '../../../../lib/reconcile/pass/observation.ts'
import { templateAfter } from '../../../../lib/reconcile/report/template-after.ts'
import { flagSecret, storedInstance, storedTemplate, type TemplateParts } from '../../../support/objects.ts'
import { observation, sourceOf } from '../observations.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const config = parseOperatorConfig({ FLAG_SECRET: 'a'.repeat(64) })
const generation = (number: number, spec: TemplateParts['spec'] = {}) =>
  storedTemplate({ metadata: { generation: number }, spec: { ttlMinutes: number + 60, ...spec } })
const first = generation(1)
const second = generation(2)

const inUse = (template: typeof first): NonNullable<ChallengeInstanceStatus['template']> => ({
  uid: template.metadata.uid,
  generation: template.metadata.generation ?? 0,
  hash: templateHash(template.spec),
  revision: revisionName(template),
})

interface Situation {
  before?: ChallengeInstanceStatus['template']
  ready?: boolean
  existing?: typeof first
  sources?: TemplateSource[]
  /** A failed pass that comes back answers no generation. */
  observes?: boolean
}

/** `status.template` after a pass. */
function statusAfter({ before, ready = true, existing = second, sources, observes = true }: Situation) {
  const lastTransitionTime = new Date(now).toISOString()
  const conditions = [
    {
      type: 'Ready',
      status: ready ? 'True' : 'False',
      reason: 'x',
      message: '',
      lastTransitionTime,
    } as const,
  ]
  const creationTimestamp = '2026-11-21T08:30:00Z'
  const observed = observation({
    instance: storedInstance({
      metadata: { creationTimestamp },
      status: { conditions, ...(before && { template: before }) },
    }),
    template: { kind: 'read', template: existing },
    ...(sources && { sources }),
  })
  const decision = decide(observed, config, now)
  const built =
    decision.kind === 'converge'
      ? {
          ...decision.source,
          hash: decision.desired.templateHash,
          flagVersion: decision.source.flagSecret?.metadata.resourceVersion,
        }
      : undefined
  return templateAfter(observed, { built, observes })
}

const older = sourceOf(first, { exists: false })
const unusable = generation(2, { exposure: { type: 'Ingress', port: 'shell' } })

describe('the template in the status', () => {
  test('says that the instance served when it took a newer template up, and only then', () => {
    expect(statusAfter({ before: inUse(first) })).toEqual({ ...inUse(second), served: true })
    expect(statusAfter({ before: inUse(first), ready: false })).toEqual(inUse(second))
    expect(statusAfter({ before: { ...inUse(first), served: true }, ready: false })).toEqual(inUse(second))
    expect(statusAfter({ ready: false })).toEqual(inUse(second))
  })

  test('keeps that word while the same template is in use', () => {
    const before = { ...inUse(second), served: true }
    expect(statusAfter({ before, ready: false })).toEqual(before)
    expect(statusAfter({ before: inUse(second) })).toEqual(inUse(second))
  })

  test('keeps that word from a pass that failed to the one that comes back for it', () => {
    const failed = statusAfter({ before: inUse(first), observes: false })
    expect(failed).toEqual({ ...inUse(second), generation: 1, served: true })
    expect(statusAfter({ ...(failed && { before: failed }), ready: false })).toEqual({
      ...inUse(second),
      served: true,
    })
  })

  test('says nothing of a template that was refused, since the instance did not take it up', () => {
    const before = { ...inUse(first), served: true }
    const sources = [sourceOf(unusable), older]
    expect(statusAfter({ before, existing: unusable, sources })).toEqual({ ...inUse(first), generation: 2 })
  })

  test('stays as it is while the newer template waits for its turn', () => {
    const before = { ...inUse(first), served: true }
    expect(statusAfter({ before, sources: [older] })).toEqual(before)
  })

  test('recognises the template that an earlier release took up by its hash', () => {
    const { revision: _, ...before } = inUse(second)
    const sources = [sourceOf(second)]
    expect(statusAfter({ before, sources })).toEqual(inUse(second))
  })

  describe('the version of the Secret that the flag comes from', () => {
    const secretRef = { name: 'flags', key: 'web' }
    const fromSecret = generation(2, { flagStrategy: { type: 'static', secretRef } })
    const with7 = [sourceOf(fromSecret, { flagSecret: flagSecret() })]
    const of = (situation: Situation) => statusAfter({ existing: fromSecret, ...situation })?.flagVersion

    test('is the one that was read last, also of a Secret that was refused', () => {
      expect(of({ sources: with7 })).toBe('7')
      expect(of({ before: { ...inUse(fromSecret), flagVersion: '5' }, sources: with7 })).toBe('7')
      const refused = { ...flagSecret(), type: 'kubernetes.io/tls' }
      const sources = [sourceOf(fromSecret, { flagSecret: refused })]
      expect(of({ before: { ...inUse(fromSecret), flagVersion: '5' }, sources })).toBe('7')
    })

    test('goes with the Secret, and stays while no template was read', () => {
      const before = { ...inUse(fromSecret), flagVersion: '5' }
      expect(of({ before, sources: [sourceOf(fromSecret)] })).toBeUndefined()
      expect(of({ before, sources: [] })).toBe('5')
    })
  })
})
