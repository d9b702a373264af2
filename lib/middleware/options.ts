/**
 * Merges the options of a middleware with its defaults, once at cold start. A name that the defaults lack is a mistake that
 * would otherwise stay unnoticed.
 * @throws TypeError naming the middleware and the unknown options
 */
export function mergeOptions<T extends object>(middleware: string, defaults: T, given: Partial<T>): T {
  const unknown = Object.keys(given).filter(name => !Object.hasOwn(defaults, name))
  if (unknown.length > 0) {
    const known = Object.keys(defaults).join(', ')
    throw new TypeError(
      `middleware ${middleware}: unknown option ${unknown.join(', ')}; there are ${known || 'none'}`,
    )
  }
  return { ...defaults, ...given }
}
