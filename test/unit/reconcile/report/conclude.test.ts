import { describe, expect, it } from 'vitest'
import { openClock } from '../../../../lib/clock/state.ts'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import type { ChallengeInstance, ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import { annotations, finalizer } from '../../../../lib/crd/group.ts'
import type { Deployment, Pod, Stored } from '../../../../lib/crd/objects.ts'
import { configurationOf, underLockdown } from '../../../../lib/desired/configuration.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import { judge } from '../../../../lib/forward/judge/judge.ts'
import type { Row } from '../../../../lib/forward/table/row.ts'
import { createTable } from '../../../../lib/forward/table/table.ts'
import { expiresAt } from '../../../../lib/lifetime.ts'
import { type Reason, reasons } from '../../../../lib/reasons.ts'
import type { Acted } from '../../../../lib/reconcile/act/acted.ts'
import { decide, overUnobserved } from '../../../../lib/reconcile/decide.ts'
import type { Findings } from '../../../../lib/reconcile/pass/findings.ts'
import { followUp } from '../../../../lib/reconcile/pass/follow-up.ts'
import { conclude, concludeFailedRead } from '../../../../lib/reconcile/report/conclude.ts'
import { statusOf } from '../../../../lib/reconcile/report/status.ts'
import { sweptInstance } from '../../../../lib/sweep/swept-instance.ts'
import {
  type InstanceParts,
  recordedChild,
  storedInstance,
  storedTemplate,
} from '../../../support/objects.ts'
import { watchedEverywhere } from '../../forward/watched-everywhere.ts'
import { type Observation, observation, sourceOf } from '../observations.ts'
import { somePass } from '../passes.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const end = now + 8_000
const shown = '2026-11-21T09:00:08Z'
const config = parseOperatorConfig({ FLAG_SECRET: 'a'.repeat(64) })
const open = configurationOf(config)
const configurations = { open, closed: underLockdown(open) }
const deployment = (available: boolean) =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web-7', namespace: 'ctf', uid: 'd', resourceVersion: '1', generation: 1 },
    spec: { replicas: 1 } as Deployment['spec'],
    status: { observedGeneration: 1, availableReplicas: available ? 1 : 0, updatedReplicas: 1 },
  }) as Stored<Deployment>
const all = Object.keys(reasons) as Reason[]
const pass = somePass({ attempt: 0 })

function instance({ metadata, spec, ...parts }: InstanceParts = {}): Stored<ChallengeInstance> {
  const created = { creationTimestamp: '2026-11-21T08:00:00Z', finalizers: [finalizer] }
  return storedInstance({
    ...parts,
    spec: { expiresAt: shown, ...spec },
    metadata: { ...created, ...metadata },
  })
}

const observed = (parts: Observation = {}) => observation({ instance: instance(), ...parts })

const write = (findings: Findings) => statusOf(findings, new Date(now).toISOString())

function statusAfterRead(parts: Observation, failure?: OperatorError): ChallengeInstanceStatus {
  const seen = observed(parts)
  const decision = decide(seen, config, now)
  const children = seen.instance.status?.children ?? []
  const converged = decision.kind === 'converge'
  const acted = { children, writes: [], failures: failure ? [failure] : [], converged }
  const { findings } = conclude({
    ...{ observed: seen, decision, acted, pass, configurations, now, random: 0.5 },
    config,
  })
  return write(findings as Findings)
}

function statusAfterFailedRead(read: Stored<ChallengeInstance>, failure: OperatorError) {
  const at = expiresAt(read, undefined, { ...config, ...openClock })
  const { findings } = concludeFailedRead({ instance: read, clock: openClock }, failure, {
    pass,
    random: 0.5,
    expiresAt: at,
    now,
  })
  return write(findings)
}

function withStatus(status: ChallengeInstanceStatus, parts: InstanceParts = {}) {
  return instance({ ...parts, status })
}

/** The cause that the forwarder sends for the instance at this time. */
function causeAt(
  read: Stored<ChallengeInstance>,
  at: number,
  template: 'exists' | 'missing' = 'exists',
): string | undefined {
  const table = createTable(watchedEverywhere, { onRow() {}, onInstanceGone() {}, onRowEmpty() {} })
  table.put(read)
  if (template === 'exists') table.put(storedTemplate())
  const [row] = table.rows() as Iterable<Row>
  return row && judge(row, row.template?.digest, at).wake?.cause
}

