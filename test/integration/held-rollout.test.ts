import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { Deployment } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled } from '../support/consistency.ts'
import { create, edit, remove } from '../support/edits.ts'
import { untilEvent } from '../support/kubernetes-events.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'

const names = ['a', 'b', 'c', 'd', 'e', 'f']
const image = (name: string) => ({ spec: { image: name } })
const broken = 'trouble.example/never-ready:1'

let operator: TestOperator
beforeAll(async () => {
  const teams = names.map((_, index) => index + 1)
  operator = await startTestOperator({ challenges: ['web'], teams })
  await create(operator, templateOf(operator.namespace, 'web'))
  for (const [index, name] of names.entries())
    await create(operator, instanceOf(operator.namespace, name, 'web', index + 1))
  for (const name of names) await phaseOf(operator, name, 'Ready')
})
afterAll(() => operator?.stop())

const instances = () => Promise.all(names.map(name => instanceCalled(operator, name)))

async function imageOf(name: string): Promise<string | undefined> {
  const deployment = await eventually<Deployment>(operator, 'Deployment', name, each => each !== undefined)
  return deployment?.spec.template.spec.containers[0]?.image
}

async function waiting(): Promise<ChallengeInstance[]> {
  const all = await instances()
  return all.filter(each => each?.status?.reason === 'RolloutWaiting') as ChallengeInstance[]
}

describe('a roll-out of a template that no pod becomes Ready with', () => {
  it('stops after two instances, and the others say why they wait', async () => {
    await edit(operator, 'ChallengeTemplate', 'web', image(broken))
    await waitUntil('four that wait', 60_000, async () => (await waiting()).length === 4, operator.signal)
    for (const { status, metadata } of await waiting()) {
      expect(status).toMatchObject({ phase: 'Ready', template: { generation: 1 } })
      expect(status?.message).toContain('of 2 instances that served when they took it up, 2 are not Ready')
      expect(status?.conditions?.find(({ type }) => type === 'Stalled')?.status).toBe('False')
      expect(await imageOf(metadata.name ?? '')).not.toBe(broken)
    }
    const events = await untilEvent(operator, 'RolloutHeld', 'web', 'ChallengeTemplate')
    const [held] = events.filter(({ reason }) => reason === 'RolloutHeld')
    expect(held).toMatchObject({ type: 'Warning', note: (await waiting())[0]?.status?.message })
  })

  it('is not brought along by the repair of an instance that waits, which goes on to say so', async () => {
    const name = (await waiting())[0]?.metadata.name ?? ''
    const before = (await instanceCalled(operator, name))?.status
    await remove(operator, 'Service', name)
    await eventually(operator, 'Service', name, each => each !== undefined)
    await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      name,
      each => JSON.stringify(each?.status?.children) !== JSON.stringify(before?.children),
    )
    expect((await instanceCalled(operator, name))?.status).toMatchObject({
      reason: 'RolloutWaiting',
      message: before?.message,
      template: before?.template,
    })
    expect(await imageOf(name)).not.toBe(broken)
  })

  it('is not released by a renewal, nor by a suspension and a wake', async () => {
    const name = (await waiting())[0]?.metadata.name ?? ''
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    await edit(operator, 'ChallengeInstance', name, { spec: { expiresAt } })
    const renewed = await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      name,
      each => each?.status?.expiresAt !== undefined,
    )
    expect(renewed?.status).toMatchObject({ reason: 'RolloutWaiting', template: { generation: 1 } })
    await edit(operator, 'ChallengeInstance', name, { spec: { suspend: true } })
    await phaseOf(operator, name, 'Idle', 'Suspended')
    await edit(operator, 'ChallengeInstance', name, { spec: { suspend: null } })
    await phaseOf(operator, name, 'Ready', 'RolloutWaiting')
    expect(await imageOf(name)).not.toBe(broken)
  })

  it('is taken up by an instance whose spec is edited so that it gets a new pod', async () => {
    const name = (await waiting())[0]?.metadata.name ?? ''
    await edit(operator, 'ChallengeInstance', name, { spec: { env: { EDITED: 'yes' } } })
    const tookUp = (each: ChallengeInstance | undefined) => each?.status?.template?.generation === 2
    const found = await eventually<ChallengeInstance>(operator, 'ChallengeInstance', name, tookUp)
    expect(found?.status?.template).toMatchObject({ served: true })
    expect(await imageOf(name)).toBe(broken)
  })

  it('goes on to all of them when the template is corrected, and nobody says that it waits', async () => {
    await edit(operator, 'ChallengeTemplate', 'web', image('registry.example.com/ctf/web:3'))
    const done = async () =>
      (await instances()).every(
        each =>
          each?.status?.template?.generation === 3 &&
          each.status.phase === 'Ready' &&
          each.status.reason === undefined,
      )
    await waitUntil('the corrected version everywhere', 60_000, done, operator.signal)
    const served = (await instances()).map(each => each?.status?.template?.served === true)
    expect(served.filter(each => each)).toHaveLength(3)
  })
})
