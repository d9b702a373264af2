import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import type { Deployment } from '../../lib/crd/objects.ts'
import { create, edit } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import {
  eventually,
  phaseOf,
  referenceTo,
  startTestOperator,
  type TestOperator,
} from '../support/operator.ts'

let operator: TestOperator
beforeAll(async () => {
  operator = await startTestOperator()
})
afterAll(() => operator?.stop())

/** Creates a template and an instance of it, both with this name. */
async function start(name: string, spec: Partial<ChallengeTemplateSpec>): Promise<void> {
  await create(operator, templateOf(operator.namespace, name, spec))
  await create(operator, instanceOf(operator.namespace, name, name))
}

async function instanceNamed(name: string): Promise<ChallengeInstance> {
  const reference = referenceTo(operator, 'ChallengeInstance', name)
  return (await operator.cluster.get<ChallengeInstance>(reference, operator.signal)) as ChallengeInstance
}

const deploymentNamed = (name: string, isSo: (deployment: Deployment) => boolean) =>
  eventually<Deployment>(operator, 'Deployment', name, found => found !== undefined && isSo(found))

describe('a slow start', () => {
  const tcpSocket = { port: 8080 }

  it('is not blamed on its probe before the probe may have succeeded', async () => {
    const readinessProbe = { tcpSocket, initialDelaySeconds: 5, periodSeconds: 5 }
    const started = Date.now()
    await start('slow', { image: 'trouble.example/never-ready:1', readinessProbe })
    await phaseOf(operator, 'slow', 'Provisioning')
    while (Date.now() < started + 18_000) {
      expect((await instanceNamed('slow')).status).toMatchObject({ phase: 'Provisioning' })
      expect((await instanceNamed('slow')).status?.reason).toBeUndefined()
      await sleep(500)
    }
    await phaseOf(operator, 'slow', 'Provisioning', 'ProbeFailing')
  })

  it('has the time that its template states', async () => {
    await start('patient', { startupSeconds: 600 })
    const deployment = await deploymentNamed('patient', found => found.status !== undefined)
    expect(deployment?.spec.progressDeadlineSeconds).toBe(660)
    const [container] = deployment?.spec.template.spec.containers ?? []
    expect(container?.startupProbe).toMatchObject({ tcpSocket, periodSeconds: 2, failureThreshold: 301 })
  })

  it('may have another deadline than before while its pod serves', async () => {
    await start('steady', {})
    const { metadata } = await phaseOf(operator, 'steady', 'Ready')
    await edit(operator, 'Deployment', 'steady', { spec: { progressDeadlineSeconds: 60 } })
    await deploymentNamed('steady', ({ spec }) => spec.progressDeadlineSeconds === 60)
    await deploymentNamed('steady', ({ spec }) => spec.progressDeadlineSeconds === 120)
    await sleep(1_000)
    expect((await instanceNamed('steady')).status?.phase).toBe('Ready')
    expect(operator.events(metadata.uid ?? '')).toEqual(['instance.provisioning', 'instance.ready'])
  })
})
