import { OperatorError } from '../errors.ts'

/** A field whose name contains one of these words is masked, for example `flagHmac`, `clientSecret`, `authToken`. */
const secretName = /flag|token|secret|password|pepper|authorization|credential/i

/** Fields of foreign errors and events that may contain a Secret. They are dropped. */
const droppedNames = new Set(['cause', 'body', 'headers', 'stack', 'rawBody', 'response'])

/** The limits keep a line readable. They are far below the 256 KiB that CloudWatch accepts. */
const textLimit = 2_000
const listLimit = 50
const depthLimit = 5
const frameLimit = 5

/** Returns the fields with secrets masked by name, without causes, bodies and headers, and with errors as reason and message. */
export function redact(fields: Record<string, unknown>): Record<string, unknown> {
  return redactRecord(fields, 0)
}

function redactRecord(record: Record<string, unknown>, depth: number): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(record)) {
    if (droppedNames.has(name) || value === undefined) continue
    kept[name] = secretName.test(name) ? '[redacted]' : redactValue(value, depth)
  }
  return kept
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > textLimit ? `${value.slice(0, textLimit)}…` : value
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) return redactError(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (depth >= depthLimit) return '[deep]'
  if (value instanceof Set) return redactList([...value], depth)
  if (value instanceof Map) return redactRecord(Object.fromEntries(value), depth + 1)
  if (Array.isArray(value)) return redactList(value, depth)
  return redactRecord(value as Record<string, unknown>, depth + 1)
}

function redactList(list: unknown[], depth: number): unknown[] {
  const kept = list.slice(0, listLimit).map(entry => redactValue(entry, depth + 1))
  return list.length > listLimit ? [...kept, `… ${list.length - listLimit} more`] : kept
}

function redactError(error: Error): Record<string, unknown> {
  const message = redactValue(error.message, 0)
  if (error instanceof OperatorError && error.reason !== 'Internal')
    return { reason: error.reason, fate: error.fate, message }
  return { reason: 'Internal', name: error.name, message, frames: frames(error) }
}

/** Returns the frames of an error that no adapter translated. The head of its stack only repeats the message. */
function frames(error: Error): string[] {
  const origin = error.cause instanceof Error ? error.cause : error
  const lines = (origin.stack ?? '').split('\n').map(line => line.trim())
  return lines.filter(line => line.startsWith('at ')).slice(0, frameLimit)
}
