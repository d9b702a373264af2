/** The deployed functions. Each has a role of its own. */
export const functionNames = ['watch-forwarder', 'reconcile', 'timer', 'sweep', 'publish', 'api'] as const
export type FunctionName = (typeof functionNames)[number]

export function isFunction(name: string): name is FunctionName {
  return (functionNames as readonly string[]).includes(name)
}

/** The name of the user with which a function calls the API server in tests. */
export function userOf(name: FunctionName): string {
  return `challenge-operator-${name}`
}

/** Each is in the group to which `manifests/` binds the roles of the function, and in no other. */
export const functionUsers = functionNames.map(name => ({
  name: userOf(name),
  groups: [`challenge-operator:${name}`],
}))
