import type { Deployment } from '../../lib/crd/objects.ts'
import type { Cause, InstanceKey } from '../../lib/messages.ts'
import type { Store } from '../../lib/store/store.ts'
import { inconsistencies, instanceCalled } from './consistency.ts'
import { edit } from './edits.ts'
import { instanceOf, templateOf } from './objects.ts'
import { referenceTo, type TestOperator } from './operator.ts'
import { passInProcess, passOf } from './process-pass.ts'

type Operator = TestOperator & { store: Store }

/** Two instances of a template that allows one. The test makes their passes, each in a process of its own. */
export interface Pair {
  holder: InstanceKey
  waiter: InstanceKey
  /** The writes of its processes so far, in order. */
  readonly writes: readonly string[]
  /**
   * Makes passes for one message until one ends settled or waits for room. A crashed one is repeated as by redelivery.
   * @throws Error if more than one workload of the pair has a pod after a pass
   */
  passes(instance: InstanceKey, cause: Cause, options?: { redelivered?: boolean }): Promise<void>
}

let pairs = 0

/** @param crashesAtWrite number of the write, from 1 over all processes, at which one of them crashes */
export async function startPair(operator: Operator, crashesAtWrite: number): Promise<Pair> {
  pairs += 1
  const number = pairs
  const { namespace, cluster, signal } = operator
  const template = `single-${number}`
  await operator.database.insertInto('challenges_challenge').values({ slug: template }).execute()
  await cluster.create(templateOf(namespace, template, { maxInstances: 1 }), signal)
  const create = async (name: string, team: number) => {
    const created = await cluster.create(instanceOf(namespace, name, template, team), signal)
    if (created === 'exists') throw new Error(`${name} exists`)
    return { namespace, name, uid: created.metadata.uid }
  }
  const holder = await create(`holder-${number}`, 1)
  const waiter = await create(`waiter-${number}`, 2)
  const writes: string[] = []

  async function passes(
    instance: InstanceKey,
    cause: Cause,
    { redelivered = true }: { redelivered?: boolean } = {},
  ): Promise<void> {
    let causes = new Set<Cause>([cause])
    let last = ''
    for (let waits = 0; waits < 10; waits++) {
      const crash = { crashesAtWrite, earlier: writes.length }
      const pass = passOf(instance, { causes, waits })
      const { result, writes: own } = await passInProcess(operator, pass, crash)
      writes.push(...own)
      const running = await Promise.all([holder, waiter].map(each => runs(operator, each)))
      if (running.every(Boolean)) throw new Error('two workloads where one is allowed')
      if (result === undefined && !redelivered) return
      if (result?.outcome.kind === 'settled') return
      if (result?.outcome.kind === 'requeue' && result.outcome.reason === 'Queued') return
      last = JSON.stringify(result?.outcome)
      causes = new Set<Cause>(result === undefined ? [cause, 'retry'] : ['retry'])
    }
    throw new Error(`the passes of ${instance.name} for "${cause}" do not end: ${last}`)
  }

  return { holder, waiter, writes, passes }
}

/** Whether the Deployment of an instance asks for a pod. */
export async function runs(operator: TestOperator, { name }: InstanceKey): Promise<boolean> {
  const found = await operator.cluster.get<Deployment>(
    referenceTo(operator, 'Deployment', name),
    operator.signal,
  )
  return (found?.spec?.replicas ?? 0) > 0
}

export const suspend = (operator: TestOperator, { name }: InstanceKey, value: boolean | null) =>
  edit(operator, 'ChallengeInstance', name, { spec: { suspend: value } })

/** The names of the pair's instances that hold room in the database. */
export async function admitted(operator: TestOperator, { holder, waiter }: Pair): Promise<string[]> {
  const rows = await operator.database
    .selectFrom('challenge_operator.instance')
    .select('name')
    .where('uid', 'in', [holder.uid, waiter.uid])
    .where('deleted_at', 'is', null)
    .where('admitted_at', 'is not', null)
    .execute()
  return rows.map(({ name }) => name)
}

/** What the status of an instance says, and what does not agree with it. */
export async function stateOf(operator: TestOperator, instance: InstanceKey) {
  const { status } = (await instanceCalled(operator, instance.name)) ?? {}
  return {
    phase: status?.phase,
    reason: status?.reason,
    wrong: await inconsistencies(operator, instance.name),
  }
}
