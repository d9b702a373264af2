import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { finalizer } from '../../lib/crd/group.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { childrenOf, outboxOf, rowsOf, untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, referenceTo } from '../support/operator.ts'
import { createOwnPolicy } from '../support/policies.ts'

let operator: FaultyOperator
beforeAll(async () => {
  operator = await startFaultyOperator({ forwarder: false })
  forwarder = operator.startForwarder()
  const spec = { flagStrategy: { type: 'hmac-per-instance' } } as const
  await operator.cluster.create(templateOf(operator.namespace, 'web', spec), operator.signal)
})
afterAll(() => operator?.stop())

let forwarder: { stop(): Promise<void> }

async function ready(name: string, team: number): Promise<ChallengeInstance> {
  const { cluster, namespace, signal } = operator
  const created = await cluster.create(instanceOf(namespace, name, 'web', team), signal)
  await untilConsistent(operator, name, 'Ready')
  return created as ChallengeInstance
}

/** Sends a whole object as a client with a copy of its own does: without finalizers and without a new generation. */
async function put(name: string): Promise<ChallengeInstance> {
  const path = `/apis/infra.ctf.example.com/v1alpha1/namespaces/${operator.namespace}/challengeinstances/${name}`
  const { body: found } = await operator.client.request('GET', path, {}, operator.signal)
  const { finalizers: _, ...metadata } = (found as ChallengeInstance).metadata
  const body = { ...(found as ChallengeInstance), metadata }
  const answer = await operator.client.request('PUT', path, { body }, operator.signal)
  expect(answer.status).toBe(200)
  return answer.body as ChallengeInstance
}

/** Expects no child to be left, the row to be closed, and one event of the end. */
async function nothingLeft(name: string, uid: string): Promise<void> {
  await untilConsistent(operator, name, 'gone')
  expect(await childrenOf(operator, name)).toEqual([])
  const [row] = await rowsOf(operator, name)
  expect(row).toMatchObject({ uid })
  expect(row?.deleted_at).not.toBeNull()
  expect((await outboxOf(operator, uid)).filter(each => each === 'instance.deleted')).toHaveLength(1)
}

describe('a finalizer that a PUT removed', () => {
  test('is added again at once', async () => {
    await ready('stripped', 1)
    const { metadata } = await put('stripped')
    expect(metadata.finalizers).toBeUndefined()
    const back = await eventually<ChallengeInstance>(operator, 'ChallengeInstance', 'stripped', each =>
      Boolean(each?.metadata.finalizers?.includes(finalizer)),
    )
    expect(back?.metadata.generation).toBe(metadata.generation)
    await untilConsistent(operator, 'stripped', 'Ready')
  })

  test('leaves no child behind if the deletion follows at once', async () => {
    const { metadata } = await ready('gone-at-once', 2)
    await put('gone-at-once')
    await operator.cluster.delete(
      referenceTo(operator, 'ChallengeInstance', 'gone-at-once'),
      {},
      operator.signal,
    )
    await nothingLeft('gone-at-once', metadata.uid ?? '')
  })

  test('leaves no child behind if removal and deletion happen without a forwarder', async () => {
    const { metadata } = await ready('unseen', 3)
    await forwarder.stop()
    await createOwnPolicy(operator, 'unseen')
    await put('unseen')
    await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'unseen'), {}, operator.signal)
    forwarder = operator.startForwarder()
    await nothingLeft('unseen', metadata.uid ?? '')
  })

  test('leaves no child behind if only the sweep finds the row', async () => {
    const { metadata } = await ready('swept', 7)
    await forwarder.stop()
    await put('swept')
    await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'swept'), {}, operator.signal)
    const garbageCollected = async () => (await childrenOf(operator, 'swept')).length === 0
    await waitUntil('the garbage collector', 20_000, garbageCollected, operator.signal)
    await operator.sweep({ resync: false }, operator.signal)
    await nothingLeft('swept', metadata.uid ?? '')
    forwarder = operator.startForwarder()
  })
})