describe('a template that is missing', () => {
  const used = { uid: 'template-uid', generation: 1, hash: 'h', revision: 'kept' }
  const kept = sourceOf(storedTemplate(), { exists: false })

  it.each<Reason>(['TemplateMissing', 'TemplateInvalid', 'EnvInvalid', 'NameTaken', 'Forbidden'])(
    'wakes an instance once, also if its children fail with %s',
    reason => {
      const before = withStatus({ template: used, observedGeneration: 1 })
      expect(causeAt(before, now, 'missing')).toBe('template')
      const failure = new OperatorError(reason, 'of a child', { fate: 'permanent' })
      const parts = { template: { kind: 'missing' }, instance: before, sources: [kept] } as const
      const after = withStatus(statusAfterRead(parts, failure))
      expect(after.status).toMatchObject({ reason, template: { uid: used.uid, generation: 0 } })
      expect(causeAt(after, now, 'missing')).toBeUndefined()
      expect(causeAt(after, now)).toBe('template')
    },
  )

  it('keeps the word that the instance served when it took its template up', () => {
    const before = withStatus({ template: { ...used, served: true }, observedGeneration: 1 })
    const parts = { template: { kind: 'missing' }, instance: before, sources: [] } as const
    expect(statusAfterRead(parts).template).toEqual({ ...used, generation: 0, served: true })
  })
})

describe('a child that nobody watches and that was left during a pause', () => {
  const outcomeAfter = (acted: Partial<Acted>) => {
    const seen = observed({ instance: withStatus({ observedGeneration: 1 }) })
    const decision = decide(seen, config, now)
    const done = { children: [], writes: [], failures: [], converged: true, ...acted }
    return conclude({
      ...{ observed: seen, decision, acted: done, pass, configurations, now, random: 0 },
      config,
    }).outcome
  }

  it('brings the instance back at the end of the pause', () => {
    const outcome = outcomeAfter({ repairDueAt: now + 3_000 })
    expect(outcome).toEqual({ kind: 'requeue', reason: 'Contested', afterMs: 3_000 })
    expect(followUp(outcome, pass, now, 0).timers).toMatchObject([{ key: { cause: 'retry', attempt: 0 } }])
    expect(outcomeAfter({ repairDueAt: now - 1 })).toMatchObject({ afterMs: 0 })
    expect(outcomeAfter({})).toEqual({ kind: 'settled' })
  })

  it('leaves the retry after a failure as it is', () => {
    const failures = [new OperatorError('Internal', 'of another child')]
    expect(outcomeAfter({ repairDueAt: now + 3_000, failures })).toMatchObject({ kind: 'retry' })
  })
})

describe('the opening that an instance waits for', () => {
  const opening = '2026-11-22T09:00:00Z'
  const closed = storedTemplate({ spec: { availableFrom: '2026-11-22T10:00:00+01:00' } })
  const waiting = () => statusAfterRead({ template: { kind: 'read', template: closed } })

  it('is in the status, and wakes the instance then and not before', () => {
    const status = waiting()
    expect(status).toMatchObject({ phase: 'Pending', reason: 'NotYetAvailable', availableFrom: opening })
    const endless = withStatus({ ...status })
    delete endless.status?.expiresAt
    expect(causeAt(endless, Date.parse(opening) - 1)).toBeUndefined()
    expect(causeAt(endless, Date.parse(opening))).toBe('changed')
  })

  it('is shown in every pass that reads the template, and goes when it is over or the template is gone', () => {
    const read = { kind: 'read', template: closed } as const
    const paused = instance({ metadata: { annotations: { [annotations.paused]: 'true' } } })
    expect(statusAfterRead({ template: read, instance: paused }).availableFrom).toBe(opening)
    const before = withStatus(waiting())
    const looked = statusAfterRead({ template: { kind: 'unread' }, instance: before })
    expect(looked.availableFrom).toBe(opening)
    expect(statusAfterRead({ instance: before }).availableFrom).toBeUndefined()
    const gone = statusAfterRead({ template: { kind: 'missing' }, instance: before })
    expect(gone.availableFrom).toBeUndefined()
  })
})

