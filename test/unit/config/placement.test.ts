import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { placesElsewhere } from '../../../lib/config/placement.ts'
import type { Environment } from '../../../lib/config/section.ts'
import { problemsOf } from './problems-of.ts'

const placementOf = (environment: Environment) => parseOperatorConfig(environment).placement
const problems = (environment: Environment) => problemsOf(environment, parseOperatorConfig)

describe('the settings of placements', () => {
  it('allow the default placement alone, unless a list says more', () => {
    expect(placementOf({ OPERATOR_PLACEMENT: 'Event' }).allowed).toEqual(['Event'])
    const listed = { OPERATOR_PLACEMENT: 'Event', OPERATOR_PLACEMENTS: 'Event, Instance' }
    expect(placementOf(listed).allowed).toEqual(['Event', 'Instance'])
  })

  it('look beyond the watched namespaces only where a placement needs it', () => {
    expect(placesElsewhere(placementOf({}))).toBe(false)
    expect(placesElsewhere(placementOf({ OPERATOR_PLACEMENTS: 'Shared,Instance' }))).toBe(true)
  })

  it('read a quota with its resources', () => {
    const { eventQuota } = placementOf({ OPERATOR_EVENT_QUOTA: 'cpu=40, memory=80Gi,pods=500' })
    expect(eventQuota).toEqual({ cpu: '40', memory: '80Gi', pods: '500' })
  })

  it.each([
    [{ OPERATOR_PLACEMENTS: 'Event' }, 'does not list Shared'],
    [{ OPERATOR_PLACEMENTS: 'shared' }, 'write Shared, Event or Instance'],
    [{ OPERATOR_NAMESPACE_PREFIX: '-x' }, 'beginning of a namespace name'],
    [{ OPERATOR_NAMESPACE_PREFIX: 'x'.repeat(31) }, 'up to 30'],
    [{ OPERATOR_EVENT_QUOTA: 'cpu:40' }, 'resource=quantity'],
    [{ OPERATOR_EVENT_GRACE_MINUTES: '5' }, 'from 10 to 10080'],
  ])('refuse %j', (environment, sentence) => {
    expect(problems(environment)).toContain(sentence)
  })
})
