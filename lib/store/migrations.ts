import type { Migration } from 'kysely/migration'
import * as instances from './migrations/2026-11-23-instances.ts'

/** By name, in the order of their names. One that was released never changes again; what comes is a new one. */
export const migrations: Record<string, Migration> = {
  '2026-11-23-instances': instances,
}
