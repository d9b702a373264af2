/** The deployed functions, each of which has a role of its own. */
export const functionNames = ['watch-forwarder', 'reconcile', 'timer', 'sweep', 'publish', 'api'] as const
export type FunctionName = (typeof functionNames)[number]

/** The user, and its only group, as which a function calls the API server in tests of its rights. */
export function userOf(name: FunctionName): string {
  return `challenge-operator-${name}`
}

export const functionUsers = functionNames.map(name => ({ name: userOf(name), groups: [userOf(name)] }))
