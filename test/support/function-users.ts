/** The deployed functions. Each has a role of its own. */
export const functionNames = ['watch-forwarder', 'reconcile', 'timer', 'sweep', 'publish', 'api'] as const
export type FunctionName = (typeof functionNames)[number]

/** The name of the user with which a function calls the API server in tests of rights, and of the user's only group. */
export function userOf(name: FunctionName): string {
  return `challenge-operator-${name}`
}

export const functionUsers = functionNames.map(name => ({ name: userOf(name), groups: [userOf(name)] }))
