import { createHash } from 'node:crypto'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { linearPatterns, PatternRefused } from './linear-pattern.ts'

/** Values as a container gets them, or a fault: of the values, or of the schema itself. */
export type Checked = { values: Record<string, string> } | { fault: string } | { schemaFault: string }

/** Compiled schemas kept: an event has some hundred challenges, few with a schema. */
const cacheLimit = 100

const cache = new Map<string, ValidateFunction | { schemaFault: string }>()

/** @param schema without `schemaFault` */
export function checkAgainst(
  schema: Record<string, unknown>,
  env: Readonly<Record<string, string>>,
): Checked {
  const validate = compiled(schema)
  if (typeof validate !== 'function') return validate
  // ajv coerces and fills in place.
  const data: Record<string, unknown> = { ...env }
  if (!validate(data)) return { fault: printable(sentence(validate.errors?.[0])) }
  const values: Record<string, string> = {}
  for (const [name, value] of Object.entries(data)) {
    if (typeof value === 'object' && value !== null)
      return {
        schemaFault: `it makes ${name.slice(0, 60)} a list or object; a variable is a string, number or boolean`,
      }
    values[name] = String(value ?? '')
  }
  return { values }
}

function compiled(schema: Record<string, unknown>): ValidateFunction | { schemaFault: string } {
  const key = createHash('sha256').update(JSON.stringify(schema)).digest('hex')
  const known = cache.get(key)
  if (known) return known
  const fresh = compile(schema)
  if (cache.size >= cacheLimit) cache.clear()
  cache.set(key, fresh)
  return fresh
}

/** One Ajv for each schema, so that no `$id` of one template means anything to another. */
function compile(schema: Record<string, unknown>): ValidateFunction | { schemaFault: string } {
  // `$async` would make a promise of the verdict, which is true whatever it says.
  const { $schema: _dialect, $id: _id, $async: _promise, ...rest } = schema
  try {
    const ajv = new Ajv({
      strict: false,
      coerceTypes: true,
      useDefaults: true,
      allErrors: false,
      logger: false,
      code: { regExp: linearPatterns() },
    })
    addFormats.default(ajv)
    return ajv.compile(rest)
  } catch (thrown) {
    if (thrown instanceof PatternRefused) return { schemaFault: printable(thrown.message) }
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return { schemaFault: printable(`${message.slice(0, 300)}; mend the schema`) }
  }
}

/** Names the variable and the rule; ajv's messages hold what the schema says, never the value. */
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

/** Messages go to a status and a database, which take neither half a character nor a NUL. */
function printable(message: string): string {
  return message.toWellFormed().replace(/\p{Cc}/gu, ' ')
}