describe('the end of an instance that gets no further', () => {
  it.each(all)('follows from the first pass on, where an object is refused with %s', reason => {
    const status = statusAfterRead({}, new OperatorError(reason, 'refused'))
    expect(status.expiresAt).toBe(shown)
    expect(causeAt(withStatus(status), end)).toBe('expiry')
    expect(decide(observed({ instance: withStatus(status) }), config, end)).toMatchObject({ kind: 'expire' })
  })

  it.each(all)('follows from the first pass on, where a read fails with %s', reason => {
    const status = statusAfterFailedRead(instance(), new OperatorError(reason, 'not read'))
    expect(status.expiresAt).toBe(shown)
    expect(causeAt(withStatus(status), end)).toBe('expiry')
    expect(
      overUnobserved({ instance: withStatus(status), clock: openClock }, config, end - 1),
    ).toBeUndefined()
    expect(overUnobserved({ instance: withStatus(status), clock: openClock }, config, end)).toBe(end)
  })

  it.each<[Reason, Observation]>([
    ['TemplateMissing', { template: { kind: 'missing' } }],
    ['EnvInvalid', { source: { environment: { reason: 'EnvInvalid', message: 'wrong' } } }],
    [
      'NotYetAvailable',
      {
        template: {
          kind: 'read',
          template: storedTemplate({ spec: { availableFrom: '2026-11-22T09:00:00Z' } }),
        },
      },
    ],
    [
      'FlagSecretMissing',
      {
        template: {
          kind: 'read',
          template: storedTemplate({
            spec: { flagStrategy: { type: 'static', secretRef: { name: 'flags', key: 'web' } } },
          }),
        },
      },
    ],
  ])('is carried out while %s keeps the instance as it is', (reason, parts) => {
    const status = statusAfterRead(parts)
    expect(status).toMatchObject({ reason, expiresAt: shown })
    expect(causeAt(withStatus(status), end)).toBe('expiry')
    expect(decide(observed({ ...parts, instance: withStatus(status) }), config, end)).toMatchObject({
      kind: 'expire',
    })
  })

  it('follows a renewal while the template is missing', () => {
    const untouched = statusAfterRead({ template: { kind: 'missing' } })
    const renewed = withStatus(untouched, {
      metadata: { generation: 2 },
      spec: { expiresAt: '2026-11-21T10:00:00Z' },
    })
    const status = statusAfterRead({ template: { kind: 'missing' }, instance: renewed })
    expect(status.expiresAt).toBe('2026-11-21T10:00:00Z')
  })

  it('follows from the template too while the instance is left as it is', () => {
    const template = { kind: 'read', template: storedTemplate({ spec: { ttlMinutes: 90 } }) } as const
    const environment = { reason: 'EnvInvalid', message: 'wrong' } as const
    const untimed = instance()
    delete untimed.spec.expiresAt
    const status = statusAfterRead({ template, source: { environment }, instance: untimed })
    expect(status.expiresAt).toBe('2026-11-21T09:30:00Z')
  })

  it('stays as reported in a pass that only looks, since the template may have cut it', () => {
    const cut = { observedGeneration: 1, expiresAt: '2026-11-21T09:00:04Z', children: [recordedChild()] }
    const status = statusAfterRead({ template: { kind: 'unread' }, instance: withStatus(cut) })
    expect(status.expiresAt).toBe('2026-11-21T09:00:04Z')
  })

  it('is shown during a pause and carried out afterwards', () => {
    const paused = { annotations: { [annotations.paused]: 'true' } }
    const status = statusAfterRead({ instance: instance({ metadata: paused }) })
    expect(status).toMatchObject({ reason: 'Paused', expiresAt: shown })
    const still = withStatus(status, { metadata: paused })
    expect(causeAt(still, end)).toBeUndefined()
    expect(decide(observed({ instance: still }), config, end)).toMatchObject({ kind: 'leave' })
    expect(overUnobserved({ instance: still, clock: openClock }, config, end)).toBeUndefined()
    expect(causeAt(withStatus(status), end)).toBe('expiry')
    expect(decide(observed({ instance: withStatus(status) }), config, end)).toMatchObject({ kind: 'expire' })
  })
})

