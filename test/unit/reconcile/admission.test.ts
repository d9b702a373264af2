import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import type { Deployment, Stored } from '../../../lib/crd/objects.ts'
import { OperatorError } from '../../../lib/errors.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { withAdmission } from '../../../lib/reconcile/admission.ts'
import { decide } from '../../../lib/reconcile/decide.ts'
import type { Admission, AdmissionRequest } from '../../../lib/store/admissions.ts'
import { silentLog } from '../../../lib/telemetry/log.ts'
import { recordedChild, storedInstance, storedTemplate } from '../../support/objects.ts'
import { observation } from './observations.ts'

const now = Date.parse('2026-11-28T09:00:00Z')
const signal = new AbortController().signal
const workload = recordedChild({ kind: 'Deployment', apiVersion: 'apps/v1' })

interface World {
  env?: Record<string, string>
  maxInstances?: number
  status?: ChallengeInstanceStatus
  suspend?: boolean
  /** How long the database takes to answer, in milliseconds. */
  answersAfterMs?: number
  /** Of the Deployment that the pass observed. */
  replicas?: number
  answer?: Admission | OperatorError
}

async function asked({
  env = {},
  maxInstances,
  status,
  suspend,
  replicas,
  answersAfterMs,
  answer = { admitted: true, wakes: [] },
}: World) {
  const config = parseOperatorConfig({ FLAG_SECRET: 'x'.repeat(32), ...env })
  const template = storedTemplate({ spec: maxInstances === undefined ? {} : { maxInstances } })
  const instance = storedInstance({ spec: suspend ? { suspend } : {}, ...(status && { status }) })
  const observed = observation({
    instance,
    template: { kind: 'read', template },
    ...(replicas === undefined ? {} : { deployment: deploymentOf(replicas) }),
  })
  const decision = decide(observed, config, now)
  const requests: AdmissionRequest[] = []
  const store = {
    admit: async (request: AdmissionRequest, within: AbortSignal) => {
      requests.push(request)
      if (answersAfterMs !== undefined) await sleep(answersAfterMs, undefined, { signal: within })
      if (answer instanceof OperatorError) throw answer
      return answer
    },
  }
  const cluster = { uid: async () => 'cluster-1' } as Partial<Cluster> as Cluster
  const parts = { cluster, store, config, log: silentLog }
  const { decision: after, wakes } = await withAdmission(parts, { observed, decision }, signal)
  return { requests, before: decision, after, wakes }
}

function deploymentOf(replicas: number): Stored<Deployment> {
  const { apiVersion, kind, name, namespace } = workload
  const metadata = { ...storedInstance().metadata, name, namespace }
  const spec = { replicas, selector: { matchLabels: {} }, template: { spec: { containers: [] } } }
  return { apiVersion, kind, metadata, spec }
}

const limited = { env: { OPERATOR_MAX_PER_TEAM: '2' } }

describe('an instance that is about to start', () => {
  test('asks nobody where there is no limit', async () => {
    const { requests, before, after } = await asked({})
    expect(before.kind).toBe('converge')
    expect(after).toBe(before)
    expect(requests).toEqual([])
  })

  test('asks for room under a limit of the operator or of its template', async () => {
    expect((await asked(limited)).requests).toMatchObject([{ cluster: 'cluster-1', woken: false }])
    expect((await asked({ maxInstances: 3 })).requests).toMatchObject([{ maxInstances: 3 }])
  })

  test('waits if there is none, and its message says which limit', async () => {
    const { after } = await asked({
      ...limited,
      answer: { admitted: false, full: { name: 'team', limit: 2 }, wakes: [] },
    })
    expect(after).toMatchObject({
      kind: 'leave',
      obstacle: {
        reason: 'Queued',
        stalled: false,
        message:
          'This team has 2 instances, as many as are allowed. ' +
          'This one starts by itself when one of them ends or is hibernated, in its turn.',
      },
    })
  })

  test('says so if there is room, and others go first', async () => {
    const { after } = await asked({ ...limited, answer: { admitted: false, full: undefined, wakes: [] } })
    expect(after).toMatchObject({
      obstacle: { reason: 'Queued', message: expect.stringMatching(/^Others go first: .* in its turn\.$/) },
    })
  })

  test('says so while the rows are not known to be whole', async () => {
    const answer = { admitted: false, full: undefined, incomplete: true, wakes: [] } as const
    const { after } = await asked({ ...limited, answer })
    expect(after).toMatchObject({
      obstacle: {
        reason: 'Queued',
        message: expect.stringMatching(/does not know all instances .* twenty at most\./),
      },
    })
  })

  test('waits for a database that connects, or has others to answer first', async () => {
    const { before, after } = await asked({ ...limited, answersAfterMs: 700 })
    expect(after).toBe(before)
  })

  test('waits while the database is away', async () => {
    const away = new OperatorError('DatabaseUnavailable', 'the database does not answer')
    const { after } = await asked({ ...limited, answer: away })
    expect(after).toMatchObject({ kind: 'leave', obstacle: { reason: 'DatabaseUnavailable' } })
  })

  test('tells of others that got room with it', async () => {
    const other = { namespace: 'ctf', name: 'other', uid: 'v' }
    expect((await asked({ ...limited, answer: { admitted: true, wakes: [other] } })).wakes).toEqual([other])
  })
})

describe('an instance that has run before', () => {
  test('does not ask while it runs', async () => {
    expect((await asked({ ...limited, status: { children: [workload] } })).requests).toEqual([])
  })

  test('asks if its workload is at zero although the status does not say that it is hibernated', async () => {
    const status = { children: [workload] }
    expect((await asked({ ...limited, status, replicas: 1 })).requests).toEqual([])
    expect((await asked({ ...limited, status, replicas: 0 })).requests).toMatchObject([{ woken: true }])
  })

  test('does not ask to be hibernated', async () => {
    const { requests } = await asked({ ...limited, suspend: true, status: { children: [workload] } })
    expect(requests).toEqual([])
  })

  test('asks for room to wake, ahead of those that have not run', async () => {
    const hibernation = { reason: 'Suspended', since: '2026-11-28T08:00:00Z' } as const
    const { requests } = await asked({ ...limited, status: { children: [workload], hibernation } })
    expect(requests).toMatchObject([{ woken: true }])
  })
})
