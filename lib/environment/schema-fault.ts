/** A schema for a page of variables is some hundred bytes; more is no schema for an environment. */
const jsonLimit = 32_768
const depthLimit = 32

/**
 * How many places a validation may visit, with every `$ref` followed: twenty definitions that each refer to the next
 * one twice would be a million.
 */
const visitLimit = 5_000

const references = ['$ref', '$dynamicRef', '$recursiveRef']

type Node = Record<string, unknown> | unknown[]

/** What makes a schema dangerous or unusable before anything compiles it, and what to write instead. */
export function schemaFault(schema: Record<string, unknown>): string | undefined {
  try {
    checkDepth(schema, 0)
    if (JSON.stringify(schema).length > jsonLimit)
      return `it has more than ${jsonLimit} characters; describe fewer variables`
    const visits = countVisits(schema, schema, new Map())
    if (visits > visitLimit)
      return `it has ${visits > 1e6 ? 'millions of' : visits} places to visit with every $ref followed; refer to less`
    return undefined
  } catch (thrown) {
    if (thrown instanceof SchemaFault) return thrown.message
    throw thrown
  }
}

class SchemaFault extends Error {}

function checkDepth(node: unknown, depth: number): void {
  if (typeof node !== 'object' || node === null) return
  if (depth > depthLimit)
    throw new SchemaFault(`it is nested deeper than ${depthLimit}; an environment is flat`)
  for (const each of Object.values(node)) checkDepth(each, depth + 1)
}

/** @param seen what each place costs; 'open' while it is being counted, so that a loop shows */
function countVisits(node: unknown, root: Node, seen: Map<object, number | 'open'>): number {
  if (typeof node !== 'object' || node === null) return 1
  const known = seen.get(node)
  if (known === 'open')
    throw new SchemaFault('a $ref leads back to itself; an environment is flat, so remove it')
  if (known !== undefined) return known
  seen.set(node, 'open')
  let visits = 1
  for (const [key, value] of Object.entries(node)) {
    visits += countVisits(value, root, seen)
    if (references.includes(key) && typeof value === 'string')
      visits += countVisits(resolve(value, root), root, seen)
    if (key === '$id' || key === '$anchor' || key === '$dynamicAnchor') refuseNames(key, value, node, root)
  }
  seen.set(node, visits)
  return visits
}

/** Only the root may say what it is called: names further in change what a `$ref` means. */
function refuseNames(key: string, value: unknown, node: object, root: Node): void {
  if (typeof value === 'string' && !(key === '$id' && node === root))
    throw new SchemaFault(`it has ${key}; refer by place instead, such as #/definitions/port`)
}

function resolve(reference: string, root: Node): unknown {
  const shown = JSON.stringify(reference.slice(0, 80))
  if (!/^#(\/|$)/.test(reference))
    throw new SchemaFault(`$ref ${shown} leads out of it; write what it refers to under definitions`)
  const steps = reference.slice(1).split('/').slice(1).map(unescaped)
  const target = steps.reduce<unknown>(
    (node, step) =>
      typeof node === 'object' && node !== null && Object.hasOwn(node, step)
        ? (node as Record<string, unknown>)[step]
        : undefined,
    root,
  )
  if (target === undefined) throw new SchemaFault(`$ref ${shown} leads nowhere; mend or remove it`)
  return target
}

function unescaped(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~')
}
