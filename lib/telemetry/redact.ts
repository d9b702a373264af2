import { OperatorError } from '../errors.ts'

/** Names that promise a secret value, wherever in the name they stand: `flagHmac`, `clientSecret`, `authToken`. */
const secretName = /flag|token|secret|password|pepper|authorization|credential/i

/** What foreign errors and events carry along: it may hold a Secret, so it is dropped by name. */
const droppedNames = new Set(['cause', 'body', 'headers', 'stack', 'rawBody', 'response'])

/** A line is for reading: CloudWatch takes 256 KiB, a person some lines. */
const textLimit = 2_000
const listLimit = 50
const depthLimit = 5

/** Fields as they may be written: secrets masked by name, causes, bodies and headers gone, errors as reason + message. */
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

/** Where an untranslated error came from. Only the frames: the head of a stack repeats the message. */
function frames(error: Error): string[] {
  const origin = error.cause instanceof Error ? error.cause : error
  const lines = (origin.stack ?? '').split('\n').map(line => line.trim())
  return lines.filter(line => line.startsWith('at ')).slice(0, 5)
}
