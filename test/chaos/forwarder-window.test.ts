import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHandler } from '../../functions/watch-forwarder/handler.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { once } from '../../lib/middleware/start-up.ts'
import type { ControlPlane } from '../../local/control-plane/start.ts'
import { composeForward } from '../../local/lambda/compose-forward.ts'
import { lambdaContext } from '../../local/lambda/context.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { untilConsistent } from '../support/consistency.ts'
import { startTestControlPlane } from '../support/control-plane.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { installEverywhere } from '../support/global-setup.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { scheduledEvent } from '../unit/functions/lambda-events.ts'

let plane: ControlPlane
let operator: FaultyOperator
beforeAll(async () => {
  plane = await startTestControlPlane()
  await installEverywhere(plane.kubeconfig)
  operator = await startFaultyOperator({ plane, forwarder: false })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
})
afterAll(async () => {
  await operator?.stop()
  await plane?.stop()
})

test('a window that begins while the API server is away watches as soon as it is back', async () => {
  const { cluster, clientFor, config, queues, namespace, signal } = operator
  const client = clientFor('watch-forwarder')
  const outage = plane.restartApiServer({ how: 'kill', downMs: 2_000 }, signal)
  const isAway = () =>
    checkSchema(client, signal).then(
      () => false,
      () => true,
    )
  await waitUntil('the outage', 10_000, isAway, signal)

  const { log, lines } = recordedLog()
  const stopping = new AbortController()
  const handler = createHandler({
    forward: composeForward({ client, changes: queues.changes, config, log }),
    ready: once(until => checkSchema(client, until)),
    log,
    stopping: stopping.signal,
  })
  const invocation = handler(
    scheduledEvent('2026-01-01T00:00:00Z'),
    lambdaContext('watch-forwarder', 900_000),
  )
  await outage
  await cluster.create(instanceOf(namespace, 'web-1', 'web', 1), signal)
  await untilConsistent(operator, 'web-1', 'Ready', 60_000)
  stopping.abort()
  await expect(invocation).resolves.toBeUndefined()
  expect(lines.map(({ message }) => message)).toContain('forwarder failed, it starts again')
}, 120_000)
