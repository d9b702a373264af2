import type { MiddlewareObj } from '@middy/core'
import { type Log, silentLog } from '../telemetry/log.ts'
import { mergeOptions } from './options.ts'

export interface ErrorLogOptions {
  log: Log
}

/** Writes one line for an invocation that failed as a whole. The error itself is passed on unchanged. */
export function errorLog(options: Partial<ErrorLogOptions>): MiddlewareObj {
  const { log } = mergeOptions<ErrorLogOptions>('errorLog', { log: silentLog }, options)
  return {
    onError({ error, context }) {
      try {
        log.error('invocation failed', { error, request: context.awsRequestId })
      } catch {
        // An error of the log must not replace the error of the invocation.
      }
    },
  }
}
