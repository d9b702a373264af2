import { remember } from '../../bounded-cache.ts'

/** Returns the same string object for equal strings. Each parsed object brings its own copies. */
export type Intern = (text: string) => string

/**
 * The most strings that are shared. The names of templates that are gone would pile up otherwise, and a forwarder may run
 * for weeks. A cluster has fewer at the same time.
 */
const internLimit = 20_000

/**
 * Shares strings that many rows have in common. Names of namespaces are not among them: each instance may have one of its
 * own, which ends with it. See `namespaceFor`.
 */
export function createIntern(): Intern {
  const interned = new Map<string, string>()
  return text => {
    const known = interned.get(text)
    if (known === undefined) remember(interned, internLimit, text, text)
    return known ?? text
  }
}

/** A row, as far as it names namespaces. */
export interface NamesNamespaces {
  readonly namespace: string
  readonly instance: { readonly children: readonly { namespace: string }[] } | undefined
  readonly dependents: readonly { namespace: string }[]
}

/** Returns the name of a namespace, as the same string object that the row has for it already. */
export function namespaceFor({ namespace, instance, dependents }: NamesNamespaces, name: string): string {
  if (namespace === name) return namespace
  const isThere = (each: { namespace: string }) => each.namespace === name
  return (dependents.find(isThere) ?? instance?.children.find(isThere))?.namespace ?? name
}
