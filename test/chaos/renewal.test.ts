import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations } from '../../lib/crd/group.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { JsonPatchOperation } from '../../lib/kubernetes/cluster.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { phaseOf, referenceTo } from '../support/operator.ts'

let operator: FaultyOperator

/** Called before reconcile deletes an instance: the last moment at which a write comes first. */
let beforeDeletion: ((name: string) => Promise<void>) | undefined

/** How many of the next deletions the API server refuses for now. */
let tooMany = 0

/** The answers to the deletions of instances, in their order. */
let answers: number[] = []

/** Calls of reconcile that name an instance. */
let calls: string[] = []

beforeAll(async () => {
  operator = await startFaultyOperator({ client: interrupted, teams: [1, 2, 3, 4, 5] })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
})
afterAll(() => operator?.stop())

function interrupted(functionName: string, inner: KubernetesClient): KubernetesClient {
  if (functionName !== 'reconcile') return inner
  return {
    ...inner,
    async request(method, path, request, signal) {
      const name = /\/challengeinstances\/([^/]+)$/.exec(path)?.[1]
      if (name !== undefined) calls.push(`${method} ${name}`)
      if (method !== 'DELETE' || name === undefined) return inner.request(method, path, request, signal)
      await beforeDeletion?.(name)
      if (tooMany-- > 0) return { status: 429, body: undefined, headers: { 'retry-after': '1' } }
      const answer = await inner.request(method, path, request, signal)
      answers.push(answer.status)
      return answer
    },
  }
}

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString()

const patch = (name: string, operation: JsonPatchOperation) =>
  operator.cluster.patchJson<ChallengeInstance>(
    referenceTo(operator, 'ChallengeInstance', name),
    [operation],
    operator.signal,
  )

const touch = (name: string, value: string) =>
  patch(name, { op: 'add', path: '/metadata/annotations', value: { [annotations.lastActivity]: value } })

async function running(name: string, team: number): Promise<void> {
  const { cluster, namespace, signal } = operator
  await cluster.create(instanceOf(namespace, name, 'web', team, { expiresAt: inSeconds(600) }), signal)
  await phaseOf(operator, name, 'Ready')
}

const ends = (name: string, expiresAt: string) =>
  patch(name, { op: 'replace', path: '/spec/expiresAt', value: expiresAt })

/**
 * Renews an instance whose end `comes`, right before the operator deletes it, and expects that it stays.
 * @returns how often the operator tried to delete it before its renewal was known
 */
async function expectRenewalKeeps(name: string, comes: () => Promise<unknown>): Promise<number> {
  const renewedTo = inSeconds(900)
  let interruptions = 0
  beforeDeletion = async deleted => {
    interruptions += 1
    await ends(deleted, renewedTo)
  }
  await comes()
  await waitUntil('the attempt to delete', 20_000, async () => interruptions > 0, operator.signal)
  beforeDeletion = undefined
  await untilConsistent(operator, name, 'Ready')
  const renewed = await instanceCalled(operator, name)
  expect(renewed?.metadata).not.toHaveProperty('deletionTimestamp')
  expect(Date.parse(renewed?.status?.expiresAt ?? '')).toBe(Date.parse(renewedTo))
  return interruptions
}

test('a renewal that the API server accepts before the deletion keeps the instance', async () => {
  await running('renewed', 1)
  expect(await expectRenewalKeeps('renewed', () => ends('renewed', inSeconds(0)))).toBe(1)
})

/** Waits until an instance is settled with an end that lies ahead, so that the forwarder's message tells of it. */
async function endingSoon(name: string, expiresAt: string): Promise<void> {
  await ends(name, expiresAt)
  const isReported = async () =>
    Date.parse((await instanceCalled(operator, name))?.status?.expiresAt ?? '') === Date.parse(expiresAt)
  await waitUntil('the end in the status', 10_000, isReported, operator.signal)
  calls = []
}

test('an end that the status shows is carried out without a read of the instance', async () => {
  await running('plain', 4)
  await endingSoon('plain', inSeconds(3))
  await untilConsistent(operator, 'plain', 'gone')
  expect(calls[0]).toBe('DELETE plain')
})

test('a renewal after the message of the end was made keeps the instance', async () => {
  await running('late', 5)
  await expectRenewalKeeps('late', () => endingSoon('late', inSeconds(3)))
  expect(calls[0]).toBe('DELETE late')
})

test('a deletion that the API server refuses for now is repeated after the pause that it asks for', async () => {
  await running('crowded', 4)
  const passes = operator.passes.length
  await endingSoon('crowded', inSeconds(3))
  tooMany = 2
  await untilConsistent(operator, 'crowded', 'gone')
  expect(calls.slice(0, 3)).toEqual(Array(3).fill('DELETE crowded'))
  expect(operator.passes.slice(passes).map(each => each.outcome)).not.toContain('retry')
})

test('a write that does not move the end is judged again, and the instance ends', async () => {
  await running('touched', 2)
  let interruptions = 0
  beforeDeletion = async name => {
    if (interruptions < 3) await touch(name, inSeconds(interruptions))
    interruptions += 1
  }
  answers = []
  const passes = operator.passes.length
  await ends('touched', inSeconds(0))
  await untilConsistent(operator, 'touched', 'gone')
  expect(answers.indexOf(200)).toBe(3)
  const outcomes = operator.passes.slice(passes).map(each => each.outcome)
  expect(outcomes).not.toContain('retry')
})

test('an instance that is written before every deletion ends by a retry', async () => {
  await running('busy', 3)
  let interruptions = 0
  beforeDeletion = async name => {
    if (interruptions < 4) await touch(name, inSeconds(interruptions))
    interruptions += 1
  }
  answers = []
  await ends('busy', inSeconds(0))
  await untilConsistent(operator, 'busy', 'gone')
  expect(answers.indexOf(200)).toBe(4)
})
