import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { flagged, type Life, type LifeSnapshot, startLife } from '../support/life.ts'
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
  return { snapshots, writes: life.writes }
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

/** Runs one life for each write, with a crash after it. @returns a sentence for each life that differs */
async function deaths(
  writes: readonly string[],
  wrong: (crashesAtWrite: number) => Promise<string[]>,
): Promise<string[]> {
  const failures: string[] = []
  const work = writes.entries()
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
  const started = ['instance.provisioning', 'instance.ready']
  expect(snapshots.at(-1)?.events).toEqual([...started, ...started, 'instance.deleted'])
  expect(snapshots.at(-1)?.children).toEqual([])
  expect(snapshots.flatMap(each => each.inconsistencies)).toEqual([])
  expect(writes.length).toBeGreaterThan(20)
  const failures = await deaths(writes, async death =>
    differencesOf((await wholeLife(death)).snapshots.map(withoutStarts), snapshots.map(withoutStarts)),
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

/** A pass after a crash may find the pods Ready already. It then tells of no start, and the events after it are numbered lower. */
function withoutStarts(snapshot: LifeSnapshot): LifeSnapshot {
  const events = snapshot.events.filter(each => each !== 'instance.provisioning')
  const starts = snapshot.events.length - events.length
  const rows = snapshot.rows.map(row => {
    const { sequence, ...rest } = row as { sequence: number }
    return { ...rest, sequence: sequence - starts }
  })
  return { ...snapshot, events, rows }
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
