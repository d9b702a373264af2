/** Characters of a schema. One for a page of variables has some hundred. */
const jsonLimit = 32_768
const depthLimit = 32

/**
 * Number of places that a validation may visit with every `$ref` followed. Twenty definitions that each refer to the
 * next one twice would make a million.
 */
const visitLimit = 5_000

const references = ['$ref', '$dynamicRef', '$recursiveRef']
const names = ['$id', '$anchor', '$dynamicAnchor']

type Node = Record<string, unknown> | unknown[]

/** Finds what makes a schema dangerous or unusable, before anything compiles it. Says what to write instead. */
export function schemaProblem(schema: Record<string, unknown>): string | undefined {
  if (deeperThan(depthLimit, schema)) return `it is nested deeper than ${depthLimit}; an environment is flat`
  if (JSON.stringify(schema).length > jsonLimit)
    return `it has more than ${jsonLimit} characters; describe fewer variables`
  const visits = countVisits(schema, schema, new Map())
  if (typeof visits === 'string') return visits
  if (visits > visitLimit)
    return `it has ${visits > 1e6 ? 'millions of' : visits} places to visit with every $ref followed; refer to less`
  return undefined
}

function deeperThan(limit: number, node: unknown): boolean {
  if (typeof node !== 'object' || node === null) return false
  return limit < 0 || Object.values(node).some(each => deeperThan(limit - 1, each))
}

/**
 * Counts the visits below a node and the nodes that it refers to.
 * @param seen the visits of each node; 'open' while they are being counted, which reveals a loop
 * @returns the visits, or the first problem on the way
 */
function countVisits(node: unknown, root: Node, seen: Map<object, number | 'open'>): number | string {
  if (typeof node !== 'object' || node === null) return 1
  const known = seen.get(node)
  if (known === 'open') return 'a $ref leads back to itself; an environment is flat, so remove it'
  if (known !== undefined) return known
  seen.set(node, 'open')
  let visits = 1
  for (const [key, value] of Object.entries(node)) {
    const below = countVisits(value, root, seen)
    if (typeof below === 'string') return below
    const referred = references.includes(key) && typeof value === 'string' ? referTo(value, root, seen) : 0
    if (typeof referred === 'string') return referred
    // Names below the root would change the meaning of a `$ref`.
    if (names.includes(key) && typeof value === 'string' && !(key === '$id' && node === root))
      return `it has ${key}; refer by place instead, such as #/definitions/port`
    visits += below + referred
  }
  seen.set(node, visits)
  return visits
}

function referTo(reference: string, root: Node, seen: Map<object, number | 'open'>): number | string {
  const shown = JSON.stringify(reference.slice(0, 80))
  if (!/^#(\/|$)/.test(reference))
    return `$ref ${shown} leads out of it; write what it refers to under definitions`
  const steps = reference.slice(1).split('/').slice(1).map(unescaped)
  const target = steps.reduce<unknown>(
    (node, step) =>
      typeof node === 'object' && node !== null && Object.hasOwn(node, step)
        ? (node as Record<string, unknown>)[step]
        : undefined,
    root,
  )
  if (target === undefined) return `$ref ${shown} leads nowhere; correct or remove it`
  return countVisits(target, root, seen)
}

function unescaped(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~')
}
