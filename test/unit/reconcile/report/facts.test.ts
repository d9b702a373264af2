import { array, asyncProperty, assert as check, constantFrom, option, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openClock } from '../../../../lib/clock/state.ts'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import type { Deployment, KubernetesObject, Stored } from '../../../../lib/crd/objects.ts'
import { configurationOf, underLockdown } from '../../../../lib/desired/configuration.ts'
import { noGround } from '../../../../lib/desired/exposure/exposure.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import type { Cause } from '../../../../lib/messages.ts'
import type { Acted } from '../../../../lib/reconcile/act/acted.ts'
import { decide } from '../../../../lib/reconcile/decide.ts'
import { observe } from '../../../../lib/reconcile/observe.ts'
import type { Findings } from '../../../../lib/reconcile/pass/findings.ts'
import type { Observed } from '../../../../lib/reconcile/pass/observation.ts'
import { conclude, concludeFailedRead } from '../../../../lib/reconcile/report/conclude.ts'
import { statusOf } from '../../../../lib/reconcile/report/status.ts'
import type { Revisions } from '../../../../lib/reconcile/template/revisions.ts'
import { recordedChild, storedInstance, storedTemplate } from '../../../support/objects.ts'
import { somePass } from '../passes.ts'

const workloads = ['starting', 'serving', 'late', 'over quota', 'refused'] as const
const problems = ['none', 'env', 'template', 'missing', 'flag', 'name taken', 'quota'] as const
const kinds = ['full', 'look', 'failed read'] as const

/** What a full pass alone can find out, and what every pass that reads the workload sees. */
interface World {
  problem: (typeof problems)[number]
  workload: (typeof workloads)[number]
}

interface Step {
  kind: (typeof kinds)[number]
  problem: World['problem'] | null
  workload: World['workload'] | null
}

const steps = array(
  record({
    kind: constantFrom(...kinds),
    problem: option(constantFrom(...problems)),
    workload: option(constantFrom(...workloads)),
  }),
  { minLength: 1, maxLength: 12 },
)

const start = Date.parse('2026-11-21T09:00:00Z')

/** A burst of changes of the phase is over by then. */
const muchLater = start + 3_600_000
const config = parseOperatorConfig({ FLAG_SECRET: 'a'.repeat(64) })
const open = configurationOf(config)
const configurations = { open, closed: underLockdown(open) }
const { signal } = new AbortController()
const child = recordedChild()

/** The status after one pass of this kind over the world. A `look` without what it needs is a full pass. */
async function statusAfter(
  world: World,
  before: ChallengeInstanceStatus | undefined,
  kind: Step['kind'],
  now = start,
) {
  const cause: Cause = kind === 'look' ? 'pod' : 'changed'
  const pass = somePass({ causes: new Set([cause]), pod: 'web-7-x', attempt: 0 })
  const env = world.problem === 'env' ? 'high' : '1'
  const instance = storedInstance({ spec: { env: { LEVEL: env } }, status: before })
  let observed: Observed
  try {
    observed = await observe(
      {
        cluster: clusterOf(world, kind === 'failed read'),
        revisions,
        store: { lastActiveAt: async () => undefined },
        exposureGround: async () => ({ ground: noGround, asked: true, wakes: [] }),
        keepsPod: () => false,
        config: { flagSecret: undefined },
      },
      { instance, clock: openClock },
      pass,
      signal,
    )
  } catch (thrown) {
    const { findings } = concludeFailedRead({ instance, clock: openClock }, thrown as OperatorError, {
      pass,
      random: 0.5,
      expiresAt: undefined,
      now,
    })
    return { status: statusOf(findings, new Date(now).toISOString()), looked: false }
  }
  const decision = decide(observed, config, now)
  const acted = actedOn(world, before, decision.kind === 'converge')
  const { findings } = conclude({
    ...{ observed, decision, acted, pass, configurations, now, random: 0.5 },
    config,
  })
  return {
    status: statusOf(findings as Findings, new Date(now).toISOString()),
    looked: decision.kind === 'look',
  }
}

function actedOn({ problem }: World, before: ChallengeInstanceStatus | undefined, converges: boolean): Acted {
  const children = before?.children ?? []
  const converged = converges
  if (!converges) return { children, writes: [], failures: [], converged }
  if (problem === 'name taken')
    return {
      children,
      writes: [],
      failures: [new OperatorError('NameTaken', 'The Service is not ours.')],
      converged,
    }
  if (problem === 'quota')
    return {
      children,
      writes: [],
      failures: [new OperatorError('QuotaExceeded', 'No room for a Secret.')],
      converged,
    }
  return { children: [child], writes: [], failures: [], converged }
}

/** A template that is gone was one without a problem. */
const revisions: Revisions = {
  keep: async () => {},
  read: async () => templateOf({ problem: 'none', workload: 'serving' }),
}

function clusterOf(world: World, failing: boolean): Cluster {
  const get = async ({ kind }: { kind: string }): Promise<Stored<KubernetesObject> | undefined> => {
    if (kind === 'Deployment') return deploymentOf(world)
    if (kind !== 'ChallengeTemplate') return undefined
    if (failing) throw new OperatorError('Forbidden', 'The right to read templates is missing.')
    return templateOf(world)
  }
  return { get } as unknown as Cluster
}

