import { createHash } from 'node:crypto'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { remember } from '../bounded-cache.ts'
import { createLinearPatterns } from './linear-pattern.ts'

/** Number of compiled schemas that are kept. An event has some hundred challenges, few of them with a schema. */
const cacheLimit = 100

const cache = new Map<string, ValidateFunction | string>()

/**
 * Compiles a schema, or takes it from the cache.
 * @param schema one for which `schemaProblem` found nothing
 * @returns the compiled schema, or the problem of the schema
 */
export function compiledSchema(schema: Record<string, unknown>): ValidateFunction | string {
  const key = createHash('sha256').update(JSON.stringify(schema)).digest('hex')
  const known = cache.get(key)
  if (known) return known
  const fresh = compile(schema)
  remember(cache, cacheLimit, key, fresh)
  return fresh
}

/** @returns the values with the defaults of the schema, or the problem of the values */
export function filledBy(
  validate: ValidateFunction,
  env: Readonly<Record<string, string>>,
): Record<string, unknown> | string {
  // ajv coerces and fills in place.
  const values: Record<string, unknown> = { ...env }
  return validate(values) ? values : printable(sentence(validate.errors?.[0]))
}

/** @returns the values as a container gets them, or the problem of the schema that filled them in */
export function stringsOf(values: Record<string, unknown>): Record<string, string> | string {
  const nested = Object.keys(values).find(name => typeof values[name] === 'object' && values[name] !== null)
  if (nested !== undefined)
    return `it makes ${nested.slice(0, 60)} a list or object; a variable is a string, number or boolean`
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value ?? '')]))
}

/** Each schema has an Ajv of its own, so that the `$id` of one template means nothing to another. */
function compile(schema: Record<string, unknown>): ValidateFunction | string {
  // `$async` would make the verdict a promise, which is always truthy.
  const { $schema: _dialect, $id: _id, $async: _promise, ...rest } = schema
  const patterns = createLinearPatterns()
  try {
    const ajv = new Ajv({
      strict: false,
      coerceTypes: true,
      useDefaults: true,
      allErrors: false,
      logger: false,
      code: { regExp: patterns.regExp },
    })
    addFormats.default(ajv)
    const validate = ajv.compile(rest)
    const problem = patterns.problem()
    return problem === undefined ? validate : printable(problem)
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return printable(patterns.problem() ?? `${message.slice(0, 300)}; correct the schema`)
  }
}

/** Names the variable and the rule. The messages of ajv quote the schema and never the value. */
function sentence(error: ErrorObject | undefined): string {
  const name = error?.instancePath.slice(1).slice(0, 60) ?? ''
  const extra = error?.params as {
    additionalProperty?: string
    missingProperty?: string
    allowedValues?: unknown[]
  }
  if (extra?.missingProperty)
    return `lacks ${extra.missingProperty.slice(0, 60)}, which the template requires`
  if (extra?.additionalProperty)
    return `has ${extra.additionalProperty.slice(0, 60)}, which the template does not know; remove it`
  const allowed = extra?.allowedValues ? `: ${JSON.stringify(extra.allowedValues).slice(0, 200)}` : ''
  return `has a ${name === '' ? 'set of variables' : name} that the template refuses: it ${(error?.message ?? 'is invalid').slice(0, 300)}${allowed}`
}

/** Statuses and the database take neither half a surrogate pair nor a NUL. */
function printable(message: string): string {
  return message.toWellFormed().replace(/\p{Cc}/gu, ' ')
}
