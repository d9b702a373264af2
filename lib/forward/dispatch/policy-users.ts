import { defaultDenyName } from '../../crd/group.ts'
import type { ObjectKey } from '../../messages.ts'
import type { Dependent, Row } from '../table/row.ts'

/**
 * Returns an instance that needs a policy that instances share; undefined: none needs it. Only what lies in the namespace of
 * the policy is looked at: the placement `Instance` has a namespace for each instance, and many may begin or end at once.
 * @param turn another one each time, since one instance may not do
 */
export function findPolicyUser(
  policy: ObjectKey,
  turn: number,
  dependentsIn: (namespace: string) => Iterable<Dependent>,
): ObjectKey | undefined {
  const users = new Set<Row>()
  for (const { row } of dependentsIn(policy.namespace)) if (needsPolicy(row, policy)) users.add(row)
  const row = [...users][turn % Math.max(1, users.size)]
  return row && { namespace: row.namespace, name: row.name }
}

function needsPolicy(row: Row, { namespace, name }: ObjectKey): boolean {
  return policiesNeededBy(row).some(each => each.name === name && each.namespace === namespace)
}

/** Returns a function that tells the newest event whose instances need a policy; 0: none needs it. */
export function newestEvents(rows: Iterable<Row>): (policy: ObjectKey) => number {
  const newest = new Map<string, number>()
  const keyOf = ({ namespace, name }: ObjectKey) => `${namespace}/${name}`
  for (const row of rows)
    for (const policy of policiesNeededBy(row)) {
      const key = keyOf(policy)
      newest.set(key, Math.max(newest.get(key) ?? 0, row.instance?.event ?? 0))
    }
  return policy => newest.get(keyOf(policy)) ?? 0
}

/** The policies that an instance's objects need: the default-deny policy where they are, and those that select its pods. */
export function policiesNeededBy({ instance, dependents }: Row): ObjectKey[] {
  const needed: ObjectKey[] = []
  const add = (namespace: string, name: string) => {
    if (!needed.some(each => each.name === name && each.namespace === namespace))
      needed.push({ namespace, name })
  }
  for (const { namespace } of instance?.children ?? []) add(namespace, defaultDenyName)
  for (const { namespace, policy } of dependents) if (policy !== undefined) add(namespace, policy)
  return needed
}
