import { describe, expect, it } from 'vitest'
import type { Condition, GatewayRoute } from '../../../lib/crd/objects.ts'
import { routeLack, routeState } from '../../../lib/observed/route.ts'

const ours = { namespace: 'infra', name: 'public' }

function condition(type: string, status: Condition['status'], more: Partial<Condition> = {}): Condition {
  return { type, status, reason: type, message: '', lastTransitionTime: '2026-11-29T09:00:00Z', ...more }
}

const accepted = [condition('Accepted', 'True'), condition('ResolvedRefs', 'True')]

function route(parents: { parentRef: typeof ours; conditions?: Condition[] }[]): GatewayRoute {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace: 'ctf', name: 'web', generation: 2 },
    spec: { parentRefs: [ours], hostnames: [], rules: [] },
    status: { parents },
  }
}

describe('a route', () => {
  it.each<[string, GatewayRoute]>([
    ['without an answer', route([])],
    [
      'whose answer is about another Gateway',
      route([{ parentRef: { ...ours, name: 'other' }, conditions: accepted }]),
    ],
    ['whose backend is not resolved yet', route([{ parentRef: ours, conditions: accepted.slice(0, 1) }])],
    [
      'whose answer is about an earlier generation',
      route([{ parentRef: ours, conditions: accepted.map(each => ({ ...each, observedGeneration: 1 })) }]),
    ],
  ])('%s is pending', (_, pending) => {
    expect(routeState(pending).state).toBe('pending')
    expect(routeLack(pending)?.reason).toBe('AddressPending')
  })

  it('is served when one of several controllers accepts and resolves it', () => {
    const refused = [condition('Accepted', 'False', { reason: 'Refused' })]
    const both = route([
      { parentRef: ours, conditions: refused },
      { parentRef: ours, conditions: accepted },
    ])
    expect(routeState(both).state).toBe('accepted')
    expect(routeLack(both)).toBeUndefined()
  })

  it.each([
    ['Accepted', 'NotAllowedByListeners', 'ExposureUnsupported'],
    ['Accepted', 'NoMatchingListenerHostname', 'ExposureUnsupported'],
    ['Accepted', 'UnsupportedValue', 'RouteRejected'],
    ['ResolvedRefs', 'BackendNotFound', 'RouteRejected'],
  ])('that is refused by %s with %s has the reason %s', (type, why, reason) => {
    const conditions = accepted.map(each =>
      each.type === type
        ? condition(type, 'False', { reason: why, message: 'in the words\nof others' })
        : each,
    )
    const lack = routeLack(route([{ parentRef: ours, conditions }]))
    expect(lack?.reason).toBe(reason)
    expect(lack?.message).toContain(`${why}: in the words of others`)
  })
})