function templateOf({ problem }: World) {
  if (problem === 'missing') return undefined
  const secretRef = { name: 'flags', key: 'web' }
  return storedTemplate({
    spec: {
      envSchema: { properties: { LEVEL: { type: 'integer' } } },
      ...(problem === 'template' ? { exposure: { type: 'Ingress' as const, port: 'shell' } } : {}),
      ...(problem === 'flag' ? { flagStrategy: { type: 'static' as const, secretRef } } : {}),
    },
  })
}

const condition = (type: string, status: 'True' | 'False', reason: string, message = '') => ({
  type,
  status,
  reason,
  message,
})

function deploymentOf({ workload }: World): Stored<Deployment> {
  const available = workload === 'serving' ? 1 : 0
  const conditions = {
    starting: [],
    serving: [],
    late: [condition('Progressing', 'False', 'ProgressDeadlineExceeded')],
    'over quota': [condition('ReplicaFailure', 'True', 'FailedCreate', 'exceeded quota: pods')],
    refused: [condition('ReplicaFailure', 'True', 'FailedCreate', 'a webhook says no')],
  }[workload]
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web-7', namespace: 'ctf', uid: 'd', resourceVersion: '1', generation: 1 },
    spec: { replicas: 1 } as Deployment['spec'],
    status: { observedGeneration: 1, availableReplicas: available, updatedReplicas: 1, conditions },
  } as Stored<Deployment>
}

/** What a status says, without when and how often. */
function said(status: ChallengeInstanceStatus | undefined) {
  const conditions = status?.conditions?.map(({ lastTransitionTime, ...rest }) => rest)
  const { phaseChanges: _, ...rest } = status ?? {}
  return { ...rest, conditions }
}

function conditionOf(status: ChallengeInstanceStatus | undefined, type: string) {
  return status?.conditions?.find(each => each.type === type)
}

describe('a sequence of passes', () => {
  it('says after a look what a full pass would say that found the workload changed and nothing else', async () => {
    await check(
      asyncProperty(steps, async sequence => {
        let world: World = { problem: 'none', workload: 'starting' }
        let examined = world.problem
        let status: ChallengeInstanceStatus | undefined
        for (const { kind, problem, workload } of sequence) {
          world = { problem: problem ?? world.problem, workload: workload ?? world.workload }
          const whole = kind === 'failed read' ? 'full' : kind
          const after = await statusAfter(world, status, whole)
          if (!after.looked) examined = world.problem
          const expected = await statusAfter({ ...world, problem: examined }, status, 'full')
          expect(said(after.status)).toEqual(said(expected.status))
          status = after.status
        }
      }),
    )
  })

  it('says after a full pass what a full pass of the same world says, whatever was said before', async () => {
    await check(
      asyncProperty(steps, constantFrom(...workloads), async (sequence, workload) => {
        let world: World = { problem: 'none', workload: 'starting' }
        let status = (await statusAfter(world, undefined, 'full')).status
        const { status: started } = await statusAfter({ problem: 'none', workload }, status, 'full')
        for (const { kind, problem, workload: other } of sequence) {
          world = { problem: problem ?? world.problem, workload: other ?? world.workload }
          status = (await statusAfter(world, status, kind)).status
        }
        const cured = await statusAfter({ problem: 'none', workload }, status, 'full', muchLater)
        expect(said(cured.status)).toEqual(said(started))
      }),
    )
  })

  it('keeps after a failed read the phase, the workload and what stalls it', async () => {
    await check(
      asyncProperty(steps, async sequence => {
        let world: World = { problem: 'none', workload: 'starting' }
        let status: ChallengeInstanceStatus | undefined
        for (const { kind, problem, workload } of sequence) {
          world = { problem: problem ?? world.problem, workload: workload ?? world.workload }
          const after = (await statusAfter(world, status, kind)).status
          if (kind === 'failed read' && status !== undefined) {
            expect(after).toMatchObject({ phase: status.phase, reason: 'Forbidden' })
            expect(conditionOf(after, 'Stalled')).toEqual(conditionOf(status, 'Stalled'))
            if (status.children?.length) {
              expect(conditionOf(after, 'Ready')?.status).toBe(conditionOf(status, 'Ready')?.status)
              expect(conditionOf(after, 'Progressing')).toEqual(conditionOf(status, 'Progressing'))
            }
          }
          status = after
        }
      }),
    )
  })
})

describe('a pass that only looks', () => {
  it('keeps what the last full pass found wrong', async () => {
    const serving = { problem: 'none', workload: 'serving' } as const
    const first = await statusAfter(serving, undefined, 'full')
    const invalid = await statusAfter({ ...serving, problem: 'env' }, first.status, 'full')
    expect(invalid.status).toMatchObject({ phase: 'Ready', reason: 'EnvInvalid' })
    const looked = await statusAfter({ problem: 'env', workload: 'starting' }, invalid.status, 'look')
    expect(looked).toMatchObject({ looked: true, status: { phase: 'Provisioning', reason: 'EnvInvalid' } })
    expect(looked.status.message).toBe(invalid.status.message)
    expect(conditionOf(looked.status, 'Stalled')).toMatchObject({ status: 'True', reason: 'EnvInvalid' })
  })

  it('reads the template after a pause, since a pause hides what else is wrong', async () => {
    const serving = { problem: 'none', workload: 'serving' } as const
    const { status } = await statusAfter(serving, undefined, 'full')
    const resumed = await statusAfter(serving, { ...status, reason: 'Paused' }, 'look')
    expect(resumed.looked).toBe(false)
    expect(resumed.status).not.toHaveProperty('reason')
  })
})
