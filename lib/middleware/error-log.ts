import type { MiddlewareObj } from '@middy/core'
import type { Log } from '../telemetry/log.ts'
import { silentLog } from '../telemetry/log.ts'
import { mergeOptions } from './options.ts'

export interface ErrorLogOptions {
  log: Log
}

/** Writes one line for an invocation that failed as a whole. The failure itself goes on unchanged. */
export function errorLog(options: Partial<ErrorLogOptions>): MiddlewareObj {
  const { log } = mergeOptions<ErrorLogOptions>('errorLog', { log: silentLog }, options)
  return {
    onError({ error, context }) {
      try {
        log.error('invocation failed', { error, request: context.awsRequestId })
      } catch {
        // A log that cannot be written must not take the place of the failure.
      }
    },
  }
}
