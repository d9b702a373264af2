/** Returns a function that runs what it is given, at most `atOnce` at a time. The others wait in order. */
export function limited(atOnce: number): <T>(run: () => Promise<T>) => Promise<T> {
  let free = atOnce
  const waiting: Array<() => void> = []
  return async run => {
    if (free > 0) free--
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await run()
    } finally {
      // A place is handed on, not freed: nothing that comes later can take it in between.
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}

/** Runs all items, at most `atOnce` at a time. Returns the results in the order of the items. */
export async function runLimited<T, R>(
  items: readonly T[],
  atOnce: number,
  run: (item: T) => Promise<R>,
): Promise<R[]> {
  const limit = limited(atOnce)
  return await Promise.all(items.map(item => limit(() => run(item))))
}
