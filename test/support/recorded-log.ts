import type { Log, LogLevel } from '../../lib/telemetry/log.ts'
import { redact } from '../../lib/telemetry/redact.ts'

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

export function recordedLog(): RecordedLog {
  const lines: Line[] = []
  const logWith = (own: Record<string, unknown>): Log => {
    const at =
      (level: LogLevel) =>
      (message: string, fields: Record<string, unknown> = {}) =>
        void lines.push({ level, message, fields: redact({ ...own, ...fields }) })
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
