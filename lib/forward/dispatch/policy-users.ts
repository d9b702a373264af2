import { defaultDenyName } from '../../crd/group.ts'
import type { ObjectKey } from '../../messages.ts'
import type { Row } from '../table/row.ts'

/** Tells which instances need a policy that instances share. */
export interface PolicyUsers {
  /** @param turn another one each time, since one instance may not do @returns undefined: none needs it */
  find(policy: ObjectKey, turn: number): ObjectKey | undefined
  /** The rows have changed. */
  forget(): void
}

/**
 * Looks through all rows once, at the first question after a change of a row. Changed settings make the policies of all
 * namespaces wrong at the same time, and placement `Instance` has one for each instance.
 */
export function createPolicyUsers(rows: () => Iterable<Row>): PolicyUsers {
  let known: Map<string, Row[]> | undefined

  function lookThrough(): Map<string, Row[]> {
    const users = new Map<string, Row[]>()
    for (const row of rows())
      for (const policy of policiesNeededBy(row)) {
        const key = keyOf(policy)
        const found = users.get(key)
        if (found === undefined) users.set(key, [row])
        else found.push(row)
      }
    return users
  }

  return {
    find(policy, turn) {
      known ??= lookThrough()
      const users = known.get(keyOf(policy)) ?? []
      const row = users[turn % Math.max(1, users.length)]
      return row && { namespace: row.namespace, name: row.name }
    },
    forget() {
      known = undefined
    },
  }
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

function keyOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`
}
