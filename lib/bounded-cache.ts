/**
 * Adds an entry to a cache, which forgets all entries first if it is full. An entry that is needed again is made again,
 * so the cache does not have to know which ones are in use.
 */
export function remember<K, V>(cache: Map<K, V>, limit: number, key: K, value: V): void {
  if (cache.size >= limit && !cache.has(key)) cache.clear()
  cache.set(key, value)
}
