import { afterAll, beforeAll, expect, test } from 'vitest'
import type { InstanceKey } from '../../lib/messages.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, outboxOf } from '../support/consistency.ts'
import { remove } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { flagged, type Life, type LifeSnapshot, startLife } from '../support/life.ts'
import { admitted, type Pair, runs, startPair, stateOf, suspend } from '../support/limited-pair.ts'
import { templateOf } from '../support/objects.ts'
import { eventually, referenceTo } from '../support/operator.ts'

/** Lives at the same time. The API server's processor is the limit. */
const sideBySide = 6
const never = Number.POSITIVE_INFINITY

let operator: FaultyOperator
beforeAll(async () => {
  const teams = Array.from({ length: 200 }, (_, index) => index + 1)
  operator = await startFaultyOperator({ forwarder: false, teams })
  // The first life also makes the objects that all lives of a namespace share.
  await wholeLife(never)
})
afterAll(() => operator?.stop())

let lives = 0

const image = 'registry.example.com/ctf/web:2'

/** A life from the creation to Ready, an edited template and the end. */
async function wholeLife(
  crashesAtWrite: number,
): Promise<{ snapshots: LifeSnapshot[]; writes: readonly string[] }> {
  lives += 1
  const life = await startLife(operator, lives, crashesAtWrite)
  await life.passes('changed')
  await life.passes('pod', { pod: await life.podReady() })
  const snapshots = [await life.snapshot()]
  const edited = { ...flagged, image, env: [{ name: 'LEVEL', value: 'hard' }] }
  await operator.cluster.apply(templateOf(operator.namespace, life.template, edited), operator.signal)
  await life.passes('template')
  await life.passes('pod', { pod: await life.podReady(image) })
  snapshots.push(await life.snapshot())
  await end(life)
  snapshots.push(await life.snapshot())
  return { snapshots: snapshots.map(asTold), writes: life.writes }
}

/** On a busy machine the pod is ready before the repeated pass looks, so `Provisioning` is never told. */
function asTold({ events, rows, status, ...rest }: LifeSnapshot): LifeSnapshot {
  return {
    ...rest,
    status: status ? { ...status, eventSequence: 'ANY' } : status,
    events: events.filter(each => each !== 'instance.provisioning'),
    rows: rows.map(row => ({ ...(row as object), sequence: 'ANY' })),
  }
}

/** A life that is deleted before the first message could be delivered again. */
async function shortLife(
  crashesAtWrite: number,
): Promise<{ snapshot: LifeSnapshot; writes: readonly string[] }> {
  lives += 1
  const life = await startLife(operator, lives, crashesAtWrite)
  await life.passes('changed', { redelivered: false })
  const { writes } = life
  const before = [...writes]
  await end(life)
  return { snapshot: await life.snapshot(), writes: before }
}

async function end(life: Life): Promise<void> {
  await operator.cluster.delete(referenceTo(operator, 'ChallengeInstance', life.name), {}, operator.signal)
  await life.passes('deleted')
  await eventually(operator, 'Deployment', life.name, each => each === undefined)
  await life.passes('deleted')
}

/** Runs one life for each wanted write, with a crash after it. @returns a sentence for each life that differs */
async function deaths(
  writes: readonly string[],
  wrong: (crashesAtWrite: number) => Promise<string[]>,
  isWanted: (index: number) => boolean = () => true,
): Promise<string[]> {
  const failures: string[] = []
  const work = [...writes.entries()].filter(([index]) => isWanted(index)).values()
  const worker = async () => {
    for (const [index, what] of work) {
      const found = await wrong(index + 1).catch(thrown => [(thrown as Error).message])
      failures.push(...found.map(each => `killed after write ${index + 1}, ${what}: ${each}`))
    }
  }
  await Promise.all(Array.from({ length: sideBySide }, worker))
  return failures
}

