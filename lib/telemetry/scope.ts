import { AsyncLocalStorage } from 'node:async_hooks'
import type { LogFields } from './log-fields.ts'
import { type SpanIdentity, traceparentOf } from './traceparent.ts'

/** The work that a call, or a line of the log, belongs to: one pass, or one sweep. */
export interface Scope {
  /** Stand in every line of the log that is written meanwhile. */
  fields: LogFields
  /** Calls to the API server so far. */
  calls: number
  /** The span of the work, in the trace of the change that led to it. */
  span?: SpanIdentity
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

/** Returns the W3C traceparent of the work that runs now, for what it causes. */
export function currentTraceparent(): string | undefined {
  const span = storage.getStore()?.span
  return span && traceparentOf(span)
}
