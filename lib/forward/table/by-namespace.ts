interface Located {
  namespace: string
  name: string
}

/** Values by namespace and name. A namespace without a value costs nothing. */
export interface ByNamespace<T extends Located> {
  get(namespace: string, name: string): T | undefined
  /** Adds the value, in place of one with its namespace and name. @returns the value */
  put(value: T): T
  /** Drops what has the namespace and name of the value. */
  drop(value: T): void
  /** The values in one namespace. */
  inNamespace(namespace: string): Iterable<T>
  values(): Iterable<T>
}

/**
 * A namespace with one value has no map of its own: the placement `Instance` makes a namespace for each instance, and a
 * map takes 200 bytes for each kind of object there. The strings of the values are the keys; joined keys would be more.
 */
export function createByNamespace<T extends Located>(): ByNamespace<T> {
  const namespaces = new Map<string, T | Map<string, T>>()

  function* inNamespace(namespace: string): Iterable<T> {
    const found = namespaces.get(namespace)
    if (found instanceof Map) yield* found.values()
    else if (found !== undefined) yield found
  }

  return {
    get(namespace, name) {
      const found = namespaces.get(namespace)
      if (found instanceof Map) return found.get(name)
      return found?.name === name ? found : undefined
    },
    put(value) {
      const { namespace, name } = value
      const found = namespaces.get(namespace)
      if (found instanceof Map) found.set(name, value)
      else if (found === undefined || found.name === name) namespaces.set(namespace, value)
      else
        namespaces.set(
          namespace,
          new Map([
            [found.name, found],
            [name, value],
          ]),
        )
      return value
    },
    drop({ namespace, name }) {
      const found = namespaces.get(namespace)
      if (found instanceof Map) {
        found.delete(name)
        if (found.size === 0) namespaces.delete(namespace)
      } else if (found?.name === name) namespaces.delete(namespace)
    },
    inNamespace,
    *values() {
      for (const namespace of namespaces.keys()) yield* inNamespace(namespace)
    },
  }
}