test('a life has the same results whichever write its process crashes after', async () => {
  const { snapshots, writes } = await wholeLife(never)
  expect(snapshots.at(-1)?.events).toEqual(['instance.ready', 'instance.ready', 'instance.deleted'])
  expect(snapshots.at(-1)?.children).toEqual([])
  expect(snapshots.flatMap(each => each.inconsistencies)).toEqual([])
  expect(writes.length).toBeGreaterThan(20)
  const failures = await deaths(writes, async death =>
    differencesOf((await wholeLife(death)).snapshots.map(withoutRepeats), snapshots.map(withoutRepeats)),
  )
  expect(failures).toEqual([])
}, 120_000)

test('nothing is left of a life that ends before the message of the crashed process comes again', async () => {
  const { writes } = await shortLife(never)
  const failures = await deaths(writes, async death => {
    const { children, status, inconsistencies, events } = (await shortLife(death)).snapshot
    expect({ children, status, inconsistencies }).toEqual({ children: [], inconsistencies: [] })
    // An instance without a row has no event of its end.
    const told = ['', 'instance.deleted', 'instance.provisioning,instance.deleted']
    return told.includes(events.join()) ? [] : [`events ${events}`]
  })
  expect(failures).toEqual([])
}, 60_000)

/** A pass after a crash may find the pods of an edit Ready already. It then tells of no second Ready. */
function withoutRepeats(snapshot: LifeSnapshot): LifeSnapshot {
  return { ...snapshot, events: snapshot.events.filter((each, index, all) => each !== all[index - 1]) }
}

function differencesOf(found: LifeSnapshot[], expected: LifeSnapshot[]): string[] {
  const lines = (value: unknown, path: string): string[] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => lines(inner, `${path}.${key}`))
      : [`${path} ${value}`]
  const [has, wants] = [lines(found, ''), lines(expected, '')]
  return [
    ...has.filter(line => !wants.includes(line)).map(line => `+${line}`),
    ...wants.filter(line => !has.includes(line)).map(line => `-${line}`),
  ]
}

/** The first one starts, the second one waits, and the first one is hibernated. @returns a sentence for each mistake */
async function wholePair(crashesAtWrite: number): Promise<{ writes: readonly string[]; wrong: string[] }> {
  const pair = await startPair(operator, crashesAtWrite)
  const { holder, waiter, passes } = pair
  const wrong: string[] = []
  const expectHolder = async (expected: InstanceKey) => {
    const names = await admitted(operator, pair)
    if (names.join() !== expected.name) wrong.push(`room is held by ${names}, not by ${expected.name}`)
  }
  await passes(holder, 'changed')
  await expectHolder(holder)
  await passes(waiter, 'changed')
  await expectHolder(holder)
  const waits = await stateOf(operator, waiter)
  if (waits.reason !== 'Queued') wrong.push(`the second one is ${waits.phase} (${waits.reason})`)
  await suspend(operator, holder, true)
  await passes(holder, 'changed')
  await expectHolder(waiter)
  // The message that its turn has come may be lost with the process. Its timer comes in any case.
  await passes(waiter, 'retry')
  await expectHolder(waiter)
  const [sleeps, starts] = await Promise.all([stateOf(operator, holder), stateOf(operator, waiter)])
  if (sleeps.phase !== 'Idle') wrong.push(`the first one is ${sleeps.phase} (${sleeps.reason})`)
  if (!(await runs(operator, waiter)))
    wrong.push(`the second one does not run: ${starts.phase} (${starts.reason})`)
  const events = await outboxOf(operator, holder.uid)
  if (events.filter(each => each === 'instance.idle').length !== 1) wrong.push(`events ${events}`)
  return { writes: pair.writes, wrong: [...wrong, ...sleeps.wrong, ...starts.wrong] }
}

/** The number of a write, from 1. */
function writeNumber(writes: readonly string[], isIt: (write: string, index: number) => boolean): number {
  const index = writes.findIndex(isIt)
  if (index < 0) throw new Error(`no such write among ${writes.join(', ')}`)
  return index + 1
}

