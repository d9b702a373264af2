import type { Log, LogLevel } from '../../lib/telemetry/log.ts'
import { type LogFields, logFields } from '../../lib/telemetry/log-fields.ts'
import { redact } from '../../lib/telemetry/redact.ts'
import { currentScope } from '../../lib/telemetry/scope.ts'

export interface Line {
  level: LogLevel
  message: string
  fields: Record<string, unknown>
}

export interface RecordedLog {
  log: Log
  /** The lines as they would be written, of every level. */
  lines: Line[]
  /** The outcomes of the ended passes over the instance of this name, oldest first. */
  passesOf(name: string): string[]
}

/** The compiler checks the names of a literal. This also checks those of an object that is spread into one. */
export function checkFields(message: string, fields: object): void {
  const unknown = Object.keys(fields).filter(name => !(name in logFields))
  if (unknown.length > 0) throw new Error(`'${message}' has fields that no list knows: ${unknown.join(', ')}`)
}

export function recordedLog(): RecordedLog {
  const lines: Line[] = []
  const logWith = (own: LogFields): Log => {
    const at =
      (level: LogLevel) =>
      (message: string, fields: LogFields = {}) => {
        checkFields(message, fields)
        lines.push({ level, message, fields: redact({ ...own, ...currentScope()?.fields, ...fields }) })
      }
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: fields => logWith({ ...own, ...fields }),
    }
  }
  return {
    log: logWith({}),
    lines,
    passesOf: name =>
      lines
        .filter(line => line.message === 'pass ended' && line.fields.name === name)
        .map(line => String(line.fields.outcome)),
  }
}
