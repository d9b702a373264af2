import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import { type CountedQueues, startCountedQueues } from '../support/counted-queues.ts'
import { edit } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'
import { testQueues } from '../support/shared-parts.ts'
import { sweepOnce } from '../support/sweeping.ts'

let operator: TestOperator
let counted: CountedQueues
beforeAll(async () => {
  counted = await startCountedQueues(await testQueues())
  operator = await startTestOperator({
    queues: counted.queues,
    challenges: ['tomorrow', 'soon', 'moved'],
  })
})
afterAll(async () => {
  await operator?.stop()
  await counted?.stop()
})

const inSeconds = (seconds: number) => `${new Date(Date.now() + seconds * 1_000).toISOString().slice(0, 19)}Z`

async function create(name: string, spec: Partial<ChallengeTemplateSpec>): Promise<void> {
  const { cluster, namespace, signal } = operator
  await cluster.create(templateOf(namespace, name, spec), signal)
  await cluster.create(instanceOf(namespace, name, name, 7), signal)
}

/** Messages about an instance, oldest first. */
function messagesTo(queue: 'changes' | 'timers', name: string): string[] {
  return counted.sent
    .filter(each => each.queue === queue)
    .map(each => JSON.parse(each.body) as { name?: string; cause?: string; key?: { name: string } })
    .filter(message => (message.key ?? message).name === name)
    .map(message => message.cause ?? 'timer')
}

describe.concurrent('the opening of a template', () => {
  test('an instance that opens in a day waits without a timer, and no resync wakes it', async () => {
    const availableFrom = inSeconds(86_400)
    await create('tomorrow', { availableFrom })
    const waiting = await phaseOf(operator, 'tomorrow', 'Pending', 'NotYetAvailable')
    expect(waiting.status?.availableFrom).toBe(availableFrom)
    for (let resync = 0; resync < 3; resync++) await sweepOnce(operator, counted.queues)
    expect(messagesTo('timers', 'tomorrow')).toEqual([])
    expect(messagesTo('changes', 'tomorrow')).toEqual(['changed'])
  })

  test('an instance starts when its template opens, without a timer before', async () => {
    const availableFrom = inSeconds(12)
    await create('soon', { availableFrom })
    await phaseOf(operator, 'soon', 'Pending', 'NotYetAvailable')
    expect(messagesTo('timers', 'soon')).toEqual([])
    const { status } = await phaseOf(operator, 'soon', 'Ready')
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(availableFrom))
    expect(status).not.toHaveProperty('availableFrom')
  })

  test('an opening that is moved to an earlier time is followed', async () => {
    await create('moved', { availableFrom: inSeconds(86_400) })
    await phaseOf(operator, 'moved', 'Pending', 'NotYetAvailable')
    await edit(operator, 'ChallengeTemplate', 'moved', { spec: { availableFrom: inSeconds(8) } })
    await phaseOf(operator, 'moved', 'Ready')
  })
})
