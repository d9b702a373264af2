import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { eventRowsOf, instanceCalled, rowsOf, untilConsistent } from '../../support/consistency.ts'
import { create, edit, remove } from '../../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../../support/objects.ts'
import { phaseOf, referenceTo } from '../../support/operator.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { type RestorablePlane, startRestorablePlane } from '../../support/restorable-plane.ts'

let plane: RestorablePlane
let operator: FaultyOperator
const { log, lines } = recordedLog()

beforeAll(async () => {
  plane = await startRestorablePlane()
  operator = await startFaultyOperator({ plane, forwarder: false, log, teams: [1, 2, 3, 4, 5] })
  const { cluster, namespace, signal } = operator
  await cluster.create(templateOf(namespace, 'web', { flagStrategy: { type: 'hmac-per-instance' } }), signal)
}, 180_000)
afterAll(async () => {
  await operator?.stop()
  await plane?.stop()
})

async function start(team: number): Promise<ChallengeInstance> {
  const { cluster, namespace, signal } = operator
  await cluster.create(instanceOf(namespace, `web-${team}`, 'web', team), signal)
  await untilConsistent(operator, `web-${team}`, 'Ready', 30_000)
  return (await instanceCalled(operator, `web-${team}`)) as ChallengeInstance
}

/** Raises the version of the cluster, as an hour of an event does. */
async function hourOfWrites(): Promise<void> {
  await create(operator, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'hour' } })
  for (let index = 0; index < 400; index++)
    await edit(operator, 'ConfigMap', 'hour', { data: { index: String(index) } })
}

const clockOf = (data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'challenge-operator' },
  data,
})

async function hasClock(): Promise<boolean> {
  const state = referenceTo(operator, 'ConfigMap', 'challenge-operator-clock')
  return (await operator.cluster.get(state, operator.signal)) !== undefined
}

/** The types of the events of an instance, and whether they are rebuilt. */
async function toldOf(uid: string): Promise<string[]> {
  const events = await eventRowsOf(operator, uid)
  return events.map(
    ({ type, sequence, payload }) => `${sequence} ${type}${payload.rebuilt ? ' rebuilt' : ''}`,
  )
}

const uidOf = ({ metadata }: ChallengeInstance) => metadata.uid ?? ''

const said = (text: string) => lines.filter(({ message }) => message.includes(text))

test('the operator follows an etcd that was restored to an hour ago', async () => {
  const { signal } = operator
  const forwarder = operator.startForwarder()
  const kept = await start(1)
  const ended = await start(2)
  await plane.backUp()
  // The hour that etcd forgets.
  await remove(operator, 'ChallengeInstance', 'web-2')
  await untilConsistent(operator, 'web-2', 'gone')
  const lost = await start(3)
  await edit(operator, 'ChallengeInstance', 'web-1', { spec: { restartedAt: new Date().toISOString() } })
  const restarted = async () => (await toldOf(uidOf(kept))).length === 4
  await waitUntil('the events of the restart', 30_000, restarted, signal)
  await untilConsistent(operator, 'web-1', 'Ready')
  await hourOfWrites()
  await create(operator, clockOf({ lockdown: 'false' }))
  await waitUntil('the state of the clock', 20_000, hasClock, signal)
  const [toldBefore, toldOfEnded] = [await toldOf(uidOf(kept)), await toldOf(uidOf(ended))]

  await plane.restore()
  expect((await instanceCalled(operator, 'web-2'))?.metadata.uid).toBe(uidOf(ended))
  expect(await instanceCalled(operator, 'web-3')).toBeUndefined()

  // The versions of the cluster are lower than those that forwarder and reconcile have seen.
  await create(operator, clockOf({ paused: 'true' }))
  await waitUntil('the state of the clock', 20_000, hasClock, signal)
  const { cluster, namespace } = operator
  await cluster.create(instanceOf(namespace, 'web-4', 'web', 4), signal)
  await phaseOf(operator, 'web-4', 'Pending', 'Paused')
  await edit(operator, 'ConfigMap', 'challenge-operator', { data: { paused: 'false' } })
  await untilConsistent(operator, 'web-4', 'Ready')
  expect(said('server is behind what it has told')).not.toEqual([])
  await untilConsistent(operator, 'web-3', 'gone')
  expect((await toldOf(uidOf(lost))).at(-1)).toBe('3 instance.deleted')

  await operator.sweep({ resync: false }, signal)
  await untilConsistent(operator, 'web-2', 'gone')
  expect(said('it ends again')).toHaveLength(1)
  expect(await toldOf(uidOf(ended))).toEqual(toldOfEnded)
  expect(await rowsOf(operator, 'web-2')).toMatchObject([{ uid: uidOf(ended), phase: 'Terminating' }])

  await untilConsistent(operator, 'web-1', 'Ready')
  expect((await toldOf(uidOf(kept))).slice(0, toldBefore.length)).toEqual(toldBefore)

  // The lead changes hands over a Lease whose versions have gone back.
  const second = operator.startForwarder()
  await forwarder.stop()
  await start(5)
  await second.stop()
}, 180_000)
