import { randomUUID } from 'node:crypto'
import type { Context } from 'aws-lambda'

/** What Lambda tells a function about its invocation: above all, how long it may still take. */
export function lambdaContext(functionName: string, timeoutMs: number): Context {
  const end = Date.now() + timeoutMs
  const unsupported = () => {
    throw new Error('context.done, fail and succeed went with callbacks; return a promise')
  }
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${functionName}`,
    memoryLimitInMB: '512',
    awsRequestId: randomUUID(),
    logGroupName: `/aws/lambda/${functionName}`,
    logStreamName: 'local',
    getRemainingTimeInMillis: () => Math.max(0, end - Date.now()),
    done: unsupported,
    fail: unsupported,
    succeed: unsupported,
  }
}
