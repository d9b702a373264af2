import { describe, expect, it } from 'vitest'
import { type ClockState, openClock } from '../../../lib/clock/state.ts'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import { annotations } from '../../../lib/crd/group.ts'
import type { NetworkPolicy } from '../../../lib/crd/objects.ts'
import { keyOfObject, referenceTo } from '../../../lib/crd/reference.ts'
import { hashed } from '../../../lib/desired/desired.ts'
import { identity } from '../../../lib/desired/identity.ts'
import { ownPolicy } from '../../../lib/desired/objects/network-policy.ts'
import { policyRules } from '../../../lib/desired/policy-rules.ts'
import { revisionName } from '../../../lib/desired/template-revision.ts'
import type { Decision } from '../../../lib/reconcile/decide.ts'
import { decide, overUnobserved } from '../../../lib/reconcile/decide.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'
import { type Observation, observation } from './observations.ts'

const created = '2026-11-21T08:00:00Z'
const now = Date.parse('2026-11-21T09:00:00Z')
const config = parseOperatorConfig({})
const hour = storedTemplate({ spec: { ttlMinutes: 60 } })
const endless = storedTemplate()

const clockWith = (parts: Partial<ClockState>): ClockState => ({ ...openClock, ...parts })
const paused = clockWith({ paused: true })
const credited = (minutes: number) =>
  clockWith({ credits: [{ id: 'a', minutes, at: Date.parse(created) + 1 }] })

function decided(
  clock: ClockState,
  template = hour,
  parts: Observation = {},
  status?: ChallengeInstanceStatus,
) {
  const instance = storedInstance({ metadata: { creationTimestamp: created }, ...(status && { status }) })
  return decide(observation({ instance, template: { kind: 'read', template }, clock, ...parts }), config, now)
}

/** The status of an instance that was built from the template and changed by nobody since. */
function builtStatus(template = endless): ChallengeInstanceStatus {
  const decision = decided(openClock, template) as Extract<Decision, { kind: 'converge' }>
  return {
    observedGeneration: 1,
    template: { uid: 'template-uid', generation: 1, hash: 'h', revision: revisionName(template) },
    children: decision.desired.children.map(({ object, hash }) => ({
      ...referenceTo(object),
      version: '1',
      hash,
    })),
  }
}

/** The same Deployment as the record has it. */
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'web-7',
    namespace: 'ctf',
    uid: 'd',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: created,
  },
} as NonNullable<Observation['deployment']>

describe('credits', () => {
  it('move the end that a pass decides by', () => {
    expect(decided(openClock)).toMatchObject({ kind: 'expire' })
    expect(decided(credited(10))).toMatchObject({ kind: 'converge', expiresAt: now + 600_000 })
    expect(decided(credited(-10), storedTemplate({ spec: { ttlMinutes: 70 } }))).toMatchObject({
      kind: 'expire',
    })
  })

  it('keep an instance that could not be observed from ending on its old date', () => {
    const over = (clock: ClockState, creditMinutes?: number) => {
      const status = {
        observedGeneration: 1,
        expiresAt: '2026-11-21T08:59:00Z',
        ...(creditMinutes && { creditMinutes }),
      }
      const instance = storedInstance({ metadata: { creationTimestamp: created }, status })
      return overUnobserved({ instance, clock }, config, now)
    }
    const end = Date.parse('2026-11-21T08:59:00Z')
    expect(over(openClock)).toBe(end)
    expect(over(credited(10))).toBeUndefined()
    expect(over(credited(10), 10)).toBe(end)
    // The credit was taken away, so the reported end is too late and not known exactly.
    expect(over(openClock, 10)).toBeUndefined()
    expect(over(paused)).toBeUndefined()
  })
})