/** The writes beside an admission, and those of the pass that hibernates the first one, from 0. */
function writesOfRoom(writes: readonly string[]): (index: number) => boolean {
  const [, asked = 0, askedAgain = 0] = writes.flatMap((each, index) => (each === 'admit' ? [index] : []))
  return index =>
    writes[index] === 'admit' || writes[index - 1] === 'admit' || (index > asked && index < askedAgain)
}

test('room is held once and goes on to the next one, whichever write about it a process crashes after', async () => {
  const { writes, wrong } = await wholePair(never)
  expect(wrong).toEqual([])
  expect(writes.filter(each => each === 'admit').length).toBe(3)
  const failures = await deaths(writes, async death => (await wholePair(death)).wrong, writesOfRoom(writes))
  expect(failures).toEqual([])
}, 120_000)

test('the room of an instance that is deleted before its crashed pass comes again goes to the next one', async () => {
  const { writes } = await wholePair(never)
  const pair = await startPair(
    operator,
    writeNumber(writes, each => each === 'admit'),
  )
  const { holder, waiter, passes } = pair
  await passes(holder, 'changed', { redelivered: false })
  expect(await admitted(operator, pair)).toEqual([holder.name])
  await passes(waiter, 'changed')
  expect(await admitted(operator, pair)).toEqual([holder.name])
  await remove(operator, 'ChallengeInstance', holder.name)
  await passes(holder, 'deleted')
  await passes(waiter, 'retry')
  expect(await admitted(operator, pair)).toEqual([waiter.name])
  expect(await runs(operator, waiter)).toBe(true)
})

test('a sweep starts the instance that got the room of a hibernation whose process crashed after the row', async () => {
  const pair = await hibernationCrashedAfterRow()
  const { holder, waiter } = pair
  expect(await admitted(operator, pair)).toEqual([waiter.name])
  expect(await runs(operator, waiter)).toBe(false)
  const isSettled = async () => {
    await operator.sweep({ resync: false }, operator.signal)
    const { phase, wrong } = await stateOf(operator, holder)
    return phase === 'Idle' && wrong.length === 0 && (await runs(operator, waiter))
  }
  await waitUntil('the start of the next one', 30_000, isSettled, operator.signal)
})

test('an instance that is woken while its hibernation is half reported waits for room like any other', async () => {
  const pair = await hibernationCrashedAfterRow()
  const { holder, waiter, passes } = pair
  await suspend(operator, holder, null)
  await passes(holder, 'changed')
  expect(await stateOf(operator, holder)).toMatchObject({ phase: 'Idle', reason: 'Queued' })
  await passes(waiter, 'retry')
  expect(await admitted(operator, pair)).toEqual([waiter.name])
  await remove(operator, 'ChallengeInstance', waiter.name)
  await passes(waiter, 'deleted')
  await eventually(operator, 'Deployment', waiter.name, each => each === undefined)
  await passes(waiter, 'deleted')
  await passes(holder, 'retry')
  expect(await admitted(operator, pair)).toEqual([holder.name])
  expect(await runs(operator, holder)).toBe(true)
})

/** A pair whose first instance is suspended. The process of that pass crashed between the row and the status. */
async function hibernationCrashedAfterRow(): Promise<Pair> {
  const { writes } = await wholePair(never)
  const admissions = writes.flatMap((each, index) => (each === 'admit' ? [index] : []))
  // Between the second question for room and the third, the second instance waits and the first one is hibernated.
  const [, asked = 0, askedAgain = 0] = admissions
  const last = writes.slice(asked, askedAgain).lastIndexOf('record')
  const pair = await startPair(operator, asked + last + 1)
  const { holder, waiter, passes } = pair
  await passes(holder, 'changed')
  await passes(waiter, 'changed')
  await suspend(operator, holder, true)
  await passes(holder, 'changed', { redelivered: false })
  expect((await instanceCalled(operator, holder.name))?.status?.hibernation).toBeUndefined()
  return pair
}
