import { afterEach, expect, test } from 'vitest'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, rowsOf, untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'

let operator: FaultyOperator | undefined
afterEach(async () => {
  await operator?.stop()
  operator = undefined
})

test('row and status agree after a slow pass writes the row later than the pass that followed it', async () => {
  let overtaken: (() => Promise<void>) | undefined
  const afterTheLateWrite = Promise.withResolvers<unknown[]>()
  let records = 0
  const started = await startFaultyOperator({
    store: inner => ({
      ...inner,
      // The process stops before its write until its message has been delivered again.
      async record(record, signal) {
        records += 1
        if (records > 1) return inner.record(record, signal)
        await overtaken?.()
        const recorded = await inner.record(record, started.signal)
        const [row] = await rowsOf(started, 'web-1')
        afterTheLateWrite.resolve([row?.phase, await phase()])
        return recorded
      },
    }),
  })
  operator = started
  const { cluster, namespace, signal } = started
  const phase = async () => (await instanceCalled(started, 'web-1'))?.status?.phase
  overtaken = () => waitUntil('the other pass', 40_000, async () => (await phase()) === 'Ready', signal)
  await cluster.create(templateOf(namespace, 'web'), signal)
  await cluster.create(instanceOf(namespace, 'web-1', 'web', 1), signal)

  expect(await afterTheLateWrite.promise).toEqual(['Provisioning', 'Ready'])
  await untilConsistent(started, 'web-1', 'Ready')
}, 60_000)
