import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Outcome, type PendingEvent, startRuntimeApi } from './runtime-api.ts'

/** A function as it is deployed. */
export interface FunctionDefinition {
  functionName: string
  arn: string
  /** `functions/reconcile/index.handler`. */
  handler: string
  timeoutSeconds: number
  memoryMb: number
  /** The variables of its configuration. */
  variables: Readonly<Record<string, string>>
  /** The folder with its unpacked zip. */
  taskRoot: string
}

/** What an environment of Lambda has besides the variables of the function. */
export interface SandboxPlace {
  region: string
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string }
  /** `AWS_ENDPOINT_URL…`. */
  endpoints: Readonly<Record<string, string>>
}

/** One execution environment: a process that handles one event at a time, and is frozen between two. */
export interface Sandbox {
  readonly accessKeyId: string
  /** The lines of its log. */
  readonly lines: readonly string[]
  /** A sandbox that has ended takes no event. */
  readonly hasEnded: boolean
  /**
   * Thaws the process and hands it an event. Resolves when it asks for the next one, and is frozen again, or when it has
   * ended. A handler that exceeds the timeout is killed with its process.
   */
  invoke(event: unknown): Promise<Outcome>
  freeze(): void
  thaw(): void
  kill(): Promise<void>
}

/** A frozen process does not notice that the run of the tests has ended. */
const processes = new Set<ChildProcess>()
process.once('exit', () => {
  for (const each of processes) each.kill('SIGKILL')
})

const bootstrap = join(import.meta.dirname, 'bootstrap.ts')

/** Starts a process with the environment of a function and nothing else. */
export async function startSandbox(definition: FunctionDefinition, place: SandboxPlace): Promise<Sandbox> {
  const { functionName, arn: functionArn, timeoutSeconds, taskRoot } = definition
  const lines: string[] = []
  const idle = Promise.withResolvers<void>()
  let give: ((event: PendingEvent) => void) | undefined
  let failure: Outcome | undefined
  let current: { requestId: string; outcome?: Outcome; end: (outcome: Outcome) => void } | undefined
  let hasEnded = false

  const api = await startRuntimeApi({
    asks(next) {
      give = next
      child.kill('SIGSTOP')
      idle.resolve()
      if (current?.outcome) current.end(current.outcome)
    },
    ends(requestId, outcome) {
      if (current?.requestId === requestId) current.outcome = outcome
    },
    failsToLoad(error) {
      failure = { error }
    },
  })
  const child = spawn(process.execPath, [bootstrap], {
    cwd: taskRoot,
    env: environmentOf(definition, place, api.address),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  processes.add(child)
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', line => lines.push(line))
  const exited = once(child, 'exit').then(async ([code, signal]) => {
    hasEnded = true
    processes.delete(child)
    await api.stop()
    failure ??= { error: exitError(signal ?? code) }
    idle.resolve()
    current?.end(current.outcome ?? failure)
  })

  return {
    accessKeyId: place.credentials.accessKeyId,
    lines,
    get hasEnded() {
      return hasEnded
    },
    async invoke(event) {
      await idle.promise
      if (hasEnded && failure) return failure
      if (give === undefined || current)
        throw new Error(`a sandbox of ${functionName} handles one event at a time`)
      const { promise, resolve: end } = Promise.withResolvers<Outcome>()
      const requestId = randomUUID()
      current = { requestId, end }
      const late = setTimeout(() => {
        const message = `${requestId} Task timed out after ${timeoutSeconds.toFixed(2)} seconds`
        failure = { error: { errorType: 'Sandbox.Timedout', errorMessage: message } }
        child.kill('SIGKILL')
      }, timeoutSeconds * 1_000)
      child.kill('SIGCONT')
      give({ requestId, functionArn, event, deadline: Date.now() + timeoutSeconds * 1_000 })
      give = undefined
      const outcome = await promise
      clearTimeout(late)
      current = undefined
      return outcome
    },
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

function exitError(how: string | number) {
  return { errorType: 'Runtime.ExitError', errorMessage: `Runtime exited with error: ${how}` }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, "Defined runtime environment variables". */
function environmentOf(
  { functionName, handler, memoryMb, variables, taskRoot }: FunctionDefinition,
  { region, credentials, endpoints }: SandboxPlace,
  runtimeApi: string,
): Record<string, string> {
  return {
    ...variables,
    ...endpoints,
    AWS_LAMBDA_RUNTIME_API: runtimeApi,
    LAMBDA_TASK_ROOT: taskRoot,
    _HANDLER: handler,
    AWS_LAMBDA_FUNCTION_NAME: functionName,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: '[$LATEST]',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken,
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    PATH: '/usr/local/bin:/usr/bin/:/bin:/opt/bin',
  }
}
