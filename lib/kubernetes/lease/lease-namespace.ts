/** The Lease lives in the operator's namespace: the first watched one, `default` where all are. */
export function leaseNamespace(namespaces: readonly string[] | '*'): string {
  return namespaces === '*' ? 'default' : (namespaces[0] ?? 'default')
}
