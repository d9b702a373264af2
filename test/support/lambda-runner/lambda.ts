import type { Outcome } from './runtime-api.ts'
import { type FunctionDefinition, type Sandbox, type SandboxPlace, startSandbox } from './sandbox.ts'

export interface LambdaFunction extends FunctionDefinition {
  /** Takes the outcome of an asynchronous invocation that failed. There is no second try. */
  onFailure?: (event: unknown, error: NonNullable<Outcome['error']>) => Promise<void>
  /** Environment of a new sandbox, with credentials of its own. */
  place(): SandboxPlace
}

/** An invocation that has begun. */
export interface Begun {
  sandbox: Sandbox
  outcome: Promise<Outcome>
}

export interface Lambda {
  /** Hands the event to a sandbox that has nothing to do, or to a new one. */
  begin(name: string, event: unknown): Promise<Begun>
  /** @returns the answer. @throws Error as the function failed */
  invoke(name: string, event: unknown): Promise<unknown>
  /** Invokes as a rule of EventBridge does, which waits for no answer. */
  beginAsynchronously(name: string, event: unknown): Promise<Begun>
  /** The sandboxes of a function, also those that have ended, oldest first. */
  sandboxes(name: string): readonly Sandbox[]
  stop(): Promise<void>
}

/** Runs functions as Lambda does: as many sandboxes of a function as it has events at a time, each kept for later events. */
export function openLambda(functions: Readonly<Record<string, LambdaFunction>>): Lambda {
  const sandboxes = new Map<string, Sandbox[]>()
  const busy = new Set<Sandbox>()
  let stopped = false

  const functionCalled = (name: string): LambdaFunction => {
    const found = functions[name]
    if (found === undefined) throw new Error(`there is no function ${name}`)
    return found
  }
  async function freeSandbox(name: string): Promise<Sandbox> {
    const own = sandboxes.get(name) ?? []
    sandboxes.set(name, own)
    const free = own.find(each => !each.hasEnded && !busy.has(each))
    if (free) {
      busy.add(free)
      return free
    }
    const definition = functionCalled(name)
    const made = await startSandbox(definition, definition.place())
    busy.add(made)
    own.push(made)
    return made
  }

  const lambda: Lambda = {
    async begin(name, event) {
      if (stopped) throw new Error('Lambda has stopped')
      const sandbox = await freeSandbox(name)
      const outcome = sandbox.invoke(event).finally(() => busy.delete(sandbox))
      return { sandbox, outcome }
    },
    async invoke(name, event) {
      const { outcome } = await lambda.begin(name, event)
      const { error, ...ended } = await outcome
      if (error) throw Object.assign(new Error(`${name}: ${error.errorMessage}`), { name: error.errorType })
      return (ended as { result: unknown }).result
    },
    async beginAsynchronously(name, event) {
      const { sandbox, outcome } = await lambda.begin(name, event)
      const ended = outcome.then(async how => {
        if (how.error && !stopped) await functionCalled(name).onFailure?.(event, how.error)
        return how
      })
      return { sandbox, outcome: ended }
    },
    sandboxes: name => sandboxes.get(name) ?? [],
    async stop() {
      stopped = true
      await Promise.all([...sandboxes.values()].flat().map(each => each.kill()))
    },
  }
  return lambda
}