describe('an edit during a pause', () => {
  const pausedAt = (generation: number, status: ChallengeInstanceStatus) =>
    withStatus(status, { metadata: { generation, annotations: { [annotations.paused]: 'true' } } })
  const running: ChallengeInstanceStatus = { observedGeneration: 1, children: [recordedChild()] }

  it('is reported and not observed, so it is taken up after the pause', () => {
    const paused = statusAfterRead({ instance: pausedAt(1, running) })
    expect(paused.observedGeneration).toBe(1)
    const edited = statusAfterRead({ instance: pausedAt(2, paused) })
    expect(edited.observedGeneration).toBe(1)
    expect(edited.conditions?.find(each => each.type === 'Stalled')?.observedGeneration).toBe(2)
    expect(causeAt(pausedAt(2, edited), now)).toBeUndefined()
    const resumed = withStatus(edited, { metadata: { generation: 2 } })
    expect(causeAt(resumed, now)).toBe('changed')
    expect(sweptInstance(pausedAt(2, edited)).observed).toBe(true)
    expect(sweptInstance(resumed).observed).toBe(false)
  })

  it('leaves an instance that was paused at its creation without an observed generation', () => {
    expect(statusAfterRead({ instance: pausedAt(1, {}) })).not.toHaveProperty('observedGeneration')
  })
})

describe('a child that something else keeps changing', () => {
  const contested = (count: number) =>
    statusAfterRead({
      instance: withStatus({
        children: [recordedChild({ kind: 'Service', repairs: { count, at: '2026-11-21T08:59:00Z' } })],
      }),
    })

  it('is reported from the fifth repair on, and does not stall the instance', () => {
    const { reason, message, conditions } = contested(5)
    expect({ reason, message }).toEqual({
      reason: 'Contested',
      message: expect.stringContaining('keeps changing Service "web-7"'),
    })
    expect(conditions?.find(each => each.type === 'Stalled')?.status).toBe('False')
  })

  it('is not reported before', () => expect(contested(4).reason).toBeUndefined())
})

describe('a pass of an instance whose newer template waits for its turn', () => {
  const inUse = sourceOf(storedTemplate({ metadata: { generation: 1 } }), { exists: false })
  const existing = storedTemplate({ metadata: { generation: 2 } })
  const waiting = (status: ChallengeInstanceStatus) =>
    observed({
      instance: withStatus({ children: [recordedChild()], ...status }),
      template: { kind: 'read', template: existing },
      sources: [inUse],
      held: { notReady: 2, of: 9 },
      deployment: deployment(true),
    })
  const concluded = (seen: ReturnType<typeof observed>) => {
    const decision = decide(seen, config, now)
    const acted = { children: [recordedChild()], writes: [], failures: [], converged: true }
    return conclude({
      ...{ observed: seen, decision, acted, pass, configurations, now, random: 0.5 },
      config,
    })
  }

  it('says so, sets no timer, and considers nothing', () => {
    const template = { uid: 'template-uid', generation: 1, hash: 'h', revision: inUse.revision }
    const { outcome, findings } = concluded(waiting({ template }))
    expect(outcome).toEqual({ kind: 'settled' })
    const status = write(findings as Findings)
    expect(status).toMatchObject({ phase: 'Ready', reason: 'RolloutWaiting', template: { generation: 1 } })
    expect(status.message).toContain('of 9 instances')
    expect(status.conditions?.find(({ type }) => type === 'Stalled')?.status).toBe('False')
  })

  it('is kept by a pass that only looks, and gives way to a trouble of the workload', () => {
    const look = (status: ChallengeInstanceStatus, available: boolean) => {
      const template = { kind: 'unread' } as const
      const instance = withStatus({ children: [recordedChild()], ...status })
      return write(
        concluded(observed({ instance, template, sources: [], deployment: deployment(available) }))
          .findings as Findings,
      )
    }
    const said = write(concluded(waiting({})).findings as Findings)
    expect(look(said, true)).toMatchObject({ reason: 'RolloutWaiting', message: said.message })
    expect(look(said, false)).toMatchObject({ phase: 'Provisioning' })
    expect(look(said, false).reason).toBeUndefined()
  })
})

