import { type IncomingHttpHeaders, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

/**
 * What runs in a sandbox in place of AWS's runtime for Node: loads the handler that `_HANDLER` names, and hands it one event
 * after the other over the Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). It imports nothing
 * but Node.
 */
const { AWS_LAMBDA_RUNTIME_API = '', LAMBDA_TASK_ROOT = '', _HANDLER = '' } = process.env

type Handler = (event: unknown, context: object) => Promise<unknown>

async function call(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ headers: IncomingHttpHeaders; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof call>>>()
  const url = `http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/${path}`
  const sent = request(url, { method, headers: { 'content-type': 'application/json' } }, async answer =>
    resolve({ headers: answer.headers, body: await text(answer) }),
  )
  sent.on('error', reject)
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  return promise
}

/** `functions/reconcile/index.handler` is `handler` of `functions/reconcile/index.mjs`. */
async function loadHandler(): Promise<Handler> {
  const [, path = '', name = ''] = /^(.*)\.([^.]+)$/.exec(_HANDLER) ?? []
  const loaded = await import(pathToFileURL(join(LAMBDA_TASK_ROOT, `${path}.mjs`)).href)
  if (typeof loaded[name] !== 'function') throw new Error(`${_HANDLER} is undefined or not exported`)
  return loaded[name]
}

function contextOf(headers: IncomingHttpHeaders): object {
  const deadline = Number(headers['lambda-runtime-deadline-ms'])
  const { env } = process
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  }
}

function errorOf(thrown: unknown): object {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  return { errorType: error.name, errorMessage: error.message, trace: error.stack?.split('\n') ?? [] }
}

async function runEvents(handler: Handler): Promise<never> {
  for (;;) {
    const { headers, body } = await call('GET', 'invocation/next')
    const invocation = `invocation/${headers['lambda-runtime-aws-request-id']}`
    try {
      const result = await handler(JSON.parse(body), contextOf(headers))
      await call('POST', `${invocation}/response`, result ?? null)
    } catch (thrown) {
      await call('POST', `${invocation}/error`, errorOf(thrown))
    }
  }
}

const handler = await loadHandler().catch(async thrown => {
  await call('POST', 'init/error', errorOf(thrown))
  process.exit(1)
})
await runEvents(handler)
