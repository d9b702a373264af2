import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHandler } from '../../functions/watch-forwarder/handler.ts'
import { labels } from '../../lib/crd/group.ts'
import type { KubernetesObject, Pod } from '../../lib/crd/objects.ts'
import { operatorError } from '../../lib/errors.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { once } from '../../lib/middleware/start-up.ts'
import type { ControlPlane } from '../../local/control-plane/start.ts'
import { composeForward } from '../../local/lambda/compose-forward.ts'
import { lambdaContext } from '../../local/lambda/context.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { eventRowsOf, outboxOf, rowsOf, untilConsistent } from '../support/consistency.ts'
import { startTestControlPlane } from '../support/control-plane.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { installEverywhere } from '../support/global-setup.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { referenceTo } from '../support/operator.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { scheduledEvent } from '../unit/functions/lambda-events.ts'

let plane: ControlPlane
let operator: FaultyOperator
beforeAll(async () => {
  plane = await startTestControlPlane()
  await installEverywhere(plane.kubeconfig)
  operator = await startFaultyOperator({ plane, forwarder: false, teams: range(instances + 1) })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
})
afterAll(async () => {
  await operator?.stop()
  await plane?.stop()
})

const instances = 40
function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
const nameOf = (team: number) => `web-${team}`

/** Sends as the platform does: it retries until the API server accepts the call. */
async function persistently<T>(what: string, call: () => Promise<T>): Promise<void> {
  const isDone = () =>
    call().then(
      () => true,
      thrown => {
        if (operatorError(thrown).reason === 'ClusterUnavailable') return false
        throw thrown
      },
    )
  await waitUntil(what, 60_000, isDone, operator.signal)
}

test('the operator converges after an outage of the API server under load', async () => {
  const { cluster, namespace, signal } = operator
  const forwarder = operator.startForwarder()
  const creating = range(instances).map(async team => {
    // A few come before the outage, most during it, and some after it.
    await waitUntil('its turn', 60_000, async () => Date.now() - began > team * 100, signal)
    await persistently(nameOf(team), () =>
      cluster.create(instanceOf(namespace, nameOf(team), 'web', team), signal),
    )
  })
  const began = Date.now()
  await waitUntil('some load', 30_000, async () => operator.passes.length >= 8, signal)
  const outage = plane.restartApiServer({ how: 'kill', downMs: 1_000 }, signal)
  const removing = range(8).map(async team => {
    await creating[team - 1]
    await persistently(`deletion of ${nameOf(team)}`, () =>
      cluster.delete(referenceTo(operator, 'ChallengeInstance', nameOf(team)), {}, signal),
    )
  })
  await Promise.all([outage, ...creating, ...removing])

  await Promise.all(
    range(instances).map(team =>
      untilConsistent(operator, nameOf(team), team <= 8 ? 'gone' : 'Ready', 60_000).catch(thrown => {
        const seen = operator.passes.filter(({ name }) => name === nameOf(team))
        throw new Error(
          `${thrown.message}; its passes: ${JSON.stringify(seen)}; all: ${operator.passes.length}`,
        )
      }),
    ),
  )
  const uids = new Set<string>()
  for (const team of range(instances)) {
    // A timer of the outage may be due only now, and its pass may find a busy machine's database slower than 500 ms.
    await untilConsistent(operator, nameOf(team), team <= 8 ? 'gone' : 'Ready', 60_000)
    const [row, ...others] = await rowsOf(operator, nameOf(team))
    expect(others).toEqual([])
    if (row === undefined) continue
    const events = await outboxOf(operator, row.uid)
    expect(events.at(-1)).toBe(team <= 8 ? 'instance.deleted' : 'instance.ready')
    // A pass that fails during the outage may take an instance back to Pending for a while, which has no event.
    const repeated = events.filter(
      (each, index) => each === events[index - 1] && each !== 'instance.provisioning',
    )
    expect(repeated, JSON.stringify(await eventRowsOf(operator, row.uid))).toEqual([])
    if (team > 8) uids.add(row.uid)
  }
  const left: KubernetesObject[] = []
  const selection = { namespace, labelSelector: labels.instanceUid }
  for await (const page of cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, selection, signal))
    left.push(...page.filter(pod => !uids.has(pod.metadata.labels?.[labels.instanceUid] ?? '')))
  expect(left).toEqual([])
  await forwarder.stop()
}, 120_000)

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
  await cluster.create(instanceOf(namespace, 'window', 'web', instances + 1), signal)
  await untilConsistent(operator, 'window', 'Ready', 60_000)
  stopping.abort()
  await expect(invocation).resolves.toBeUndefined()
  expect(lines.map(({ message }) => message)).toContain('forwarder failed, it starts again')
}, 120_000)
