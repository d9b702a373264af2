import { Logger } from '@aws-lambda-powertools/logger'
import type { Log, LogLevel } from './log.ts'
import type { LogFields } from './log-fields.ts'
import { redact } from './redact.ts'
import { currentScope } from './scope.ts'

export interface LoggerOptions {
  level: LogLevel
  /** Name of the function. Every line has it as `service`. */
  service: string
  fields?: LogFields
}

/**
 * Writes JSON lines to stdout, where CloudWatch reads them. A line that is written within a scope has the scope's fields. The
 * first line loads the logger.
 */
export function openLogger(options: LoggerOptions): Log {
  let logger: Logger | undefined
  const write = (level: LogLevel, message: string, fields: LogFields = {}) => {
    logger ??= new Logger({ logLevel: options.level, serviceName: options.service })
    logger[level](message, unreserved(redact({ ...options.fields, ...currentScope()?.fields, ...fields })))
  }
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
    child: ({ service = options.service, ...fields }) =>
      openLogger({ ...options, service: String(service), fields: { ...options.fields, ...fields } }),
  }
}

/** Names that a line uses itself. Powertools drops a field of such a name and prints a warning for each. */
const reservedNames = new Set(['level', 'message', 'service', 'timestamp', 'sampling_rate'])

function unreserved(fields: Record<string, unknown>): Record<string, never> {
  const renamed = Object.entries(fields).map(([name, value]) => [
    reservedNames.has(name) ? `${name}_` : name,
    value,
  ])
  return Object.fromEntries(renamed)
}