describe('a workload of which only a pod that is going is known', () => {
  it('serves if its Deployment says so', () => {
    const meta = (name: string) => ({
      name,
      namespace: 'ctf',
      uid: name,
      resourceVersion: '1',
      creationTimestamp: '2026-11-21T08:00:00Z',
    })
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...meta('web-7'), generation: 1 },
      spec: { replicas: 1 } as Deployment['spec'],
      status: { observedGeneration: 1, availableReplicas: 1, updatedReplicas: 1 },
    } as Stored<Deployment>
    const going = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...meta('web-7-x'), deletionTimestamp: '2026-11-21T08:59:59Z' },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] },
    } as Stored<Pod>
    const before = withStatus({ children: [recordedChild()], phase: 'Ready' })
    const status = statusAfterRead({ instance: before, deployment, pods: [going] })
    expect(status.phase).toBe('Ready')
  })
})

describe('a pass that has no template to build from', () => {
  it('keeps what only a change helps against', () => {
    const status: ChallengeInstanceStatus = {
      phase: 'Failed',
      reason: 'EnvInvalid',
      message: 'wrong',
      observedGeneration: 1,
      children: [recordedChild()],
      conditions: [
        { type: 'Stalled', status: 'True', reason: 'EnvInvalid', message: 'wrong', lastTransitionTime: '' },
      ],
    }
    const after = statusAfterRead({ sources: [], instance: withStatus(status), deployment: deployment(true) })
    expect(after).toMatchObject({ reason: 'EnvInvalid', message: 'wrong' })
    expect(after.conditions).toContainEqual(expect.objectContaining({ type: 'Stalled', status: 'True' }))
  })
})

describe('a workload that lacks something', () => {
  const lacks = new OperatorError('PullSecretUnusable', 'Secret "late" does not exist.')
  const concluded = (available: boolean) => {
    const seen = observed({
      instance: withStatus({ phase: 'Provisioning', children: [recordedChild()] }),
      deployment: deployment(available),
    })
    const decision = decide(seen, config, now)
    const acted = { children: [recordedChild()], writes: [], failures: [], converged: true, lacks }
    const { outcome, findings } = conclude({
      ...{ observed: seen, decision, acted, pass, configurations, now, random: 0.5 },
      config,
    })
    return { outcome, status: write(findings as Findings) }
  }

  it('says so while it does not serve, and looks again', () => {
    const { outcome, status } = concluded(false)
    expect(outcome).toMatchObject({ kind: 'requeue', reason: 'PullSecretUnusable' })
    expect(status).toMatchObject({ phase: 'Provisioning', reason: 'PullSecretUnusable' })
    expect(status.conditions?.find(({ type }) => type === 'Stalled')?.status).toBe('False')
  })

  it('says nothing while it serves, and sets no timer', () => {
    const { outcome, status } = concluded(true)
    expect(outcome).toEqual({ kind: 'settled' })
    expect(status.phase).toBe('Ready')
    expect(status.reason).toBeUndefined()
  })
})

describe('an instance without a workload', () => {
  const cannotStart = (parts: Observation, leave?: { waitsForRoom: true }) => {
    const seen = observed(parts)
    const decision = { ...decide(seen, config, now), ...leave }
    const children = seen.instance.status?.children ?? []
    const acted = { children, writes: [], failures: [], converged: false }
    return conclude({
      ...{ observed: seen, decision, acted, pass, configurations, now, random: 0.5 },
      config,
    }).findings?.cannotStart
  }
  const missing = { template: { kind: 'missing' }, sources: [] } as const

  it('cannot start while its template is missing, and needs no room then', () => {
    expect(cannotStart(missing)).toBe(true)
  })

  it('keeps its room while it waits for room or for the end of a pause, and while it could start', () => {
    expect(cannotStart(missing, { waitsForRoom: true })).toBe(false)
    expect(cannotStart({ clock: { ...openClock, paused: true } })).toBe(false)
    expect(cannotStart({})).toBe(false)
    const running = withStatus({ children: [recordedChild({ kind: 'Deployment', apiVersion: 'apps/v1' })] })
    expect(cannotStart({ ...missing, instance: running })).toBe(false)
  })
})
