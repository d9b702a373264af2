import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChallengeInstance, Child } from '../../lib/crd/challenge-instance.ts'
import { restartedAt } from '../../lib/crd/child-fields.ts'
import { labels } from '../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Service, Stored } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { childKindNames, instanceCalled, untilConsistent } from '../support/consistency.ts'
import { create, edit, remove } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import {
  eventually,
  phaseOf,
  referenceTo,
  startTestOperator,
  type TestOperator,
} from '../support/operator.ts'
import { type RecordedLog, recordedLog } from '../support/recorded-log.ts'

let operator: TestOperator
let recorded: RecordedLog

beforeAll(async () => {
  recorded = recordedLog()
  operator = await startTestOperator({ log: recorded.log, challenges: ['web'] })
  const spec = { flagStrategy: { type: 'hmac-per-instance' } } as const
  await create(operator, templateOf(operator.namespace, 'web', spec))
  await serving('contested', 7)
  fighting = fightUntil(6)
  // A failure is reported by the test that waits for it.
  fighting.catch(() => {})
})
afterAll(() => operator?.stop())

async function serving(name: string, team: number): Promise<void> {
  await create(operator, instanceOf(operator.namespace, name, 'web', team))
  await untilConsistent(operator, name, 'Ready')
}

const read = <T extends KubernetesObject>(kind: string, name: string) =>
  operator.cluster.get<T>(referenceTo(operator, kind, name), operator.signal) as Promise<Stored<T>>

/** The causes of the passes over an instance so far. */
const causesOf = (name: string) =>
  recorded.lines
    .filter(({ message, fields }) => message === 'pass ended' && fields.name === name)
    .flatMap(({ fields }) => fields.causes as string[])

/** The pauses between six repairs take half a minute, in which the other tests run. */
let fighting: Promise<void>
const isWrong = (service: Service | undefined) => service?.spec.selector?.app === 'another'
const serviceOf = (instance: ChallengeInstance | undefined): Child | undefined =>
  instance?.status?.children?.find(each => each.kind === 'Service')

/** Changes the Service of the contested instance again and again, until so many repairs are recorded. */
async function fightUntil(count: number): Promise<void> {
  const isRepaired = async () => {
    if (!isWrong(await read<Service>('Service', 'contested')))
      await edit(operator, 'Service', 'contested', { spec: { selector: { app: 'another' } } })
    const repairs = serviceOf(await instanceCalled(operator, 'contested'))?.repairs?.count ?? 0
    return repairs >= count
  }
  await waitUntil(`${count} repairs`, 150_000, isRepaired, operator.signal)
}

const foreign = {
  metadata: {
    annotations: { 'cloud.google.com/neg-status': '{}' },
    finalizers: ['example.com/hold'],
    labels: { 'mesh.example.com/enabled': 'true' },
  },
}

describe('what others write on the metadata of a child', () => {
  it('stays, and wakes nobody', async () => {
    await serving('noted', 1)
    const passes = causesOf('noted').length
    for (const kind of childKindNames) await edit(operator, kind, 'noted', foreign)
    const before = await Promise.all(childKindNames.map(kind => read(kind, 'noted')))
    // Longer than an echo of our own write is waited for.
    await sleep(3_000)
    const after = await Promise.all(childKindNames.map(kind => read(kind, 'noted')))
    expect(after.map(each => each.metadata)).toMatchObject(before.map(() => foreign.metadata))
    // The sweep reads the metadata of Secrets and Deployments only, and may look at both once.
    expect(causesOf('noted').slice(passes)).not.toContain('child')
  })

  it('stays when the child is repaired and when its desired state changes', async () => {
    await edit(operator, 'Service', 'noted', { spec: { selector: { app: 'another' } } })
    await eventually<Service>(operator, 'Service', 'noted', each => each?.spec.selector?.app === 'noted')
    await edit(operator, 'Deployment', 'noted', { metadata: { labels: { [labels.team]: '99' } } })
    await eventually(operator, 'Deployment', 'noted', each => each?.metadata.labels?.[labels.team] === '1')
    await edit(operator, 'ChallengeInstance', 'noted', { spec: { env: { LEVEL: 'hard' } } })
    await eventually<Deployment>(
      operator,
      'Deployment',
      'noted',
      each => JSON.stringify(each?.spec).includes('LEVEL') === true,
    )
    await untilConsistent(operator, 'noted', 'Ready')
    for (const kind of childKindNames)
      expect((await read(kind, 'noted')).metadata, kind).toMatchObject(foreign.metadata)
  })

  it('does not keep the instance from being deleted once its Deployment may go', async () => {
    const release = (kind: string) => edit(operator, kind, 'noted', { metadata: { finalizers: null } })
    await remove(operator, 'ChallengeInstance', 'noted')
    await phaseOf(operator, 'noted', 'Terminating', 'Terminating')
    expect(await read('Service', 'noted')).toMatchObject(foreign)
    await release('Deployment')
    await eventually(operator, 'ChallengeInstance', 'noted', each => each === undefined)
    const held = await read('Service', 'noted')
    expect(held.metadata.finalizers).toEqual(['example.com/hold'])
    expect(held.metadata.deletionTimestamp).toBeDefined()
    for (const kind of childKindNames) await release(kind)
    await untilConsistent(operator, 'noted', 'gone')
  })
})

