import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations } from '../../lib/crd/group.ts'
import { edit, remove } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import {
  eventually,
  phaseOf,
  referenceTo,
  startTestOperator,
  type TestOperator,
} from '../support/operator.ts'

let operator: TestOperator

/** No resync finds the Secret that the test deletes. */
beforeAll(async () => {
  operator = await startTestOperator({ env: { OPERATOR_RESYNC_MINUTES: '1440' } })
  const { cluster, namespace, signal } = operator
  await cluster.create(templateOf(namespace, 'web', { flagStrategy: { type: 'hmac-per-instance' } }), signal)
  await cluster.create(instanceOf(namespace, 'web-7', 'web'), signal)
  await phaseOf(operator, 'web-7', 'Ready')
})
afterAll(() => operator?.stop())

const isHandled = (value: string) =>
  eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    'web-7',
    each => each?.status?.handledSync === value,
  )

const secret = () => operator.cluster.get(referenceTo(operator, 'Secret', 'web-7'), operator.signal)

test('a force-sync that comes together with an edit of the spec verifies every child', async () => {
  await remove(operator, 'Secret', 'web-7')
  await edit(operator, 'ChallengeInstance', 'web-7', {
    metadata: { annotations: { [annotations.forceSync]: '1' } },
    spec: { env: { LEVEL: 'hard' } },
  })
  const handled = await isHandled('1')
  expect(await secret()).toBeDefined()
  expect(handled?.status?.observedGeneration).toBe(handled?.metadata.generation)
})

test('a force-sync during a pause is answered after it', async () => {
  await phaseOf(operator, 'web-7', 'Ready')
  await edit(operator, 'ChallengeInstance', 'web-7', {
    metadata: { annotations: { [annotations.paused]: 'true' } },
  })
  await phaseOf(operator, 'web-7', 'Ready', 'Paused')
  await remove(operator, 'Secret', 'web-7')
  await edit(operator, 'ChallengeInstance', 'web-7', {
    metadata: { annotations: { [annotations.forceSync]: '2' } },
    spec: { env: { LEVEL: 'harder' } },
  })
  const told = await eventually<ChallengeInstance>(operator, 'ChallengeInstance', 'web-7', each =>
    Boolean(
      each?.status?.conditions?.some(
        ({ type, observedGeneration }) =>
          type === 'Stalled' && observedGeneration === each.metadata.generation,
      ),
    ),
  )
  expect(told?.status?.handledSync).toBe('1')
  await edit(operator, 'ChallengeInstance', 'web-7', {
    metadata: { annotations: { [annotations.paused]: null } },
  })
  await isHandled('2')
  expect(await secret()).toBeDefined()
})

test('a force-sync on an instance that is being deleted says at once what it waits for', async () => {
  const holder = 'example.com/holds'
  await edit(operator, 'Deployment', 'web-7', { metadata: { finalizers: [holder] } })
  await remove(operator, 'ChallengeInstance', 'web-7')
  await phaseOf(operator, 'web-7', 'Terminating', 'Terminating')
  await edit(operator, 'ChallengeInstance', 'web-7', {
    metadata: { annotations: { [annotations.forceSync]: '3' } },
  })
  const asked = await isHandled('3')
  expect(asked?.status).toMatchObject({ phase: 'Terminating', reason: 'ForeignFinalizer' })
  expect(asked?.status?.message).toContain(holder)
  await edit(operator, 'Deployment', 'web-7', { metadata: { finalizers: null } })
  await eventually(operator, 'ChallengeInstance', 'web-7', each => each === undefined)
})