describe('a pause', () => {
  const reason = (decision: Decision) =>
    decision.kind === 'leave' ? decision.obstacle.reason : decision.kind

  it('ends nobody, and says so', () => {
    expect(reason(decided(paused))).toBe('Paused')
  })

  it('creates nothing, and says so', () => {
    expect(reason(decided(paused, endless))).toBe('Paused')
  })

  it('says nothing of an instance for which there is nothing to do', () => {
    const settled = builtStatus()
    expect(reason(decided(paused, endless, { deployment }, settled))).toBe('hold')
    expect(
      reason(decided(paused, endless, { deployment, template: { kind: 'unread' }, sources: [] }, settled)),
    ).toBe('hold')
  })

  it('holds a repair back', () => {
    expect(reason(decided(paused, endless, {}, builtStatus()))).toBe('Paused')
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web-7', namespace: 'ctf' } }
    const verified = new Map([[keyOfObject(service), undefined]])
    expect(reason(decided(paused, endless, { deployment, verified }, builtStatus()))).toBe('Paused')
  })

  it('holds a changed template back, also one whose children are the same', () => {
    const changed = storedTemplate({ spec: { ttlMinutes: 600 }, metadata: { generation: 2 } })
    expect(reason(decided(paused, changed, { deployment }, builtStatus()))).toBe('Paused')
  })

  it('shows the end that a renewal gives', () => {
    const instance = storedInstance({
      metadata: { creationTimestamp: created, generation: 2 },
      spec: { expiresAt: '2026-11-21T12:00:00Z' },
      status: builtStatus(),
    })
    const seen = observation({
      instance,
      template: { kind: 'read', template: endless },
      clock: paused,
      deployment,
    })
    expect(decide(seen, config, now)).toMatchObject({ kind: 'hold', expiresAt: now + 3 * 3_600_000 })
  })

  it('leaves what would not be done anyway as it is told', () => {
    expect(reason(decided(paused, endless, { template: { kind: 'missing' }, sources: [] }))).toBe(
      'TemplateMissing',
    )
  })
})

describe('a lockdown', () => {
  it('closes the policy of an instance under its own name, and restarts no pod', () => {
    const open = decided(openClock, endless) as Extract<Decision, { kind: 'converge' }>
    const closed = decided(clockWith({ lockdown: true }), endless) as typeof open
    expect(closed.desired.sharedPolicy?.metadata).toEqual(open.desired.sharedPolicy?.metadata)
    expect(closed.desired.sharedPolicy?.spec).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      ingress: [],
      egress: [],
    })
    expect(closed.desired.children).toEqual(open.desired.children)
  })
})

describe('a lockdown', () => {
  const locked = (parts: Partial<ClockState> = {}) => clockWith({ lockdown: true, ...parts })
  /** The status of an instance that a release built that gave it a policy of its own, with the policy open or closed. */
  function formerStatus(isClosed: boolean): ChallengeInstanceStatus {
    const status = builtStatus()
    const policy = hashed(ownPolicy(own, policyRules(endless.spec), { ...config, lockdown: isClosed }))
    const record = { ...referenceTo(policy.object), version: '1', hash: policy.hash }
    return { ...status, children: [...(status.children ?? []), record] }
  }
  const own = identity(storedInstance({ metadata: { creationTimestamp: created } }), 'ctf')
  const policyAfter = (decision: Decision) =>
    decision.kind !== 'expire' && decision.kind !== 'converge'
      ? (decision.ownPolicy?.object as NetworkPolicy | undefined)?.spec
      : decision.kind
  const closed = { ingress: [], egress: [] }

  it('closes the policy of an instance’s own during a pause, and opens it again', () => {
    const during = (clock: ClockState, isClosed: boolean, template = endless) =>
      policyAfter(decided(clock, template, { deployment }, formerStatus(isClosed)))
    expect(during(locked({ paused: true }), false)).toMatchObject(closed)
    expect(during(locked({ paused: true }), false, hour)).toMatchObject(closed)
    expect(during(locked({ paused: true }), true)).toBeUndefined()
    expect(during(paused, true)?.valueOf()).not.toMatchObject(closed)
    expect(during(paused, true)).toBeDefined()
    expect(during(paused, false)).toBeUndefined()
  })

  it('closes it also where the template is missing, or the instance itself is paused', () => {
    const missing = { template: { kind: 'missing' }, sources: [], deployment } as const
    expect(policyAfter(decided(locked(), endless, missing, formerStatus(false)))).toMatchObject(closed)
    const metadata = { creationTimestamp: created, annotations: { [annotations.paused]: 'true' } }
    const instance = storedInstance({ metadata, status: formerStatus(false) })
    const seen = observation({
      instance,
      template: { kind: 'read', template: endless },
      clock: locked(),
      deployment,
    })
    expect(policyAfter(decide(seen, config, now))).toMatchObject(closed)
  })
})
