/** The namespaces that the operator watches. `'*'` means all of the cluster. */
export type WatchedNamespaces = readonly string[] | '*'

/** Returns the namespace of what exists once: the first watched one, or `default` if all are watched. */
export function firstNamespace(namespaces: WatchedNamespaces): string {
  return namespaces === '*' ? 'default' : (namespaces[0] ?? 'default')
}

/** Returns the scopes of a list or a watch: each watched namespace once, or one scope without a namespace for all. */
export function scopesOf(namespaces: WatchedNamespaces): { namespace?: string }[] {
  return namespaces === '*' ? [{}] : [...new Set(namespaces)].map(namespace => ({ namespace }))
}

/** Returns the scopes of lists and watches of children. With `everywhere` they may lie in any namespace of the cluster. */
export function childScopesOf(
  namespaces: WatchedNamespaces,
  { everywhere }: { everywhere: boolean },
): { namespace?: string }[] {
  return scopesOf(everywhere ? '*' : namespaces)
}

/** Returns a function that tells whether a namespace is watched. */
export function watchedBy(namespaces: WatchedNamespaces): (namespace: string) => boolean {
  if (namespaces === '*') return () => true
  const watched = new Set(namespaces)
  return namespace => watched.has(namespace)
}
