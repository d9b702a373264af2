import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations } from '../../lib/crd/group.ts'
import type { Deployment } from '../../lib/crd/objects.ts'
import { untilConsistent } from '../support/consistency.ts'
import { edit } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { untilQueuesEmpty } from '../support/idle-queues.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually } from '../support/operator.ts'

let operator: FaultyOperator
let forwarder: ReturnType<FaultyOperator['startForwarder']>

beforeAll(async () => {
  operator = await startFaultyOperator({ forwarder: false })
  forwarder = operator.startForwarder()
  const { cluster, namespace, signal } = operator
  await cluster.create(templateOf(namespace, 'web'), signal)
  await cluster.create(instanceOf(namespace, 'held', 'web', 1), signal)
  await untilConsistent(operator, 'held', 'Ready')
})
afterAll(() => operator?.stop())

const pause = (paused: 'true' | null) =>
  edit(operator, 'ChallengeInstance', 'held', { metadata: { annotations: { [annotations.paused]: paused } } })

const instanceIs = (isSo: (instance: ChallengeInstance) => boolean) =>
  eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    'held',
    found => found !== undefined && isSo(found),
  )

const reportedGeneration = ({ status }: ChallengeInstance) =>
  status?.conditions?.find(each => each.type === 'Stalled')?.observedGeneration

function hasLevel(deployment: Deployment | undefined): boolean {
  return deployment?.spec.template.spec.containers[0]?.env?.some(({ name }) => name === 'LEVEL') === true
}

test('an edit during a pause is taken up by the first sweep after the pause, without a forwarder', async () => {
  await pause('true')
  await instanceIs(({ status }) => status?.reason === 'Paused')
  await edit(operator, 'ChallengeInstance', 'held', { spec: { env: { LEVEL: 'hard' } } })
  const edited = await instanceIs(found => reportedGeneration(found) === found.metadata.generation)
  expect(edited?.status?.observedGeneration).toBe((edited?.metadata.generation ?? 0) - 1)
  await forwarder.stop()
  // A message that is left would have its pass after the pause.
  await untilQueuesEmpty(operator.queues, operator.signal)
  expect(await operator.sweep({ resync: true }, operator.signal)).toMatchObject({ enqueued: 0 })

  await pause(null)
  expect(await operator.sweep({ resync: false }, operator.signal)).toMatchObject({ enqueued: 1 })
  await eventually<Deployment>(operator, 'Deployment', 'held', hasLevel)
  await instanceIs(({ status, metadata }) => status?.observedGeneration === metadata.generation)
})
