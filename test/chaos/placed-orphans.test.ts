import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { annotations } from '../../lib/crd/group.ts'
import { ownNamespace } from '../../lib/desired/identity.ts'
import { OperatorError } from '../../lib/errors.ts'
import type { InstanceKey } from '../../lib/messages.ts'
import { findLeftByDeployment, findOwned } from '../../lib/reconcile/teardown/remove-children.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { rowsOf } from '../support/consistency.ts'
import { create, edit, remove } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { phaseOf } from '../support/operator.ts'
import { namespaceCalled, untilNamespaceGone } from '../support/placed.ts'

const prefix = `o${Date.now().toString(36)}-`
const eventNamespace = `${prefix}event-1`

let operator: FaultyOperator
let forwarder: { stop(): Promise<void> }
/** How many of the next reads of a gone instance's row fail. */
let failures = 0

beforeAll(async () => {
  operator = await startFaultyOperator({
    forwarder: false,
    challenges: ['own', 'event'],
    env: { OPERATOR_PLACEMENTS: 'Shared,Event,Instance', OPERATOR_NAMESPACE_PREFIX: prefix },
    store: inner => ({
      ...inner,
      workloadNamespaceOf(uid, signal) {
        if (failures-- > 0) throw new OperatorError('DatabaseUnavailable', 'the database is away')
        return inner.workloadNamespaceOf(uid, signal)
      },
    }),
  })
  forwarder = operator.startForwarder()
  const flagStrategy = { type: 'hmac-per-instance' } as const
  await create(operator, templateOf(operator.namespace, 'own', { placement: 'Instance', flagStrategy }))
  await create(operator, templateOf(operator.namespace, 'event', { placement: 'Event', flagStrategy }))
})
afterAll(() => operator?.stop())

interface Placed {
  key: InstanceKey
  namespace: string
}

async function serving(name: string, template: 'own' | 'event'): Promise<Placed> {
  await create(operator, instanceOf(operator.namespace, name, template))
  const { metadata, status } = await phaseOf(operator, name, 'Ready')
  const key = { namespace: operator.namespace, name, uid: metadata.uid ?? '' }
  const namespace = template === 'own' ? ownNamespace(key, prefix) : eventNamespace
  expect(status?.namespace).toBe(namespace)
  return { key, namespace }
}

/** Deletes an instance whose finalizer is stripped. */
async function lose(name: string): Promise<void> {
  await edit(operator, 'ChallengeInstance', name, { metadata: { finalizers: null } })
  await remove(operator, 'ChallengeInstance', name)
}

async function leftOf({ key, namespace }: Placed): Promise<string[]> {
  const { cluster, signal } = operator
  const found = await Promise.all([
    findOwned(cluster, key, [namespace], signal),
    findLeftByDeployment(cluster, key, namespace, signal),
  ])
  return found.flat().map(each => `${each.kind} ${each.name}`)
}

const untilNothingLeft = (placed: Placed) =>
  waitUntil(
    `the end of the children of ${placed.key.name}`,
    30_000,
    async () => (await leftOf(placed)).length === 0,
    operator.signal,
  )

const rowOf = async (name: string) => (await rowsOf(operator, name))[0]
const untilClosed = (name: string) =>
  waitUntil(
    `the row of ${name} closed`,
    30_000,
    async () => (await rowOf(name))?.deleted_at !== null,
    operator.signal,
  )

describe('instances in namespaces of the operator that lost their finalizers while no forwarder ran', () => {
  const lost: Record<string, Placed> = {}

  test('have the namespaces of their workloads in their rows', async () => {
    for (const [name, template] of [
      ['lost-own', 'own'],
      ['lost-event', 'event'],
      ['lost-later', 'event'],
    ] as const)
      lost[name] = await serving(name, template)
    for (const [name, { namespace }] of Object.entries(lost))
      expect(await rowOf(name)).toMatchObject({
        workload_namespace: namespace,
        namespace: operator.namespace,
      })
  })

  test('leave nothing behind after a sweep that reads only rows and instances', async () => {
    await forwarder.stop()
    for (const name of ['lost-own', 'lost-event']) await lose(name)
    const placed = [lost['lost-own'], lost['lost-event']].filter(each => each !== undefined)
    for (const each of placed) expect(await leftOf(each)).not.toEqual([])
    await operator.sweep({ resync: false }, operator.signal)
    for (const each of placed) {
      await untilNothingLeft(each)
      await untilClosed(each.key.name)
    }
    await untilNamespaceGone(operator, lost['lost-own']?.namespace ?? '')
    expect(await leftOf(lost['lost-later'] as Placed)).not.toEqual([])
  })

  test('are found again if the row cannot be read at first and no message tells the namespace', async () => {
    await lose('lost-later')
    failures = 1
    const { key } = lost['lost-later'] as Placed
    const message = { v: 1, ...key, cause: 'deleted', resourceVersion: '', attempt: 0 } as const
    const change = { ...message, at: new Date().toISOString() }
    await operator.queues.changes.send([{ change, deduplicationId: key.uid }], operator.signal)
    await untilNothingLeft(lost['lost-later'] as Placed)
    await untilClosed('lost-later')
    expect(failures).toBeLessThan(0)
  })

  test('leave the namespace of their event to the resync, which marks it', async () => {
    const { metadata } = (await namespaceCalled(operator, eventNamespace)) ?? {}
    expect(metadata?.annotations?.[annotations.unusedSince]).toBeUndefined()
    await operator.sweep({ resync: true }, operator.signal)
    const isMarked = async () =>
      (await namespaceCalled(operator, eventNamespace))?.metadata.annotations?.[annotations.unusedSince] !==
      undefined
    await waitUntil('the mark', 30_000, isMarked, operator.signal)
  })
})
