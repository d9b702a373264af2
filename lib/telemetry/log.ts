import type { LogFields } from './log-fields.ts'

/**
 * The log of a function. `message` is a fixed sentence, and everything that varies is in `fields`, so that lines can be
 * counted. Errors among the fields are written as reason and message. `redact.ts` has what is never written.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** Returns the same log with these fields in every line. */
  child(fields: LogFields): Log
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}
