import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { childKinds } from '../../lib/crd/child-kinds.ts'
import type { KubernetesObject, Stored } from '../../lib/crd/objects.ts'
import { childVersion, isSameVersion } from '../../lib/observed/child-version.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { referenceTo, type TestOperator } from './operator.ts'

/** The kinds of which a new instance has a child. An instance of an earlier release has a policy of its own, too. */
export const childKindNames = ['Deployment', 'Secret', 'Service']

const everyKindName = childKinds.map(({ kind }) => kind)

type Whole = KubernetesObject & { spec?: unknown; data?: unknown }

export const childrenOf = async (operator: TestOperator, name: string): Promise<Stored<Whole>[]> => {
  const found = everyKindName.map(kind =>
    operator.cluster.get<Whole>(referenceTo(operator, kind, name), operator.signal),
  )
  return (await Promise.all(found)).filter(each => each !== undefined)
}

export const instanceCalled = (operator: TestOperator, name: string) =>
  operator.cluster.get<ChallengeInstance>(referenceTo(operator, 'ChallengeInstance', name), operator.signal)

/** The operator's rows of this name, oldest first. There is one for each uid. */
export const rowsOf = (operator: TestOperator, name: string) =>
  operator.database
    .selectFrom('challenge_operator.instance')
    .selectAll()
    .where('name', '=', name)
    .where('namespace', '=', operator.namespace)
    .orderBy('created_at')
    .execute()

/** The outbox's events of one instance, in order. */
export const eventRowsOf = (operator: TestOperator, uid: string) =>
  operator.database
    .selectFrom('challenge_operator.outbox')
    .select(['sequence', 'type', 'message', 'payload', 'created_at'])
    .where('instance_uid', '=', uid)
    .orderBy('sequence')
    .execute()

/** Types of the outbox's events of one instance, in order. @throws Error if a sequence number is missing or doubled */
export async function outboxOf(operator: TestOperator, uid: string): Promise<string[]> {
  const rows = await eventRowsOf(operator, uid)
  const sequences = rows.map(row => Number(row.sequence))
  if (sequences.some((each, index) => each !== index + 1))
    throw new Error(`events of ${uid} have the sequences ${sequences}`)
  return rows.map(row => row.type)
}

export const platformRowsOf = (operator: TestOperator, teamId: number, slug: string) =>
  operator.database
    .selectFrom('challenges_teamserviceinstance as row')
    .innerJoin('challenges_challenge as challenge', 'challenge.id', 'row.challenge_id')
    .where('row.team_id', '=', teamId)
    .where('challenge.slug', '=', slug)
    .selectAll('row')
    .execute()

/** Compares instance, children and row. @returns one sentence for each difference; none if they agree */
export async function inconsistencies(operator: TestOperator, name: string): Promise<string[]> {
  const [instance, children, rows] = await Promise.all([
    instanceCalled(operator, name),
    childrenOf(operator, name),
    rowsOf(operator, name),
  ])
  const open = rows.filter(row => row.deleted_at === null)
  if (instance === undefined)
    return [
      ...children.map(child => `${child.kind} left behind`),
      ...open.map(row => `row of ${row.uid} not closed`),
    ]
  const { status, metadata } = instance
  const found = new Map(children.map(child => [child.kind, childVersion(child)]))
  const recorded = new Map((status?.children ?? []).map(child => [child.kind, child.version]))
  const kinds = [...new Set([...found.keys(), ...recorded.keys()])]
  const [row] = open
  const synced = status?.conditions?.find(each => each.type === 'Synced')
  return [
    ...kinds
      .filter(kind => !isSameVersion(recorded.get(kind) ?? '', found.get(kind) ?? ''))
      .map(kind => `${kind} is ${found.get(kind)}, recorded ${recorded.get(kind)}`),
    ...(open.length === 1 && row?.uid === metadata.uid ? [] : [`rows of ${open.map(each => each.uid)}`]),
    ...(row?.phase === status?.phase ? [] : [`row ${row?.phase}, status ${status?.phase}`]),
    ...(status?.observedGeneration === metadata.generation ? [] : ['generation not observed']),
    ...(synced?.status === 'True' ? [] : [`not synced (${synced?.reason}: ${synced?.message})`]),
  ]
}

/** Waits until the instance has this phase and `inconsistencies` finds none. `gone`: until nothing of it is left. */
export async function untilConsistent(
  operator: TestOperator,
  name: string,
  phase: string,
  limitMs = 30_000,
): Promise<void> {
  let last: string[] = []
  const isSo = async () => {
    const instance = await instanceCalled(operator, name)
    const is = instance?.status?.phase ?? (instance ? 'new' : 'gone')
    // The children and the row are asked for only then: together they take eight calls.
    last =
      is === phase ? await inconsistencies(operator, name) : [`phase ${is} (${instance?.status?.reason})`]
    return last.length === 0
  }
  try {
    await waitUntil(`${name} ${phase}`, limitMs, isSo, operator.signal)
  } catch (thrown) {
    throw new Error(`${name} does not become consistent as ${phase}: ${last.join('; ')}`, { cause: thrown })
  }
}
