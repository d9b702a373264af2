import { AsyncLocalStorage } from 'node:async_hooks'
import type { LogFields } from './log-fields.ts'

/** The work that a call, or a line of the log, belongs to: one pass, or one sweep. */
export interface Scope {
  /** Stand in every line of the log that is written meanwhile. */
  fields: LogFields
  /** Calls to the API server so far. */
  calls: number
}

const storage = new AsyncLocalStorage<Scope>()

/** Runs work within a scope, and everything that it starts. */
export function runInScope<T>(scope: Scope, work: () => Promise<T>): Promise<T> {
  return storage.run(scope, work)
}

/** The scope of the code that runs now; undefined outside of every scope. */
export function currentScope(): Scope | undefined {
  return storage.getStore()
}
