/**
 * Options of a middleware, merged once at cold start. A name that the defaults do not have is a typing error that would
 * otherwise stay silent until the moment it matters.
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
