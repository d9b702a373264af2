import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ForwardDependencies } from '../../lib/forward.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { outboxOf, untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { referenceTo } from '../support/operator.ts'
import { seededRandom } from '../support/random.ts'

let operator: FaultyOperator
const teams = [1, 2, 3, 4, 5]
const nameOf = (team: number) => `web-${team}`

const slowKinds = new Set(['Deployment', 'Service', 'NetworkPolicy'])
const random = seededRandom(1)

/** Delays the events of children by 1.5 to 3 s, in order per watch. Events of instances and pods come at once. */
const slowly =
  (inner: ForwardDependencies['watch']): ForwardDependencies['watch'] =>
  (target, handlers, signal) => {
    if (!slowKinds.has(target.kind)) return inner(target, handlers, signal)
    let last: Promise<void> = Promise.resolve()
    const later = (tell: () => void) => {
      const at = Date.now() + 1_500 + random() * 1_500
      last = last.then(async () => {
        await sleep(Math.max(0, at - Date.now()), undefined, { signal }).catch(() => {})
        if (!signal.aborted) tell()
      })
    }
    return inner<never>(
      target,
      {
        onObject: object => later(() => handlers.onObject(object)),
        onGone: object => later(() => handlers.onGone(object)),
        onListed: list => later(() => handlers.onListed(list)),
      },
      signal,
    )
  }

beforeAll(async () => {
  operator = await startFaultyOperator({ forwarder: { watch: slowly }, teams })
  const spec = { flagStrategy: { type: 'hmac-per-instance' } } as const
  await operator.cluster.create(templateOf(operator.namespace, 'web', spec), operator.signal)
})
afterAll(() => operator?.stop())

/** Longer than the delay of the slowest event, so that each event has arrived. */
const restMs = 4_000

/** Waits until no pass has ended for longer than the delay of the slowest event. */
async function rest(): Promise<void> {
  let seen = operator.passes.length
  let since = Date.now()
  const isQuiet = async () => {
    if (operator.passes.length !== seen) since = Date.now()
    seen = operator.passes.length
    return Date.now() - since > restMs
  }
  await waitUntil('rest', 30_000, isQuiet, operator.signal)
}

/** The passes that a change caused. A database that is slow on a busy machine brings retries, which are no loop of events. */
const passesOf = (team: number) =>
  operator.passes.filter(({ name, causes }) => name === nameOf(team) && !causes.includes('retry'))

describe('events that come later than the forwarder waits for an echo', () => {
  test('cause a bounded number of passes for each instance', async () => {
    const { cluster, namespace, signal } = operator
    await Promise.all(
      teams.map(team => cluster.create(instanceOf(namespace, nameOf(team), 'web', team), signal)),
    )
    await Promise.all(teams.map(team => untilConsistent(operator, nameOf(team), 'Ready')))
    await rest()
    // Two passes are needed. Each of three kinds may look like drift once.
    for (const team of teams)
      expect(passesOf(team).length, JSON.stringify(passesOf(team))).toBeLessThanOrEqual(5)
  })

  test('cause no loop after an edit and a deletion', async () => {
    const { cluster, namespace, signal } = operator
    const before = new Map(teams.map(team => [team, passesOf(team).length]))
    const spec = {
      flagStrategy: { type: 'hmac-per-instance' },
      image: 'registry.example.com/ctf/web:2',
    } as const
    await cluster.apply(templateOf(namespace, 'web', spec), signal)
    const rolled = async () =>
      (await Promise.all(teams.map(team => eventsOf(team)))).every(
        events => events.filter(each => each === 'instance.ready').length === 2,
      )
    await waitUntil('the new image everywhere', 30_000, rolled, signal)
    await rest()
    for (const team of teams)
      expect(
        passesOf(team).length - (before.get(team) ?? 0),
        JSON.stringify(passesOf(team)),
      ).toBeLessThanOrEqual(6)
    const uids = await Promise.all(teams.map(uidOf))
    for (const team of teams)
      await cluster.delete(referenceTo(operator, 'ChallengeInstance', nameOf(team)), {}, signal)
    await Promise.all(teams.map(team => untilConsistent(operator, nameOf(team), 'gone')))
    await rest()
    for (const uid of uids) expect((await outboxOf(operator, uid)).at(-1)).toBe('instance.deleted')
    for (const team of teams)
      expect(
        passesOf(team).length - (before.get(team) ?? 0),
        JSON.stringify(passesOf(team)),
      ).toBeLessThanOrEqual(12)
  })

  const uidOf = async (team: number) => {
    const reference = referenceTo(operator, 'ChallengeInstance', nameOf(team))
    return (await operator.cluster.getMetadata(reference, operator.signal))?.metadata.uid ?? ''
  }
  const eventsOf = async (team: number) => outboxOf(operator, await uidOf(team))
})