describe('what others add to the spec of a child', () => {
  it('goes, also a field that we never state', async () => {
    await serving('edited', 2)
    await edit(operator, 'Service', 'edited', {
      spec: { externalIPs: ['10.9.9.9'], sessionAffinity: 'ClientIP' },
    })
    await eventually<Service & { spec: { externalIPs?: string[]; sessionAffinity?: string } }>(
      operator,
      'Service',
      'edited',
      each => each?.spec.externalIPs === undefined && each?.spec.sessionAffinity === 'None',
    )
    await edit(operator, 'Deployment', 'edited', {
      spec: { template: { metadata: { annotations: { 'mesh.example.com/inject': 'true' } } } },
    })
    await eventually<Deployment>(
      operator,
      'Deployment',
      'edited',
      each => JSON.stringify(each?.spec).includes('inject') === false,
    )
    await untilConsistent(operator, 'edited', 'Ready')
  })
})

describe('kubectl rollout restart', () => {
  const at = '2026-11-29T14:00:00Z'
  const restart = { spec: { template: { metadata: { annotations: { [restartedAt]: at } } } } }
  const restartOf = (each: Deployment | undefined) => each?.spec.template.metadata?.annotations?.[restartedAt]

  it('restarts the pod once, and its annotation stays', async () => {
    await serving('restarted', 3)
    const { status } = (await instanceCalled(operator, 'restarted')) as ChallengeInstance
    await edit(operator, 'Deployment', 'restarted', restart)
    await eventually<ChallengeInstance>(operator, 'ChallengeInstance', 'restarted', each => {
      const { phase, podName } = each?.status ?? {}
      return phase === 'Ready' && podName !== status?.podName
    })
    await untilConsistent(operator, 'restarted', 'Ready')
    // A change that concerns the Deployment makes the next pod with the annotation, and no pod for it.
    await edit(operator, 'ChallengeInstance', 'restarted', { spec: { env: { LEVEL: 'hard' } } })
    await eventually<Deployment>(operator, 'Deployment', 'restarted', each =>
      JSON.stringify(each?.spec).includes('LEVEL'),
    )
    await untilConsistent(operator, 'restarted', 'Ready')
    // The controller of Deployments writes the number of the revision after it has made the pod.
    const revision = async () => {
      const { metadata } = await read<Deployment>('Deployment', 'restarted')
      return metadata.annotations?.['deployment.kubernetes.io/revision']
    }
    await expect.poll(revision, { timeout: 20_000 }).toBe('3')
    expect(restartOf(await read<Deployment>('Deployment', 'restarted'))).toBe(at)
  })
})

describe('a child that something keeps changing', { timeout: 180_000 }, () => {
  const lines = () => recorded.lines.filter(({ message }) => message === 'child is changed again and again')

  it('is repaired with growing pauses, and reported as Contested, once in the log', async () => {
    await fighting
    const contested = await instanceCalled(operator, 'contested')
    expect(contested?.status).toMatchObject({ phase: 'Ready', reason: 'Contested' })
    expect(contested?.status?.message).toContain('Service "contested"')
    expect(lines()).toMatchObject([
      { fields: { name: 'contested', child: expect.stringContaining('Service/'), by: ['kubectl-edit'] } },
    ])
  })

  it('is repaired at once for force-sync', async () => {
    await edit(operator, 'Service', 'contested', { spec: { selector: { app: 'another' } } })
    const annotations = { 'infra.ctf.example.com/force-sync': 'now' }
    await edit(operator, 'ChallengeInstance', 'contested', { metadata: { annotations } })
    await eventually<Service>(operator, 'Service', 'contested', each => !isWrong(each), 10_000)
  })

  it('is not reported any more when nothing has changed it for ten minutes', async () => {
    const at = new Date(Date.now() - 600_000).toISOString()
    const backdate = async () => {
      await untilConsistent(operator, 'contested', 'Ready')
      const found = (await instanceCalled(operator, 'contested')) as Stored<ChallengeInstance>
      const children = (found.status?.children ?? []).map(each => ({
        ...each,
        ...(each.repairs && { repairs: { ...each.repairs, at } }),
      }))
      const written = { ...found, status: { ...found.status, children } }
      return typeof (await operator.cluster.putStatus(written, operator.signal)) === 'object'
    }
    await waitUntil('the changed date', 20_000, backdate, operator.signal)
    const calm = await phaseOf(operator, 'contested', 'Ready', undefined)
    expect(serviceOf(calm)).not.toHaveProperty('repairs')
  })
})
