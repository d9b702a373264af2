import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import { annotations } from '../../lib/crd/group.ts'
import type { Deployment, Secret, Service } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, rowsOf, untilConsistent } from '../support/consistency.ts'
import { edit, remove } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import {
  eventually,
  phaseOf,
  referenceTo,
  startTestOperator,
  type TestOperator,
} from '../support/operator.ts'
import { policyNameOf, policyOf } from '../support/policies.ts'

let operator: TestOperator
beforeAll(async () => {
  operator = await startTestOperator({ challenges: ['revised-keep', 'revised-roll'] })
})
afterAll(() => operator?.stop())

const port = (number: number) => [{ name: 'http', port: number }]
const older: Partial<ChallengeTemplateSpec> = {
  ports: port(8080),
  flagStrategy: { type: 'hmac-per-instance', format: 'old{%s}' },
  env: [{ name: 'VERSION', value: 'old' }],
}
const newer: Partial<ChallengeTemplateSpec> = {
  image: 'registry.example.com/ctf/web:2',
  ports: port(9090),
  networkProfile: 'open',
  flagStrategy: { type: 'hmac-per-instance', format: 'new{%s}' },
  env: [{ name: 'VERSION', value: 'new' }],
}

/** Starts an instance of a template, then changes the template (`undefined` deletes it) until the status says so. */
async function startedBefore(
  name: string,
  strategy: 'Keep' | 'Roll',
  change: Partial<ChallengeTemplateSpec> | undefined,
) {
  const { cluster, namespace, signal } = operator
  const updateStrategy = { updateStrategy: strategy }
  await cluster.create(templateOf(namespace, name, { ...older, ...updateStrategy }), signal)
  await cluster.create(instanceOf(namespace, name, name, 7), signal)
  await phaseOf(operator, name, 'Ready')
  await untilConsistent(operator, name, 'Ready')
  const before = await facts(name)
  if (change === undefined) {
    await remove(operator, 'ChallengeTemplate', name)
    await phaseOf(operator, name, 'Ready', 'TemplateMissing')
  } else {
    await cluster.apply(templateOf(namespace, name, { ...change, ...updateStrategy }), signal)
    const considered = async () => (await instanceCalled(operator, name))?.status?.template?.generation === 2
    await waitUntil('the change to be considered', 20_000, considered, signal)
  }
  return before
}

/** What follows from a template. */
async function facts(name: string) {
  const [instance, deployment, service, policy, secret, rows] = await Promise.all([
    instanceCalled(operator, name),
    child<Deployment>('Deployment', name),
    child<Service>('Service', name),
    policyOf(operator, name),
    child<Secret>('Secret', name),
    rowsOf(operator, name),
  ])
  const [container] = deployment?.spec.template.spec.containers ?? []
  return {
    url: instance?.status?.url,
    image: container?.image,
    env: container?.env?.filter(each => ['VERSION', 'EDITED'].includes(each.name)),
    ports: service?.spec.ports.map(each => each.port),
    policy: policy?.spec,
    flag: secret?.data,
    rows: rows.map(row => [row.url, row.flag_hmac]),
  }
}

const child = <T extends Deployment | Service | Secret>(kind: string, name: string) =>
  operator.cluster.get<T>(referenceTo(operator, kind, name), operator.signal)

describe.each([
  ['keeps its template', 'Keep', newer],
  ['lost its template', 'Roll', undefined],
] as const)('an instance that %s', (_, strategy, change) => {
  const name = `revised-${strategy.toLowerCase()}`
  let before: Awaited<ReturnType<typeof facts>>
  beforeAll(async () => {
    before = await startedBefore(name, strategy, change)
  })

  test('has the address and the flag of the template that it took up', async () => {
    expect(await facts(name)).toEqual(before)
  })

  test('gets back a deleted child as it was', async () => {
    await remove(operator, 'Service', name)
    await eventually<Service>(operator, 'Service', name, service => service !== undefined)
    await untilConsistent(operator, name, 'Ready')
    expect(await facts(name)).toEqual(before)
  })

  test('gets back the policy that was opened by hand, or deleted', async () => {
    const policy = (await policyNameOf(operator, name)) ?? ''
    await edit(operator, 'NetworkPolicy', policy, { spec: { egress: [{}] } })
    const asItWas = async () => JSON.stringify((await facts(name)).policy) === JSON.stringify(before.policy)
    await waitUntil('the policy as it was', 20_000, asItWas, operator.signal)
    await remove(operator, 'NetworkPolicy', policy)
    await waitUntil('the policy again', 20_000, asItWas, operator.signal)
  })

  test('is suspended and woken with the image that it had', async () => {
    await edit(operator, 'ChallengeInstance', name, { spec: { suspend: true } })
    await eventually<Deployment>(operator, 'Deployment', name, each => each?.spec.replicas === 0)
    await edit(operator, 'ChallengeInstance', name, { spec: { suspend: false } })
    await eventually<Deployment>(operator, 'Deployment', name, each => each?.spec.replicas === 1)
    await untilConsistent(operator, name, 'Ready')
    expect(await facts(name)).toEqual(before)
  })

  test('is restarted once for a new restartedAt, from the template that it took up, and not when it is taken away', async () => {
    const podOf = async () => (await instanceCalled(operator, name))?.status?.podName
    const deployment = () => child<Deployment>('Deployment', name)
    const [pod, written] = [await podOf(), await deployment()]
    await edit(operator, 'ChallengeInstance', name, { spec: { restartedAt: '2026-11-29T12:00:00Z' } })
    const hasNewPod = async () => ![undefined, pod].includes(await podOf())
    await waitUntil('a new pod', 30_000, hasNewPod, operator.signal)
    await untilConsistent(operator, name, 'Ready')
    const [restarted, changed] = [await podOf(), await deployment()]
    expect(changed?.metadata.generation).toBe((written?.metadata.generation ?? 0) + 1)
    expect(await facts(name)).toEqual(before)
    const verified = { metadata: { annotations: { [annotations.forceSync]: 'restarted' } } }
    await edit(operator, 'ChallengeInstance', name, verified)
    const isVerified = async () => (await instanceCalled(operator, name))?.status?.handledSync === 'restarted'
    await waitUntil('a pass that verifies everything', 20_000, isVerified, operator.signal)
    await edit(operator, 'ChallengeInstance', name, { spec: { restartedAt: null } })
    await untilConsistent(operator, name, 'Ready')
    expect((await deployment())?.metadata.generation).toBe(changed?.metadata.generation)
    expect(await podOf()).toBe(restarted)
  })

  test('takes a variable of its own spec', async () => {
    await edit(operator, 'ChallengeInstance', name, { spec: { env: { EDITED: 'yes' } } })
    await waitUntil(
      'the variable',
      20_000,
      async () => (await facts(name)).env?.some(each => each.name === 'EDITED') === true,
      operator.signal,
    )
    const { env, ...rest } = await facts(name)
    expect(rest).toMatchObject({ image: before.image, url: before.url, flag: before.flag })
    expect(env).toContainEqual({ name: 'VERSION', value: 'old' })
  })
})
